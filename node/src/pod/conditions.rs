//! The conditions of a pod, as they follow from its state.

use jiff::Timestamp;
use rouse_k8s::{condition, pod};

use super::container::{Container, Role};
use super::state::PodState;

/// One condition as it is now; when it changed is in `PodState::conditions`.
pub(super) struct Fact {
    pub(super) kind: &'static str,
    pub(super) holds: bool,
    pub(super) reason: Option<&'static str>,
    pub(super) message: Option<String>,
}

impl PodState {
    /// Records when a condition changed.
    pub(super) fn follow_conditions(&mut self, now: Timestamp) {
        for fact in self.facts() {
            match self.conditions.get(fact.kind) {
                Some((held, _)) if *held == fact.holds => {}
                Some(_) | None => {
                    self.conditions.insert(fact.kind.to_owned(), (fact.holds, now));
                }
            }
        }
    }

    /// The conditions that follow from the state.
    pub(super) fn facts(&self) -> Vec<Fact> {
        let all_started = self.ip.is_some();
        let mut facts = vec![Fact {
            kind: "PodReadyToStartContainers",
            holds: all_started,
            reason: None,
            message: None,
        }];
        let pending: Vec<&str> = self.names(Container::holds_back);
        facts.push(Fact {
            kind: "Initialized",
            holds: pending.is_empty(),
            reason: (!pending.is_empty()).then_some("ContainersNotInitialized"),
            message: (!pending.is_empty())
                .then(|| format!("containers with incomplete status: [{}]", pending.join(" "))),
        });
        let (reason, message) = self.why_not_ready();
        let containers = reason.is_none();
        facts.push(Fact {
            kind: "ContainersReady",
            holds: containers,
            reason,
            message: message.clone(),
        });
        let gate = self.missing_gate();
        facts.push(Fact {
            kind: "Ready",
            holds: containers && gate.is_none(),
            reason: reason.or_else(|| gate.as_ref().map(|_| "ReadinessGatesNotReady")),
            message: message.or(gate),
        });
        facts.push(Fact { kind: "PodScheduled", holds: true, reason: None, message: None });
        facts.extend(self.not_enforced());
        facts
    }

    /// The settings that the runtime does not enforce; nothing where it enforces all.
    fn not_enforced(&self) -> Option<Fact> {
        let all: Vec<&str> =
            self.containers.iter().flat_map(|c| &c.not_enforced).map(String::as_str).collect();
        (!all.is_empty()).then(|| Fact {
            kind: condition::ENFORCED,
            holds: false,
            reason: Some(condition::NOT_ENFORCED),
            message: Some(all.join("; ")),
        })
    }

    fn why_not_ready(&self) -> (Option<&'static str>, Option<String>) {
        match self.phase() {
            "Succeeded" => return (Some("PodCompleted"), None),
            "Failed" => return (Some("PodFailed"), None),
            _ => {}
        }
        let unready = self.names(|c| c.role != Role::Init && !c.ready);
        if unready.is_empty() {
            return (None, None);
        }
        let mut message = format!("containers with unready status: [{}]", unready.join(" "));
        let complaints: Vec<&str> =
            self.containers.iter().filter_map(|c| c.complaint.as_deref()).collect();
        if complaints.is_empty() {
            return (Some("ContainersNotReady"), Some(message));
        }
        message.push_str(": ");
        message.push_str(&complaints.join("; "));
        (Some("PortIgnored"), Some(message))
    }

    fn names(&self, which: impl Fn(&Container) -> bool) -> Vec<&str> {
        self.containers.iter().filter(|c| which(c)).map(|c| c.name.as_str()).collect()
    }

    /// A readiness gate that does not hold, as a message.
    fn missing_gate(&self) -> Option<String> {
        let gates = self.pod.spec.as_ref()?.readiness_gates.as_ref()?;
        gates.iter().find_map(|gate| {
            let kind = gate.condition_type.as_str();
            match pod::condition(&self.pod, kind).map(|held| held.status.as_str()) {
                Some(condition::TRUE) => None,
                Some(_) => Some(format!(
                    "the status of pod readiness gate {kind:?} is not \"True\", but False"
                )),
                None => Some(format!(
                    "corresponding condition of pod readiness gate {kind:?} does not exist."
                )),
            }
        })
    }
}
