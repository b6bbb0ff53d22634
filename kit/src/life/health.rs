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
    parts: Arc<Mutex<BTreeMap<&'static str, PartReport>>>,
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
        self.parts.lock().entry(name).or_insert_with(|| PartReport {
            name,
            ready: false,
            reason: Some("starting".to_owned()),
            since: self.clock.now(),
        });
        part
    }

    /// All parts by name.
    #[must_use]
    pub fn report(&self) -> Vec<PartReport> {
        self.parts.lock().values().cloned().collect()
    }

    /// Returns the part's report before this, if this changed it.
    fn set(&self, name: &'static str, reason: Option<String>) -> Option<PartReport> {
        let mut parts = self.parts.lock();
        let now = self.clock.now();
        let part = parts.get_mut(name)?;
        if part.reason == reason && part.ready == reason.is_none() {
            return None;
        }
        let ready = reason.is_none();
        let since = if part.ready == ready { part.since } else { now };
        Some(std::mem::replace(part, PartReport { name, ready, reason, since }))
    }
}

impl Part {
    pub fn ready(&self) {
        if let Some(before) = self.health.set(self.name, None) {
            let part = self.name;
            let was = before.reason.unwrap_or_default();
            if was == "starting" {
                tracing::debug!(part, "ready");
            } else {
                tracing::warn!(part, was, "ready again");
            }
        }
    }

    /// Reports why it cannot do its work, for people: "the disk is full".
    pub fn not_ready(&self, reason: impl Into<String>) {
        let reason = reason.into();
        if let Some(before) = self.health.set(self.name, Some(reason.clone()))
            && before.ready
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
    fn asking_for_a_part_again_does_not_reset_it() {
        let health = Health::new(Clock::starting_at(Timestamp::UNIX_EPOCH));
        health.part("store").ready();
        let _same = health.part("store");
        assert!(health.report()[0].ready);
    }
}
