//! Turns cumulative reports into differences since the last one.
//!
//! Reports may be lost, come twice, or begin after an activator has run for a while: only
//! differences of two reports of one epoch count, and a report that is not newer than the last is
//! dropped.
//!
//! Invariant: nothing is counted twice, and a lost report only makes the data coarser.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use rouse_api::load::{LoadReport, RevisionLoad};
use rouse_api::usage::Served;
use rouse_k8s::ObjectKey;

/// What one report adds for one revision.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample {
    /// The time before now that the amounts cover.
    pub span: Duration,
    pub request_seconds: f64,
    pub arrivals: u64,
    pub present: Present,
    /// What the requests used.
    pub served: Served,
}

/// One activator's requests of one revision now.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Present {
    pub in_flight: u32,
    pub queued: u32,
    /// Requests in each pod that has some; None if the report does not say.
    pub busy: Option<BTreeMap<String, u32>>,
    /// Requests in each pod that is being drained.
    pub draining: BTreeMap<String, u32>,
}

/// The last report of each activator.
#[derive(Debug, Default)]
pub struct Collector {
    activators: HashMap<String, Activator>,
}

#[derive(Debug)]
struct Activator {
    epoch: u64,
    sequence: u64,
    elapsed: f64,
    /// Its first report was received, so a revision that is new here counts from zero.
    from_start: bool,
    revisions: HashMap<ObjectKey, LastReport>,
}

#[derive(Debug)]
struct LastReport {
    elapsed: f64,
    load: RevisionLoad,
}

/// The number of an epoch's first report, or the one before it, whichever an activator counts from.
const FIRST_SEQUENCE: u64 = 1;

impl Collector {
    /// Takes a report; returns what it adds, by revision, or `None` if it is not newer than the
    /// last one.
    pub fn take(&mut self, report: LoadReport) -> Option<Vec<(ObjectKey, Sample)>> {
        let LoadReport { activator, epoch, sequence, elapsed, revisions } = report;
        let known = self.activators.get(&activator);
        if known.is_some_and(|a| (epoch, sequence) <= (a.epoch, a.sequence)) {
            return None;
        }
        if known.is_none_or(|a| a.epoch != epoch) {
            let fresh = Activator::new(epoch, sequence);
            self.activators.insert(activator.clone(), fresh);
        }
        let activator = self.activators.get_mut(&activator)?;
        let contiguous = activator.sequence.checked_add(1) == Some(sequence);
        let before = activator.elapsed;
        activator.sequence = sequence;
        activator.elapsed = elapsed;
        let before = contiguous.then_some(before);
        let samples = revisions.into_iter().map(|load| activator.take(load, elapsed, before));
        Some(samples.collect())
    }

    /// The present requests of a revision, by activator.
    #[must_use]
    pub fn present(&self, key: &ObjectKey) -> Vec<(String, Present)> {
        let present = |(name, activator): (&String, &Activator)| {
            activator.revisions.get(key).map(|last| (name.clone(), Present::of(&last.load)))
        };
        self.activators.iter().filter_map(present).collect()
    }

    /// Forgets a revision that is gone.
    pub fn forget(&mut self, key: &ObjectKey) {
        for activator in self.activators.values_mut() {
            activator.revisions.remove(key);
        }
    }
}

impl Activator {
    fn new(epoch: u64, sequence: u64) -> Self {
        Self {
            epoch,
            sequence: sequence.saturating_sub(1),
            elapsed: 0.0,
            from_start: sequence <= FIRST_SEQUENCE,
            revisions: HashMap::new(),
        }
    }

    /// `before` is when the report just before this one was made, if that was received.
    fn take(
        &mut self,
        load: RevisionLoad,
        elapsed: f64,
        before: Option<f64>,
    ) -> (ObjectKey, Sample) {
        let key = ObjectKey::new(load.namespace.clone(), load.revision.clone());
        let present = Present::of(&load);
        let sample = match self.revisions.get(&key) {
            Some(last) => {
                let idle = last.load.in_flight == 0 && last.load.queued == 0;
                // Idle then and not reported since: the new amounts are from after the report
                // before.
                let since = match before {
                    Some(before) if idle => before.max(last.elapsed),
                    Some(_) | None => last.elapsed,
                };
                Sample {
                    span: span(since, elapsed),
                    request_seconds: (load.in_flight_seconds - last.load.in_flight_seconds)
                        .max(0.0),
                    arrivals: load.arrivals.saturating_sub(last.load.arrivals),
                    present,
                    served: load.served.since(&last.load.served),
                }
            }
            None if self.from_start => Sample {
                span: span(before.unwrap_or(0.0), elapsed),
                request_seconds: load.in_flight_seconds.max(0.0),
                arrivals: load.arrivals,
                present,
                served: load.served,
            },
            // The totals include an unknown past; only the present requests are known.
            None => Sample { present, ..Sample::default() },
        };
        self.revisions.insert(key.clone(), LastReport { elapsed, load });
        (key, sample)
    }
}

impl Present {
    fn of(load: &RevisionLoad) -> Self {
        Self {
            in_flight: load.in_flight,
            queued: load.queued,
            busy: load.busy.clone(),
            draining: load.draining.clone(),
        }
    }
}

fn span(since: f64, elapsed: f64) -> Duration {
    Duration::try_from_secs_f64(elapsed - since).unwrap_or_default()
}

#[cfg(test)]
mod tests;
