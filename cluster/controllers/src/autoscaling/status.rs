//! The status of an autoscaler: its conditions, and the write if anything changed.

use jiff::Timestamp;
use k8s_openapi::api::autoscaling::v2::{
    HorizontalPodAutoscaler, HorizontalPodAutoscalerCondition, HorizontalPodAutoscalerStatus,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use rouse_apiserver::status::Failure;
use rouse_apiserver::store::Key;

use super::behavior::Bounded;
use crate::objects::Objects;

pub(super) const ABLE: &str = "AbleToScale";
pub(super) const ACTIVE: &str = "ScalingActive";
const LIMITED: &str = "ScalingLimited";

/// The status before and after.
pub(super) struct Status {
    before: Option<HorizontalPodAutoscalerStatus>,
    pub(super) next: HorizontalPodAutoscalerStatus,
    now: Timestamp,
}

impl Status {
    pub(super) fn of(autoscaler: &HorizontalPodAutoscaler, now: Timestamp) -> Self {
        let before = autoscaler.status.clone();
        let mut next = before.clone().unwrap_or_default();
        next.observed_generation = autoscaler.metadata.generation;
        Self { before, next, now }
    }

    pub(super) fn scaled(&mut self, bounded: &Bounded, why: &str) {
        let message = "the autoscaler was able to calculate a replica count from its metrics";
        self.mark(ACTIVE, true, "ValidMetricFound", message);
        match bounded.stabilized {
            Some(reason) => {
                self.mark(ABLE, true, reason, "recent recommendations were others; it waits");
            }
            None => self.mark(ABLE, true, "ReadyForNewScale", "the size of the target fits"),
        }
        match bounded.limited {
            Some(reason) => self.mark(LIMITED, true, reason, &format!("{why}, and limited")),
            None => {
                self.mark(LIMITED, false, "DesiredWithinRange", "the desired count is in range");
            }
        }
    }

    pub(super) fn mark(&mut self, type_: &str, holds: bool, reason: &str, message: &str) {
        let status = if holds { "True" } else { "False" };
        let conditions = self.next.conditions.get_or_insert_with(Vec::new);
        let old = conditions.iter().position(|condition| condition.type_ == type_);
        let old = old.map(|at| conditions.remove(at));
        let since = old.filter(|old| old.status == status).and_then(|old| old.last_transition_time);
        conditions.push(HorizontalPodAutoscalerCondition {
            type_: type_.to_owned(),
            status: status.to_owned(),
            reason: Some(reason.to_owned()),
            message: Some(message.to_owned()),
            last_transition_time: since.or(Some(Time(self.now))),
        });
        let order = |of: &str| [ABLE, ACTIVE, LIMITED].iter().position(|type_| *type_ == of);
        conditions.sort_by_key(|condition| order(&condition.type_));
    }

    pub(super) fn write(self, objects: &Objects, key: &Key) -> Result<(), Failure> {
        if self.before.as_ref() == Some(&self.next) {
            return Ok(());
        }
        objects.set_status(key, &self.next)
    }
}
