//! One pod as a state machine: events in, effects out.
//!
//! ```text
//!            launch            started               exited
//! Waiting ──────────> Launching ──────> Running ──────────────> Ended ──┐
//!    ^  └─ no image ─> Pulling ─┘          └ liveness ─> Term, Kill     │
//!    └──────────────── back-off, by restart policy <────────────────────┘
//! ```
//!
//! | file | holds |
//! |---|---|
//! | `step` | all changes of a pod's state |
//! | `status`, `conditions` | the status, derived from the state |
//! | `state` | a pod's containers and its end |
//! | `container` | one container: its start, its probes, its exit |
//! | `ending`, `context`, `event`, `probe` | types that these use |
//!
//! Invariant: no IO and no clock. The status is derived from the state, never patched.
//! Upstream: pkg/kubelet/kuberuntime/kuberuntime_manager.go, pkg/kubelet/pod_workers.go.

mod conditions;
mod container;
mod context;
mod ending;
mod event;
mod probe;
mod state;
mod status;
mod step;

pub(crate) use container::Run;
pub(crate) use context::{grace, spec_of};
pub(crate) use event::{Effect, Event, Index, Launched, Note};
pub(crate) use probe::{Check, ProbeKind, Timing, Tracker, Verdict};
pub(crate) use state::PodState;
pub(crate) use status::status;

#[cfg(test)]
mod tests;
