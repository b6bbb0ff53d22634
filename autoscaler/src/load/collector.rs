//! From cumulative reports to what happened since the last one.
//!
//! Reports may be lost, come twice, or begin in the middle of an activator's life: only differences
//! of two reports of one epoch count, and a report that is not newer than the last is dropped.
//!
//! Invariant: nothing is counted twice, and a loss only makes the picture coarser.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use rouse_api::load::{LoadReport, RevisionLoad};
use rouse_k8s::ObjectKey;

/// What one report adds for one revision.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample {
    /// How long before now the span began that the amounts cover.
    pub span: Duration,
    pub request_seconds: f64,
    pub arrivals: u64,
    pub present: Present,
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

/// What was last heard, by activator.
#[derive(Debug, Default)]
pub struct Collector {
    activators: HashMap<String, Activator>,
}

#[derive(Debug)]
struct Activator {
    epoch: u64,
    sequence: u64,
    elapsed: f64,
    /// Heard since its counting began, so that a revision not known yet started from zero.
    from_start: bool,
    revisions: HashMap<ObjectKey, Last>,
}

#[derive(Debug)]
struct Last {
    elapsed: f64,
    load: RevisionLoad,
}

/// The number of an epoch's first report, or the one before it, whichever an activator counts from.
const FIRST_SEQUENCE: u64 = 1;

impl Collector {
    /// Takes a report; gives what it adds, by revision. None if it is not newer than the last one.
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

    /// What is known to be present of a revision, by activator.
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

    /// `before` is when the report just before this one was made, if that was heard.
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
                // Idle then and not named since: what is new happened after the report before.
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
                }
            }
            None if self.from_start => Sample {
                span: span(before.unwrap_or(0.0), elapsed),
                request_seconds: load.in_flight_seconds.max(0.0),
                arrivals: load.arrivals,
                present,
            },
            // The totals hold an unknown past; only what is there now is known.
            None => Sample { present, ..Sample::default() },
        };
        self.revisions.insert(key.clone(), Last { elapsed, load });
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
mod tests {
    use super::*;

    fn report(epoch: u64, sequence: u64, elapsed: f64, loads: &[(f64, u64, u32)]) -> LoadReport {
        let revision = |&(in_flight_seconds, arrivals, in_flight): &(f64, u64, u32)| RevisionLoad {
            namespace: "models".to_owned(),
            revision: "digits-00001".to_owned(),
            in_flight_seconds,
            arrivals,
            in_flight,
            ..RevisionLoad::default()
        };
        let revisions = loads.iter().map(revision).collect();
        LoadReport { activator: "a".to_owned(), epoch, sequence, elapsed, revisions }
    }

    /// Request-seconds, arrivals and span of the only revision of a report.
    fn taken(collector: &mut Collector, report: LoadReport) -> Option<(f64, u64, f64)> {
        let samples = collector.take(report)?;
        let (_, sample) = samples.first()?;
        Some((sample.request_seconds, sample.arrivals, sample.span.as_secs_f64()))
    }

    #[test]
    fn differences_are_counted() {
        let mut all = Collector::default();
        assert_eq!(taken(&mut all, report(1, 1, 1.0, &[(0.5, 2, 1)])), Some((0.5, 2, 1.0)));
        assert_eq!(taken(&mut all, report(1, 2, 2.0, &[(1.5, 2, 1)])), Some((1.0, 0, 1.0)));
    }

    #[test]
    fn a_lost_report_is_made_up_for_by_the_next() {
        let mut all = Collector::default();
        all.take(report(1, 1, 1.0, &[(1.0, 1, 1)]));
        assert_eq!(taken(&mut all, report(1, 4, 4.0, &[(4.0, 3, 1)])), Some((3.0, 2, 3.0)));
    }

    #[test]
    fn a_report_that_comes_again_or_late_counts_nothing() {
        let mut all = Collector::default();
        all.take(report(1, 1, 1.0, &[(1.0, 1, 1)]));
        all.take(report(1, 3, 3.0, &[(3.0, 1, 1)]));
        assert_eq!(taken(&mut all, report(1, 3, 3.0, &[(3.0, 1, 1)])), None);
        assert_eq!(taken(&mut all, report(1, 2, 2.0, &[(2.0, 1, 1)])), None);
    }

    #[test]
    fn a_new_epoch_starts_from_zero() {
        let mut all = Collector::default();
        all.take(report(1, 1, 100.0, &[(900.0, 100, 9)]));
        assert_eq!(taken(&mut all, report(2, 1, 1.0, &[(0.5, 1, 1)])), Some((0.5, 1, 1.0)));
        assert_eq!(taken(&mut all, report(1, 2, 101.0, &[(909.0, 100, 9)])), None);
    }

    #[test]
    fn the_past_of_an_activator_met_late_is_not_counted() {
        let mut all = Collector::default();
        let samples = all.take(report(1, 77, 1000.0, &[(5000.0, 100, 4)])).unwrap();
        assert_eq!(samples[0].1.request_seconds, 0.0);
        assert_eq!(samples[0].1.present.in_flight, 4);
        let next = taken(&mut all, report(1, 78, 1001.0, &[(5004.0, 100, 4)]));
        assert_eq!(next, Some((4.0, 0, 1.0)));
    }

    #[test]
    fn requests_that_are_there_all_the_time_count_from_the_report_that_named_them() {
        for (in_flight, queued) in [(1, 0), (0, 1), (2, 3)] {
            let mut all = Collector::default();
            let with = |sequence, elapsed, seconds| {
                let mut report = report(1, sequence, elapsed, &[(seconds, 1, in_flight)]);
                report.revisions[0].queued = queued;
                report
            };
            all.take(with(1, 1.0, 1.0));
            all.take(report(1, 2, 2.0, &[]));
            assert_eq!(taken(&mut all, with(3, 3.0, 3.0)), Some((2.0, 0, 2.0)));
        }
    }

    #[test]
    fn a_revision_that_is_gone_is_forgotten() {
        let mut all = Collector::default();
        let key = ObjectKey::new("models", "digits-00001");
        all.take(report(1, 1, 1.0, &[(1.0, 1, 4)]));
        let there: Vec<_> = all
            .present(&key)
            .into_iter()
            .map(|(name, present)| (name, present.in_flight))
            .collect();
        assert_eq!(there, [("a".to_owned(), 4)]);
        all.forget(&key);
        assert_eq!(all.present(&key), []);
    }

    #[test]
    fn a_request_after_an_idle_time_is_not_spread_over_it() {
        let mut all = Collector::default();
        all.take(report(1, 1, 1.0, &[(1.0, 1, 0)]));
        for sequence in 2..60 {
            all.take(report(1, sequence, f64::from(u32::try_from(sequence).unwrap()), &[]));
        }
        let (seconds, arrivals, span) =
            taken(&mut all, report(1, 60, 60.0, &[(1.2, 2, 0)])).unwrap();
        assert!((seconds - 0.2).abs() < 1e-9);
        assert_eq!((arrivals, span), (1, 1.0));
    }
}
