//! The status of a PodAutoscaler.
//!
//! There is no ServerlessService here: the activator is always in the path, so what `SKSReady`
//! promises upstream, an address that answers, always holds and it is True from the start.

use jiff::Timestamp;
use rouse_api::condition::{self, Condition, ConditionSet};
use rouse_api::podautoscaler::{PodAutoscalerStatus, ScaleChange};

use crate::decide::scale::{Active, Activity};

pub const ACTIVE: &str = "Active";
pub const SCALE_TARGET_INITIALIZED: &str = "ScaleTargetInitialized";
pub const SKS_READY: &str = "SKSReady";
pub(crate) const CONDITIONS: ConditionSet =
    ConditionSet::new(&[ACTIVE, SCALE_TARGET_INITIALIZED, SKS_READY]);

/// Changes of scale that a status keeps.
pub const DECISIONS_KEPT: usize = 20;

/// The inputs of a status.
#[derive(Debug)]
pub struct Facts<'a> {
    pub generation: Option<i64>,
    pub activity: Activity,
    pub initialized: bool,
    pub want: Option<u32>,
    pub ready: u32,
    /// Newest first.
    pub decisions: &'a [ScaleChange],
}

/// The status after `before`.
#[must_use]
pub fn compute(
    before: &PodAutoscalerStatus,
    facts: &Facts<'_>,
    now: Timestamp,
) -> PodAutoscalerStatus {
    let mut after = before.clone();
    let (seen, generation) = (before.observed_generation, facts.generation);
    let mut conditions = CONDITIONS.begin(&mut after.conditions, seen, generation, now);
    conditions.mark_true(SKS_READY);
    if facts.initialized {
        conditions.mark_true(SCALE_TARGET_INITIALIZED);
    }
    match facts.activity.state {
        Active::Active => conditions.mark_true(ACTIVE),
        Active::Activating => conditions.mark_unknown(
            ACTIVE,
            "Queued",
            "Requests to the target are being buffered as resources are provisioned.",
        ),
        Active::NoTraffic => {
            conditions.mark_false(ACTIVE, "NoTraffic", "The target is not receiving traffic.");
        }
        Active::TimedOut => {
            conditions.mark_false(ACTIVE, "TimedOut", "The target could not be activated.");
        }
    }
    after.observed_generation = facts.generation;
    after.actual_scale = Some(signed(facts.ready));
    // An unknown scale does not overwrite the last known one: after a restart it would flicker.
    after.desired_scale = facts.want.map(signed).or(before.desired_scale);
    after.decisions = facts.decisions.iter().take(DECISIONS_KEPT).cloned().collect();
    after
}

/// Whether the initial scale was ever reached, according to a status.
#[must_use]
pub fn was_initialized(status: &PodAutoscalerStatus) -> bool {
    condition::find(&status.conditions, SCALE_TARGET_INITIALIZED).is_some_and(Condition::is_true)
}

/// Reads the activity from a status, for an autoscaler that has just started. New objects are
/// activating.
#[must_use]
pub fn activity_of(status: &PodAutoscalerStatus, now: Timestamp) -> Activity {
    let Some(active) = condition::find(&status.conditions, ACTIVE) else {
        return Activity { state: Active::Activating, since: now };
    };
    let state = match active.status {
        rouse_api::ConditionStatus::True => Active::Active,
        rouse_api::ConditionStatus::Unknown => Active::Activating,
        rouse_api::ConditionStatus::False if active.reason == "TimedOut" => Active::TimedOut,
        rouse_api::ConditionStatus::False => Active::NoTraffic,
    };
    Activity { state, since: active.last_transition_time.as_ref().map_or(now, |time| time.0) }
}

/// A count as the `i32` of Kubernetes' API; saturates.
#[must_use]
pub fn signed(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn facts(state: Active, since: i64, initialized: bool, want: Option<u32>) -> Facts<'static> {
        let activity = Activity { state, since: at(since) };
        Facts { generation: Some(1), activity, initialized, want, ready: 1, decisions: &[] }
    }

    fn shown(status: &PodAutoscalerStatus) -> String {
        let one = |c: &Condition| format!("{}={:?}({})", c.type_, c.status, c.reason);
        status.conditions.iter().map(one).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_new_revision_waits_for_its_first_pods() {
        let status =
            compute(&Default::default(), &facts(Active::Activating, 1, false, None), at(1));
        assert_eq!(
            shown(&status),
            "Active=Unknown(Queued) Ready=Unknown(Queued) SKSReady=True() \
             ScaleTargetInitialized=Unknown()"
        );
        assert_eq!(status.desired_scale, None);
    }

    #[test]
    fn ready_once_its_pods_are_and_asleep_afterwards() {
        let first = compute(&Default::default(), &facts(Active::Active, 1, true, Some(1)), at(1));
        assert_eq!(
            shown(&first),
            "Active=True() Ready=True() SKSReady=True() ScaleTargetInitialized=True()"
        );
        let asleep = compute(&first, &facts(Active::NoTraffic, 9, true, Some(0)), at(9));
        assert_eq!(
            shown(&asleep),
            "Active=False(NoTraffic) Ready=False(NoTraffic) SKSReady=True() \
             ScaleTargetInitialized=True()"
        );
        assert_eq!(
            activity_of(&asleep, at(50)),
            Activity { state: Active::NoTraffic, since: at(9) }
        );
        assert!(was_initialized(&asleep));
    }

    #[test]
    fn the_activity_is_read_as_it_was_written() {
        for state in [Active::Activating, Active::Active, Active::NoTraffic, Active::TimedOut] {
            let status = compute(&Default::default(), &facts(state, 1, false, None), at(7));
            let read = activity_of(&status, at(50));
            assert_eq!(read, Activity { state, since: at(7) }, "{state:?}");
        }
        let new = activity_of(&Default::default(), at(50));
        assert_eq!(new, Activity { state: Active::Activating, since: at(50) });
    }

    #[test]
    fn an_unknown_scale_does_not_hide_the_last_known() {
        let known = compute(&Default::default(), &facts(Active::Active, 1, true, Some(4)), at(1));
        let unknown = compute(&known, &facts(Active::Active, 1, true, None), at(2));
        assert_eq!(unknown.desired_scale, Some(4));
        assert_eq!(unknown.conditions, known.conditions);
    }
}
