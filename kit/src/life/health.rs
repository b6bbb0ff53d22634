//! Health, part by part: what each component reports of itself, for `/readyz` and `rouse status`.
//!
//! A part is not ready until it says that it is, and a change is logged once, not once per request
//! that meets it.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use parking_lot::Mutex;
use serde::Serialize;

use super::clock::Clock;

/// A part's last report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PartReport {
    pub name: &'static str,
    pub ready: bool,
    /// Why it is not ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Since when it has been ready or not ready.
    pub since: Timestamp,
}

/// The parts of the process. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Health {
    clock: Clock,
    parts: Arc<Mutex<BTreeMap<&'static str, Kept>>>,
}

/// A part's last report, and whether it has ever been ready: one that is still starting may name
/// several reasons until then, and none of them is an outage.
#[derive(Clone, Debug)]
struct Kept {
    report: PartReport,
    has_been_ready: bool,
}

/// The handle with which one part reports. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Part {
    name: &'static str,
    health: Health,
}

impl Health {
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self { clock, parts: Arc::default() }
    }

    /// Adds a part, not ready because it is starting.
    #[must_use]
    pub fn part(&self, name: &'static str) -> Part {
        let part = Part { name, health: self.clone() };
        self.parts.lock().entry(name).or_insert_with(|| Kept {
            report: PartReport {
                name,
                ready: false,
                reason: Some("starting".to_owned()),
                since: self.clock.now(),
            },
            has_been_ready: false,
        });
        part
    }

    /// All parts by name.
    #[must_use]
    pub fn report(&self) -> Vec<PartReport> {
        self.parts.lock().values().map(|kept| kept.report.clone()).collect()
    }

    /// Returns what was kept of the part before this, if this changed it.
    fn set(&self, name: &'static str, reason: Option<String>) -> Option<Kept> {
        let mut parts = self.parts.lock();
        let now = self.clock.now();
        let kept = parts.get_mut(name)?;
        let (part, ready) = (&kept.report, reason.is_none());
        if part.reason == reason && part.ready == ready {
            return None;
        }
        let since = if part.ready == ready { part.since } else { now };
        let report = PartReport { name, ready, reason, since };
        let has_been_ready = kept.has_been_ready || ready;
        Some(std::mem::replace(kept, Kept { report, has_been_ready }))
    }
}

impl Part {
    pub fn ready(&self) {
        if let Some(before) = self.health.set(self.name, None) {
            let part = self.name;
            if before.has_been_ready {
                let was = before.report.reason.unwrap_or_default();
                tracing::warn!(part, was, "ready again");
            } else {
                tracing::debug!(part, "ready");
            }
        }
    }

    /// Reports why it cannot do its work, for people: "the disk is full".
    pub fn not_ready(&self, reason: impl Into<String>) {
        let reason = reason.into();
        if let Some(before) = self.health.set(self.name, Some(reason.clone()))
            && before.report.ready
        {
            tracing::warn!(part = self.name, reason, "not ready");
        }
    }

    /// Ready, or not for this reason.
    pub fn set(&self, problem: Option<String>) {
        match problem {
            None => self.ready(),
            Some(reason) => self.not_ready(reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_part_has_its_last_report_and_since_when() {
        let health = Health::new(Clock::starting_at(Timestamp::UNIX_EPOCH));
        let part = health.part("store");
        let read = || health.report().remove(0);
        assert_eq!((read().ready, read().reason.as_deref()), (false, Some("starting")));
        tokio::time::advance(Duration::from_secs(1)).await;
        part.ready();
        assert_eq!((read().ready, read().reason, read().since.as_second()), (true, None, 1));
        tokio::time::advance(Duration::from_secs(1)).await;
        part.not_ready("the disk is full");
        tokio::time::advance(Duration::from_secs(1)).await;
        part.not_ready("the disk is still full");
        assert_eq!(read().reason.as_deref(), Some("the disk is still full"));
        assert_eq!(read().since.as_second(), 2, "another reason is the same outage");
    }

    #[test]
    fn only_a_part_that_was_ready_before_is_ready_again() {
        let health = Health::new(Clock::starting_at(Timestamp::UNIX_EPOCH));
        let part = health.part("controllers");
        part.not_ready("not running: namespaces");
        let first = health.set(part.name, None).unwrap();
        assert!(!first.has_been_ready, "it is still starting");
        part.not_ready("not running: namespaces");
        assert!(health.set(part.name, None).unwrap().has_been_ready);
    }

    #[test]
    fn asking_for_a_part_again_does_not_reset_it() {
        let health = Health::new(Clock::starting_at(Timestamp::UNIX_EPOCH));
        health.part("store").ready();
        let _same = health.part("store");
        assert!(health.report()[0].ready);
    }
}
