//! Bounds, the initial scale, the way to zero, and the Active condition.

use super::*;
use rouse_api::PodAutoscaler;
use rouse_api::config::AutoscalerConfig;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_000_000_000 + second).unwrap()
}

fn spec() -> ScalingSpec {
    let pa = PodAutoscaler::new("hello-00001", Default::default());
    ScalingSpec::new(&pa, &AutoscalerConfig::default(), Duration::from_secs(600))
}

fn since(state: Active, second: i64) -> Activity {
    Activity { state, since: at(second) }
}

fn answer(spec: &ScalingSpec, desired: Option<u32>, activity: Activity) -> (Option<u32>, bool) {
    let target = resolve(spec, desired, activity, true, at(0));
    (target.want, target.apply)
}

#[test]
fn scales_stay_within_their_bounds() {
    let spec = ScalingSpec { min: 2, max: Some(5), ..spec() };
    let active = since(Active::Active, -100);
    for (desired, want, rule) in
        [(0, 2, Some(Rule::MinScale)), (3, 3, None), (9, 5, Some(Rule::MaxScale))]
    {
        let target = resolve(&spec, Some(desired), active, true, at(0));
        assert_eq!((target.want, target.rule), (Some(want), rule), "for {desired}");
    }
}

#[test]
fn nothing_measured_leaves_the_scale() {
    assert_eq!(answer(&spec(), None, since(Active::Active, -100)), (None, false));
    assert_eq!(answer(&spec(), None, since(Active::NoTraffic, -100)), (None, false));
}

#[test]
fn the_initial_scale_holds_until_it_was_reached_once() {
    let spec = ScalingSpec { initial: 3, ..spec() };
    let starting = since(Active::Activating, -1);
    let before = resolve(&spec, None, starting, false, at(0));
    assert_eq!((before.want, before.rule), (Some(3), Some(Rule::InitialScale)));
    let after = resolve(&spec, Some(1), since(Active::Active, -1), true, at(0));
    assert_eq!(after.want, Some(1));
}

#[test]
fn an_unreachable_revision_ignores_its_initial_scale() {
    let mut spec = ScalingSpec { initial: 3, ..spec() };
    spec.decider.reachable = false;
    let target = resolve(&spec, Some(1), since(Active::Activating, -1), false, at(0));
    assert_eq!(target.want, Some(1));
}

#[test]
fn zero_comes_after_a_stable_window_of_activity_and_the_retention() {
    let spec = ScalingSpec { retention: Duration::from_secs(20), ..spec() };
    let rows = [
        (since(Active::Active, -59), (Some(1), true)),
        (since(Active::Active, -60), (Some(0), false)),
        (since(Active::NoTraffic, -19), (Some(0), false)),
        (since(Active::NoTraffic, -20), (Some(0), true)),
    ];
    for (activity, expected) in rows {
        assert_eq!(answer(&spec, Some(0), activity), expected, "{activity:?}");
    }
}

#[test]
fn without_retention_an_inactive_revision_goes_to_zero_at_once() {
    assert_eq!(answer(&spec(), Some(0), since(Active::NoTraffic, 0)), (Some(0), true));
}

#[test]
fn scale_to_zero_can_be_switched_off() {
    let spec = ScalingSpec { scale_to_zero: false, ..spec() };
    assert_eq!(answer(&spec, Some(0), since(Active::NoTraffic, -999)), (Some(1), true));
}

#[test]
fn a_revision_that_never_starts_is_given_up_after_its_deadline() {
    let waiting = resolve(&spec(), None, since(Active::Activating, -630), false, at(0));
    assert_eq!((waiting.want, waiting.apply), (None, false));
    let late = resolve(&spec(), None, since(Active::Activating, -631), false, at(0));
    assert_eq!((late.want, late.rule), (Some(0), Some(Rule::ActivationTimedOut)));
    assert_eq!(next_active(Active::Activating, late.want, 0, 1), Active::TimedOut);
}

#[test]
fn activity_follows_the_table() {
    use Active::{Activating, NoTraffic};
    let rows = [
        (Active::Active, Some(0), 1, 1, NoTraffic),
        (NoTraffic, Some(1), 0, 1, Activating),
        (Activating, Some(1), 1, 1, Active::Active),
        (NoTraffic, None, 0, 1, NoTraffic),
        (Activating, None, 0, 1, Activating),
        (Active::Active, None, 0, 1, Activating),
        (NoTraffic, None, 1, 1, NoTraffic),
        (Activating, None, 0, 0, NoTraffic),
        (Activating, None, 2, 1, Active::Active),
        (Activating, None, 2, 3, Activating),
    ];
    for (before, want, ready, threshold, after) in rows {
        let found = next_active(before, want, ready, threshold);
        assert_eq!(found, after, "{before:?} {want:?} {ready} of {threshold}");
    }
}

#[test]
fn a_bound_that_is_met_is_not_the_reason() {
    let spec = ScalingSpec { min: 2, max: Some(5), initial: 1, ..spec() };
    for (desired, rule) in
        [(1, Some(Rule::MinScale)), (2, None), (5, None), (6, Some(Rule::MaxScale))]
    {
        let target = resolve(&spec, Some(desired), since(Active::Active, -100), true, at(0));
        assert_eq!(target.rule, rule, "for {desired}");
    }
    let alike = ScalingSpec { min: 3, initial: 3, ..spec.clone() };
    let starting = resolve(&alike, Some(1), since(Active::Activating, -1), false, at(0));
    assert_eq!((starting.want, starting.rule), (Some(3), Some(Rule::MinScale)));
    let one = ScalingSpec { min: 0, max: None, ..spec };
    let starting = resolve(&one, Some(0), since(Active::Activating, -1), false, at(0));
    assert_eq!(
        (starting.want, starting.apply),
        (None, false),
        "an initial scale of 1 holds nothing"
    );
}

#[test]
fn it_says_when_time_alone_changes_the_answer() {
    let spec = ScalingSpec { retention: Duration::from_secs(20), ..spec() };
    let recheck = |activity| resolve(&spec, Some(0), activity, true, at(0)).recheck;
    assert_eq!(recheck(since(Active::Active, -10)), Some(at(50)));
    assert_eq!(recheck(since(Active::NoTraffic, -5)), Some(at(15)));
    let given_up = later(at(530), Duration::from_millis(1));
    assert_eq!(recheck(since(Active::Activating, -100)), Some(given_up));
    assert_eq!(recheck(since(Active::TimedOut, -100)), None);
}

#[test]
fn a_revision_is_active_once_the_pods_it_starts_with_are_ready() {
    for (min, initial, initialized, threshold) in [
        (0, 1, true, 1),
        (3, 1, true, 3),
        (0, 5, true, 1),
        (0, 5, false, 5),
        (7, 5, false, 7),
        (0, 0, false, 0),
    ] {
        let spec = ScalingSpec { min, initial, ..spec() };
        assert_eq!(
            active_threshold(&spec, initialized),
            threshold,
            "{min} {initial} {initialized}"
        );
    }
}

#[test]
fn a_revision_without_traffic_or_given_up_is_inactive() {
    let inactive = [Active::NoTraffic, Active::TimedOut].map(Active::is_inactive);
    let active = [Active::Activating, Active::Active].map(Active::is_inactive);
    assert_eq!((inactive, active), ([true, true], [false, false]));
}
