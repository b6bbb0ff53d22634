//! The events that a pod's state machine takes, and the effects that it asks for.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;

use super::probe::{ProbeKind, Verdict};
use crate::runtime::{Exit, Signal};

/// Index of a container: init containers first, in the order of the spec.
pub(crate) type Index = usize;

/// Something that happened to the pod.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// The object is new or has changed.
    Observed(Arc<Pod>),
    /// The object is gone: it was deleted without grace.
    Gone,
    /// The platform ends: stop the containers, and leave the object for the next start.
    Halt,
    /// No request is sent to the pod any more, and none is in flight in it.
    Drained,
    /// A time that `wake_at` named has come.
    Tick,
    ImageMissing(Index),
    Pulled {
        container: Index,
        took: Duration,
        size: u64,
    },
    PullFailed {
        container: Index,
        message: String,
    },
    /// Something in the spec cannot be resolved now: `reason` is the kubelet's.
    Refused {
        container: Index,
        reason: &'static str,
        message: String,
    },
    Started {
        container: Index,
        run: Launched,
    },
    StartFailed {
        container: Index,
        message: String,
    },
    Exited {
        container: Index,
        exit: Exit,
    },
    Probed {
        container: Index,
        kind: ProbeKind,
        verdict: Verdict,
        message: String,
    },
    /// It uses more than it may.
    Evict {
        message: String,
    },
    /// The program does not listen on `PORT` (with a message), or does after all.
    PortIgnored {
        container: Index,
        message: Option<String>,
    },
}

/// A runtime's answer about a container that it started.
#[derive(Clone, Debug)]
pub(crate) struct Launched {
    pub(crate) id: String,
    pub(crate) image_id: String,
    pub(crate) ip: Option<IpAddr>,
    pub(crate) addresses: BTreeMap<u16, SocketAddr>,
    pub(crate) not_enforced: Vec<String>,
    /// Its script says when it is ready, whatever its probes.
    pub(crate) scripted: bool,
}

/// An action of the worker. A status write is none: statuses are written whenever they differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Resolve image and environment and start it.
    Launch(Index),
    Pull(Index),
    /// Start this kind of probe; those that run go on.
    Probe(Index, ProbeKind),
    StopProbes(Index),
    /// Ask that no more requests be sent to the pod, and wait until none is in flight.
    Drain,
    Signal(Index, Signal),
    /// Remove the ended container from the runtime.
    Remove(String),
    Note(Note),
    /// All has ended: write the last status and delete the object.
    Finish,
    /// All has ended and the object stays or is gone: forget the pod.
    Forget,
}

/// An Event to record on the pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Note {
    pub(crate) warning: bool,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
    pub(crate) container: Option<Index>,
}

impl Effect {
    pub(super) fn note(reason: &'static str, message: String, at: Index) -> Self {
        Self::Note(Note { warning: false, reason, message, container: Some(at) })
    }

    pub(super) fn warning(reason: &'static str, message: String, at: Index) -> Self {
        Self::Note(Note { warning: true, reason, message, container: Some(at) })
    }
}
