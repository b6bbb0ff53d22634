//! Reports that are lost, come twice, or begin in the middle.

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
fn what_was_used_is_the_difference_too() {
    let with = |sequence, requests| {
        let mut report = report(1, sequence, 1.0, &[(0.0, 0, 0)]);
        report.revisions[0].served.requests = requests;
        report
    };
    let mut all = Collector::default();
    let mut used = |report| all.take(report).map(|samples| samples[0].1.served.requests);
    assert_eq!(used(with(1, 5)), Some(5));
    assert_eq!(used(with(2, 7)), Some(2));
    assert_eq!(used(with(2, 9)), None);
    let mut late = Collector::default();
    let unknown = late.take(with(3, 100)).map(|samples| samples[0].1.served.requests);
    assert_eq!(unknown, Some(0), "the past was counted by another autoscaler");
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
    let there: Vec<_> =
        all.present(&key).into_iter().map(|(name, present)| (name, present.in_flight)).collect();
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
    let (seconds, arrivals, span) = taken(&mut all, report(1, 60, 60.0, &[(1.2, 2, 0)])).unwrap();
    assert!((seconds - 0.2).abs() < 1e-9);
    assert_eq!((arrivals, span), (1, 1.0));
}
