//! Replicas by usage, as upstream's calculator has them.

use super::*;
use serde_json::json;

const NOW: &str = "2025-01-01T01:00:00Z";
const TENTH: Tolerance = Tolerance { up: 0.1, down: 0.1 };

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A pod that has been ready since long.
fn ready(name: &str) -> Pod {
    pod(name, "Running", "True", "2025-01-01T00:00:00Z")
}

fn pod(name: &str, phase: &str, is_ready: &str, started: &str) -> Pod {
    serde_json::from_value(json!({
        "metadata": { "name": name },
        "status": {
            "phase": phase, "startTime": started,
            "conditions": [{ "type": "Ready", "status": is_ready, "lastTransitionTime": started }],
        },
    }))
    .unwrap()
}

fn using(pod: &Pod, amount: Option<u64>) -> Measured<'_> {
    let usage = |amount| Usage { amount, at: at(NOW), window: Duration::from_secs(10) };
    Measured { pod, usage: amount.map(usage), request: Some(1000) }
}

fn replicas(current: i32, measured: &[Measured<'_>], target: Target) -> i32 {
    propose(current, measured, target, true, TENTH, at(NOW)).unwrap().replicas
}

#[test]
fn the_ratio_of_usage_and_target_scales_the_pods_that_count() {
    let pods = ["a", "b", "c"].map(ready);
    let of = |amounts: [u64; 3]| {
        let measured: Vec<_> = pods.iter().zip(amounts).map(|(p, n)| using(p, Some(n))).collect();
        propose(3, &measured, Target::Utilization(30), true, TENTH, at(NOW)).unwrap()
    };
    let up = of([300, 500, 700]);
    assert_eq!((up.replicas, up.average, up.utilization), (5, 500, Some(50)));
    assert_eq!(of([100, 100, 100]).replicas, 1);
    assert_eq!(of([320, 320, 320]).replicas, 3, "within a tenth of the target");
    let measured: Vec<_> = pods.iter().map(|pod| using(pod, Some(500))).collect();
    assert_eq!(replicas(3, &measured, Target::Average(250)), 6);
}

#[test]
fn pods_without_metrics_and_those_that_start_hold_the_scale_back() {
    let (a, b, c) = (ready("a"), ready("b"), ready("c"));
    let starting = pod("d", "Running", "False", "2025-01-01T00:59:50Z");
    let pending = pod("e", "Pending", "False", "2025-01-01T00:59:50Z");
    let ended = pod("f", "Succeeded", "False", "2025-01-01T00:00:00Z");
    let target = Target::Utilization(50);
    // Up: those that are not known count as idle.
    let busy = [using(&a, Some(900)), using(&b, Some(900)), using(&c, None)];
    assert_eq!(replicas(3, &busy, target), 4, "1800 of 1500, of three");
    let busy = [using(&a, Some(900)), using(&starting, Some(900)), using(&pending, None)];
    assert_eq!(replicas(3, &busy, target), 3, "900 of 1500 turns the direction around");
    // Down: those that are not known count as busy, and those that start are left out.
    let idle = [using(&a, Some(100)), using(&b, Some(100)), using(&c, None)];
    assert_eq!(replicas(3, &idle, target), 3, "100 + 100 + 1000 of 1500");
    let idle = [using(&a, Some(100)), using(&starting, Some(900)), using(&ended, Some(900))];
    assert_eq!(replicas(3, &idle, target), 1);
}

#[test]
fn without_metrics_or_requests_nothing_is_known() {
    let (a, pending) = (ready("a"), pod("e", "Pending", "False", NOW));
    let none = propose(1, &[using(&pending, None)], Target::Average(1), true, TENTH, at(NOW));
    assert!(none.unwrap_err().contains("did not receive metrics"), "only a pending pod");
    let unasked = Measured { request: None, ..using(&a, Some(5)) };
    let none = propose(1, &[unasked], Target::Utilization(50), true, TENTH, at(NOW));
    assert_eq!(none.unwrap_err(), "missing request in a container of Pod a");
}

#[test]
fn memory_counts_from_the_start_and_the_largest_numbers_saturate() {
    let starting = pod("d", "Running", "False", "2025-01-01T00:59:50Z");
    let measured = [using(&starting, Some(u64::MAX))];
    let found = propose(1, &measured, Target::Average(1), false, TENTH, at(NOW)).unwrap();
    assert_eq!((found.replicas, found.average), (i32::MAX, u64::MAX));
}
