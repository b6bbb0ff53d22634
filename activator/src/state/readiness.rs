//! Decides when a pod may be used, from its object and the activator's own probes.
//!
//! A pod enters the rotation at the first pass of the activator's own probe, or when it is Ready.
//! It leaves on deletion, draining, Ready turning False, or failed connections.
//!
//! ```text
//! no address --> probing --pass--> usable --connection failed--> probing
//!                   |                |
//!                   | exec, startup  | Ready turned False
//!                   +--> awaiting Ready <--+            deletion, end: leaving, from anywhere
//! ```

use std::net::SocketAddr;

use http::{HeaderName, HeaderValue};
use rouse_k8s::ObjectKey;

/// How to find out that a pod is ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Check {
    /// Only the kubelet can: a command, or a startup probe before it.
    Kubelet,
    Tcp {
        address: SocketAddr,
    },
    Http {
        address: SocketAddr,
        path: String,
        headers: Vec<(HeaderName, HeaderValue)>,
    },
    Grpc {
        address: SocketAddr,
        service: String,
    },
}

/// The fields of a Pod that matter here.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PodFacts {
    pub(crate) uid: String,
    pub(crate) revision: ObjectKey,
    /// A node was chosen for it.
    pub(crate) bound: bool,
    pub(crate) address: Option<SocketAddr>,
    pub(crate) check: Check,
    /// Being deleted, or ended.
    pub(crate) leaving: bool,
    pub(crate) draining: bool,
    pub(crate) ready: bool,
    /// Why it is not usable, if its status says so.
    pub(crate) trouble: Option<String>,
}

/// Observations of a pod that its object does not hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Memory {
    pub(crate) passed: bool,
    pub(crate) was_ready: bool,
    pub(crate) unreachable: bool,
    /// Its node asked that no more requests be sent to it.
    pub(crate) given_up: bool,
}

/// The state of a pod, which says what comes next for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Nothing can be done before there is an address.
    Unaddressed,
    Probe,
    /// Only the kubelet can tell, or only it may bring the pod back.
    AwaitReady,
    Usable,
    Draining,
    Leaving,
}

/// Decides a pod's stage.
pub(crate) fn stage(facts: &PodFacts, memory: Memory) -> Stage {
    if facts.leaving || memory.given_up {
        return Stage::Leaving;
    }
    if facts.address.is_none() {
        return Stage::Unaddressed;
    }
    if facts.draining {
        return Stage::Draining;
    }
    if memory.was_ready && !facts.ready {
        return Stage::AwaitReady;
    }
    if memory.unreachable {
        return Stage::Probe;
    }
    if facts.ready || memory.passed {
        return Stage::Usable;
    }
    match facts.check {
        Check::Kubelet => Stage::AwaitReady,
        Check::Tcp { .. } | Check::Http { .. } | Check::Grpc { .. } => Stage::Probe,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: ([u8; 4], u16) = ([127, 0, 0, 1], 8080);

    fn facts() -> PodFacts {
        PodFacts {
            uid: "1".to_owned(),
            revision: ObjectKey::new("default", "hello-00001"),
            bound: true,
            address: Some(ADDRESS.into()),
            check: Check::Tcp { address: ADDRESS.into() },
            leaving: false,
            draining: false,
            ready: false,
            trouble: None,
        }
    }

    const NEW: Memory =
        Memory { passed: false, was_ready: false, unreachable: false, given_up: false };

    #[test]
    fn a_pod_is_probed_from_its_first_address_and_used_at_the_first_pass() {
        assert_eq!(stage(&PodFacts { address: None, ..facts() }, NEW), Stage::Unaddressed);
        assert_eq!(stage(&facts(), NEW), Stage::Probe);
        assert_eq!(stage(&facts(), Memory { passed: true, ..NEW }), Stage::Usable);
    }

    #[test]
    fn where_only_the_kubelet_can_probe_ready_decides() {
        let facts = PodFacts { check: Check::Kubelet, ..facts() };
        assert_eq!(stage(&facts, NEW), Stage::AwaitReady);
        let ready = PodFacts { ready: true, ..facts };
        assert_eq!(stage(&ready, Memory { was_ready: true, ..NEW }), Stage::Usable);
    }

    #[test]
    fn after_ready_turned_false_only_ready_brings_it_back() {
        let memory = Memory { passed: true, was_ready: true, unreachable: true, ..NEW };
        assert_eq!(stage(&facts(), memory), Stage::AwaitReady);
        let back = Memory { unreachable: false, ..memory };
        assert_eq!(stage(&PodFacts { ready: true, ..facts() }, back), Stage::Usable);
    }

    #[test]
    fn a_failed_connection_asks_for_a_new_pass_even_of_a_ready_pod() {
        let memory = Memory { passed: true, was_ready: true, unreachable: true, ..NEW };
        assert_eq!(stage(&PodFacts { ready: true, ..facts() }, memory), Stage::Probe);
    }

    #[test]
    fn leaving_wins_over_draining_and_draining_over_ready() {
        let ready = PodFacts { ready: true, draining: true, ..facts() };
        assert_eq!(stage(&ready, NEW), Stage::Draining);
        assert_eq!(stage(&PodFacts { leaving: true, ..ready.clone() }, NEW), Stage::Leaving);
        assert_eq!(stage(&ready, Memory { given_up: true, ..NEW }), Stage::Leaving);
    }
}
