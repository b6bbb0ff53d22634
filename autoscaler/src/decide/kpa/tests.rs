//! Upstream's figures (`pkg/autoscaler/scaling/autoscaler_test.go`), as data, and properties that
//! hold for any figures.

use super::*;

/// Upstream's tests assume 75 % utilization.
const UTILIZATION: f64 = 0.75;
const WINDOW_S: i64 = 60;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_000_000_000 + second).unwrap()
}

fn spec(target: f64) -> DeciderSpec {
    DeciderSpec {
        target,
        total: target / UTILIZATION,
        panic_threshold: 2.0,
        rate_up: 10.0,
        rate_down: 10.0,
        stable_window: Duration::from_secs(WINDOW_S.unsigned_abs()),
        activation_scale: None,
        reachable: true,
    }
}

/// One row: what is seen and what must come out.
struct Row {
    name: &'static str,
    spec: DeciderSpec,
    mode: Mode,
    seen: (u32, f64, f64),
    want: u32,
}

fn row(name: &'static str, spec: DeciderSpec, seen: (u32, f64, f64), want: u32) -> Row {
    Row { name, spec, mode: Mode::Stable, seen, want }
}

fn seen((ready, stable, panic): (u32, f64, f64)) -> Observation {
    Observation { ready, stable, panic }
}

fn rows() -> Vec<Row> {
    let panicking = Mode::Panic { last_over: at(-5), floor: 5 };
    let slow_up = DeciderSpec { rate_up: 1.1, ..spec(1.0) };
    let slow_down = DeciderSpec { rate_down: 1.1, ..spec(10.0) };
    let unreachable = DeciderSpec { reachable: false, ..spec(10.0) };
    let activation = DeciderSpec { activation_scale: Some(2), ..spec(10.0) };
    vec![
        row("no load", spec(10.0), (1, 0.0, 0.0), 0),
        row("far below the target", spec(181.0), (1, 21.0, 26.0), 1),
        row("panic average is less", spec(10.0), (1, 50.0, 49.0), 5),
        row("stable", spec(10.0), (1, 50.0, 50.0), 5),
        Row { mode: panicking, ..row("panicking, stable is more", spec(1.0), (5, 50.0, 30.0), 50) },
        Row { mode: panicking, ..row("panicking, stable is less", spec(1.0), (5, 20.0, 30.0), 30) },
        row("scaled already", spec(10.0), (5, 50.0, 50.0), 5),
        row("a small rate still adds one", slow_up, (2, 3.0, 3.1), 3),
        row("a small rate takes few", slow_down, (100, 1.0, 1.0), 90),
        row("unreachable falls at once", unreachable, (100, 1.0, 1.0), 1),
        row("panic window asks for more", spec(10.0), (1, 50.0, 100.0), 10),
        row("load grows", spec(10.0), (1, 100.0, 10.0), 10),
        row("load falls", spec(10.0), (8, 50.0, 50.0), 5),
        row("a trace of load keeps one", spec(10.0), (1, 1.0, 0.0), 1),
        row("ten times at once", spec(10.0), (1, 1000.0, 1001.0), 10),
        row("ten times again", spec(10.0), (10, 1000.0, 1001.0), 100),
        row("a tenth at once", spec(10.0), (100, 1.0, 1.0), 10),
        row("a tenth again", spec(10.0), (10, 1.0, 1.0), 1),
        row("no pod counts as one", spec(10.0), (0, 1000.0, 888.0), 10),
        row("no load, no activation", activation.clone(), (1, 0.0, 0.0), 0),
        row("activation scale", activation, (1, 1.0, 0.0), 2),
    ]
}

#[test]
fn upstreams_figures_come_out() {
    for Row { name, spec, mode, seen: figures, want } in rows() {
        let decision = decide(&spec, mode, &seen(figures), at(0));
        assert_eq!(decision.want, want, "{name}: {decision:?}");
    }
}

/// Runs `steps` of (second, (ready, stable, panic), want), each from the mode before.
fn run(spec: &DeciderSpec, steps: &[(i64, (u32, f64, f64), u32)]) -> Mode {
    let mut mode = Mode::Stable;
    for &(second, figures, want) in steps {
        let decision = decide(spec, mode, &seen(figures), at(second));
        assert_eq!(decision.want, want, "at {second} s: {decision:?}");
        mode = decision.mode;
    }
    mode
}

#[test]
fn a_panic_holds_its_height_for_a_stable_window() {
    let steps = [
        (0, (1, 100.0, 100.0), 10),
        (0, (10, 100.0, 1000.0), 100),
        (30, (10, 1.0, 1.0), 100),
        (61, (10, 1.0, 1.0), 1),
    ];
    assert_eq!(run(&spec(10.0), &steps), Mode::Stable);
}

#[test]
fn a_slow_rise_ends_the_panic() {
    let steps = [(0, (10, 11.0, 25.0), 25), (30, (40, 30.0, 41.0), 41), (62, (55, 50.0, 56.0), 50)];
    assert_eq!(run(&spec(1.0), &steps), Mode::Stable);
}

#[test]
fn a_surge_that_goes_on_extends_the_panic() {
    let steps = [(0, (10, 11.0, 25.0), 25), (30, (40, 30.0, 80.0), 80)];
    let mode = run(&spec(1.0), &steps);
    assert_eq!(mode, Mode::Panic { last_over: at(30), floor: 80 });
}

#[test]
fn exponential_growth_is_followed() {
    let steps = [
        (0, (1, 6.0, 6.0), 6),
        (0, (6, 36.0, 36.0), 36),
        (1, (36, 216.0, 216.0), 216),
        (1, (216, 1296.0, 1296.0), 1296),
        (2, (1296, 1296.0, 1296.0), 1296),
    ];
    run(&spec(1.0), &steps);
}

#[test]
fn a_restart_with_several_pods_begins_in_panic() {
    assert_eq!(Mode::initial(0, at(0)), Mode::Stable);
    assert_eq!(Mode::initial(1, at(0)), Mode::Stable);
    assert_eq!(Mode::initial(2, at(0)), Mode::Panic { last_over: at(0), floor: 2 });
}

#[test]
fn the_reason_says_which_rule_decided() {
    let why = |spec: &DeciderSpec, mode, figures| decide(spec, mode, &seen(figures), at(0)).why;
    let plain = spec(10.0);
    assert_eq!(why(&plain, Mode::Stable, (1, 50.0, 5.0)), Why::Stable);
    assert_eq!(why(&plain, Mode::Stable, (1, 0.0, 0.0)), Why::Empty);
    assert_eq!(why(&plain, Mode::Stable, (1, 20.0, 90.0)), Why::Panic);
    assert_eq!(why(&plain, Mode::Stable, (1, 200.0, 10.0)), Why::RateUp { of: 20.0 });
    assert_eq!(why(&plain, Mode::Stable, (100, 10.0, 10.0)), Why::RateDown { of: 1.0 });
    let held = Mode::Panic { last_over: at(-1), floor: 9 };
    assert_eq!(why(&plain, held, (9, 10.0, 10.0)), Why::PanicHeld { lower: 1 });
}

#[test]
fn more_load_never_wants_fewer_pods_and_a_panic_never_lowers() {
    let spec = spec(7.0);
    for ready in [0, 1, 3, 17, 400] {
        let held = Mode::Panic { last_over: at(-3), floor: 12 };
        let mut before = 0;
        for load in 0..2000 {
            let load = f64::from(load) * 0.7;
            let decision = decide(&spec, Mode::Stable, &seen((ready, load, load)), at(0));
            assert!(decision.want >= before, "{load} on {ready} pods: {decision:?}");
            before = decision.want;
            assert!(decide(&spec, held, &seen((ready, load, load)), at(0)).want >= 12);
        }
    }
}

#[test]
fn a_rule_is_the_reason_only_if_it_changed_the_number() {
    let why = |spec: &DeciderSpec, mode, figures| decide(spec, mode, &seen(figures), at(0)).why;
    let plain = spec(10.0);
    let held = Mode::Panic { last_over: at(-1), floor: 5 };
    assert_eq!(why(&plain, held, (5, 50.0, 50.0)), Why::Stable, "both averages ask for the floor");
    assert_eq!(why(&plain, held, (5, 40.0, 50.0)), Why::Panic);
    assert_eq!(why(&plain, Mode::Stable, (1, 100.0, 10.0)), Why::Stable, "as many as may be added");
    assert_eq!(why(&plain, Mode::Stable, (10, 10.0, 10.0)), Why::Stable, "as many as may be taken");
    let activation = |scale| DeciderSpec { activation_scale: Some(scale), ..spec(10.0) };
    assert_eq!(why(&activation(3), Mode::Stable, (1, 20.0, 20.0)), Why::ActivationScale);
    assert_eq!(why(&activation(2), Mode::Stable, (1, 20.0, 20.0)), Why::Stable);
    assert_eq!(why(&activation(1), Mode::Stable, (1, 1.0, 1.0)), Why::Stable);
}

#[test]
fn a_panic_begins_at_the_threshold_and_ends_after_its_window() {
    let mode = |before, figures| decide(&spec(10.0), before, &seen(figures), at(0)).mode;
    assert_eq!(mode(Mode::Stable, (5, 50.0, 90.0)), Mode::Stable);
    assert_eq!(
        mode(Mode::Stable, (5, 50.0, 100.0)),
        Mode::Panic { last_over: at(0), floor: 10 },
        "twice the ready pods"
    );
    let panic = |ago: i64| Mode::Panic { last_over: at(-ago), floor: 5 };
    assert_eq!(mode(panic(WINDOW_S), (5, 50.0, 50.0)), panic(WINDOW_S));
    assert_eq!(mode(panic(WINDOW_S + 1), (5, 50.0, 50.0)), Mode::Stable);
}

#[test]
fn no_load_asks_for_more_pods_than_a_scale_can_hold() {
    let decision = decide(&spec(0.01), Mode::Stable, &seen((u32::MAX, 1e300, 1e300)), at(0));
    assert_eq!(decision.want, i32::MAX.unsigned_abs());
}
