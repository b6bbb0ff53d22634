//! Every reason, with the sentence that people read.

use std::time::Duration;

use rouse_api::PodAutoscaler;
use rouse_api::config::AutoscalerConfig;

use super::*;
use crate::decide::kpa::Mode;

fn spec() -> ScalingSpec {
    let pa = PodAutoscaler::new("hello-00001", Default::default());
    let spec = ScalingSpec::new(&pa, &AutoscalerConfig::default(), Duration::from_secs(600));
    ScalingSpec { min: 2, max: Some(9), initial: 3, ..spec }
}

fn target(rule: Option<Rule>) -> Target {
    Target { want: Some(1), apply: true, rule, recheck: None }
}

fn decided(want: u32, why: Why) -> Decided {
    let decision = Decision { want, mode: Mode::Stable, why };
    let seen = Observation { ready: 4, stable: 12.345, panic: 20.0 };
    Decided { decision, seen, queued: 2, want, woken: false }
}

fn said(from: u32, decided: Option<&Decided>, spec: &ScalingSpec) -> (String, String) {
    let change = change((from, 5), &target(None), decided, spec, Timestamp::UNIX_EPOCH);
    (change.reason, change.message)
}

fn pair((reason, message): (&str, &str)) -> (String, String) {
    (reason.to_owned(), message.to_owned())
}

#[test]
fn a_rule_names_its_setting() {
    for (rule, reason, message) in [
        (Rule::MinScale, "MinScale", "min-scale is 2"),
        (Rule::MaxScale, "MaxScale", "max-scale is 9"),
        (Rule::InitialScale, "InitialScale", "initial-scale is 3 and was not reached yet"),
        (
            Rule::ScaleToZeroDisabled,
            "ScaleToZeroDisabled",
            "enable-scale-to-zero is false, so one pod stays",
        ),
        (
            Rule::ActiveTooShort,
            "ActiveTooShort",
            "no load, but one pod stays until the revision was active for its stable window of 60 s",
        ),
        (
            Rule::ActivationTimedOut,
            "ActivationTimedOut",
            "no pod became ready within 630 s, so the revision was given up until the next request",
        ),
    ] {
        // Whatever the load asked for.
        for decided in [None, Some(&decided(1, Why::Empty))] {
            let now = Timestamp::UNIX_EPOCH;
            let change = change((4, 5), &target(Some(rule)), decided, &spec(), now);
            assert_eq!((change.reason.as_str(), change.message.as_str()), (reason, message));
        }
    }
}

#[test]
fn the_load_is_told_with_its_figures() {
    let figures =
        "12.35 requests in flight over 60 s and 20.00 over 6 s, for a target of 70.00 in each pod";
    for (why, reason, words) in [
        (Why::Stable, "StableLoad", "the load of the stable window"),
        (Why::Panic, "Panic", "the load of the panic window"),
        (Why::PanicHeld { lower: 3 }, "PanicHeld", "panicking, so not lowered to 3"),
        (
            Why::RateUp { of: 50.0 },
            "MaxScaleUpRate",
            "limited by max-scale-up-rate on the way to 50",
        ),
        (
            Why::RateDown { of: 1.0 },
            "MaxScaleDownRate",
            "limited by max-scale-down-rate on the way to 1",
        ),
        (Why::ActivationScale, "ActivationScale", "activation-scale, the fewest for any load"),
    ] {
        let found = said(4, Some(&decided(5, why)), &spec());
        assert_eq!(found, pair((reason, &format!("{words}: {figures}"))));
    }
    let rps = ScalingSpec { metric: Metric::Rps, ..spec() };
    let (_, message) = said(4, Some(&decided(5, Why::Stable)), &rps);
    assert!(message.contains("12.35 requests a second over"), "{message}");
}

#[test]
fn an_empty_window_tells_of_the_retention() {
    let empty = decided(0, Why::Empty);
    let message = "no request in the stable window of 60 s";
    assert_eq!(said(1, Some(&empty), &spec()), pair(("StableWindowEmpty", message)));
    let retained = ScalingSpec { retention: Duration::from_secs(20), ..spec() };
    let message = format!("{message}, and the last pod was retained for 20 s");
    assert_eq!(said(1, Some(&empty), &retained), pair(("StableWindowEmpty", &message)));
}

#[test]
fn a_wake_tells_how_many_requests_wait() {
    let woken = Decided { woken: true, ..decided(5, Why::Panic) };
    let two = pair(("Woken", "2 requests wait and no pod is there"));
    assert_eq!(said(0, Some(&woken), &spec()), two);
    let one = Decided { queued: 1, ..woken };
    let one_waits = pair(("Woken", "1 request waits and no pod is there"));
    assert_eq!(said(0, Some(&one), &spec()), one_waits);
    // Pods that are starting were asked for already.
    assert_eq!(said(1, Some(&woken), &spec()).0, "Panic");
    assert_eq!(said(0, Some(&decided(5, Why::Panic)), &spec()).0, "Panic");
}

#[test]
fn a_delay_is_the_reason_only_while_it_holds_more_than_the_load_asks_for() {
    let spec = ScalingSpec { scale_down_delay: Duration::from_secs(300), ..spec() };
    let held = Decided { want: 7, ..decided(5, Why::Stable) };
    let message = "scale-down-delay of 300 s holds 7 where the load asks for 5";
    assert_eq!(said(9, Some(&held), &spec), pair(("ScaleDownDelay", message)));
    assert_eq!(said(9, Some(&decided(5, Why::Stable)), &spec).0, "StableLoad");
}

#[test]
fn a_change_holds_what_it_was_decided_by() {
    let now = Timestamp::UNIX_EPOCH;
    let change = change((4, 5), &target(None), Some(&decided(5, Why::Stable)), &spec(), now);
    assert_eq!((change.from, change.to, change.ready, change.queued), (4, 5, 4, 2));
    assert_eq!((change.stable, change.panic, change.target), (12.345, 20.0, 70.0));
    assert_eq!(said(4, None, &spec()), pair(("Unmeasured", "no load was measured yet")));
}
