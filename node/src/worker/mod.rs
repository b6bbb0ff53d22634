//! A pod's worker: performs the effects of the pod's state machine.

mod address;
mod claims;
mod effects;
mod hosts;
mod launch;
mod listening;
mod live;
mod logins;
mod metrics;
mod prober;
mod probes;
mod run;
mod shared;
mod sources;
mod status;
mod supervise;
mod tls;
mod tokens;
mod volumes;

pub(crate) use claims::remove_unclaimed;
pub(crate) use hosts::Hosts;
pub(crate) use live::{Live, LivePod};
pub(crate) use metrics::Metrics;
pub(crate) use run::Seen;
pub use shared::{ApiAccess, Config};
pub(crate) use shared::{HOST_IP, Shared};
pub(crate) use supervise::supervise;
pub(crate) use tokens::Tokens;
pub(crate) use volumes::WriteLocks;
