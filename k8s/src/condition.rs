//! Conditions: the facts that a status lists by type.
//!
//! Each kind has a type of its own for them, with the same fields; [`Condition`] is what they share.

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{DeploymentCondition, ReplicaSetCondition};
use k8s_openapi::api::core::v1::{NodeCondition, PodCondition};

/// The condition type of most kinds that says whether an object is ready to do its work.
pub const READY: &str = "Ready";

/// The condition of a pod that is False where Rouse's node agent does not enforce some of its settings.
pub const ENFORCED: &str = "rouse.dev/Enforced";
/// The reason of a False [`ENFORCED`], and of the Event that says the same.
pub const NOT_ENFORCED: &str = "NotEnforced";

pub const TRUE: &str = "True";
pub const FALSE: &str = "False";

/// One fact about an object: of a type, True, False or Unknown.
pub trait Condition {
    fn type_(&self) -> &str;
    fn status(&self) -> &str;
    /// When the status changed last.
    fn since(&self) -> Option<Timestamp>;
}

macro_rules! conditions {
    ($($kind:ty),*) => {$(
        impl Condition for $kind {
            fn type_(&self) -> &str {
                &self.type_
            }

            fn status(&self) -> &str {
                &self.status
            }

            fn since(&self) -> Option<Timestamp> {
                self.last_transition_time.as_ref().map(|time| time.0)
            }
        }
    )*};
}

conditions!(DeploymentCondition, NodeCondition, PodCondition, ReplicaSetCondition);

/// The condition of that type. An absent list is an empty one.
pub fn find<'a, C: Condition + 'a>(
    conditions: impl IntoIterator<Item = &'a C>,
    type_: &str,
) -> Option<&'a C> {
    conditions.into_iter().find(|condition| condition.type_() == type_)
}

/// Whether there is a condition of that type whose status is True.
pub fn is_true<'a, C: Condition + 'a>(
    conditions: impl IntoIterator<Item = &'a C>,
    type_: &str,
) -> bool {
    find(conditions, type_).is_some_and(|condition| condition.status() == TRUE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_holds_only_if_it_is_there_and_true() {
        let node = |status: &str| NodeCondition {
            type_: READY.to_owned(),
            status: status.to_owned(),
            ..NodeCondition::default()
        };
        for (conditions, holds) in [
            (Vec::new(), false),
            (vec![node(TRUE)], true),
            (vec![node(FALSE)], false),
            (vec![node("Unknown")], false),
            (vec![NodeCondition { type_: "DiskPressure".to_owned(), ..node(TRUE) }], false),
        ] {
            assert_eq!(is_true(&conditions, READY), holds, "{conditions:?}");
        }
        let absent: Option<Vec<NodeCondition>> = None;
        assert_eq!(find(absent.iter().flatten(), READY), None);
    }
}
