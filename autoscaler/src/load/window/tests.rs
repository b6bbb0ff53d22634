//! Averages of steady, young, late and silent load.

use super::*;

const MINUTE: Duration = Duration::from_secs(60);
const PANIC: Duration = Duration::from_secs(6);
const SECOND: Duration = Duration::from_secs(1);

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(1_000_000_000_000 + ms).unwrap()
}

fn linear(window: &Window, ms: i64, over: Duration) -> Option<f64> {
    window.average(at(ms), over, Aggregation::Linear)
}

/// `concurrency` requests from `from` to `to` seconds, reported once a second.
fn load(window: &mut Window, from: i64, to: i64, concurrency: f64) {
    for second in from..to {
        window.record(at((second + 1) * 1000), SECOND, concurrency, MINUTE);
    }
}

fn near(found: Option<f64>, expected: f64) {
    let found = found.unwrap();
    assert!((found - expected).abs() < 1e-5, "{found} is not {expected}");
}

#[test]
fn steady_load_averages_to_itself_in_every_window() {
    let mut window = Window::default();
    load(&mut window, 0, 100, 7.0);
    near(linear(&window, 100_000, MINUTE), 7.0);
    near(linear(&window, 100_000, PANIC), 7.0);
}

#[test]
fn a_young_revision_is_not_diluted() {
    let mut window = Window::default();
    load(&mut window, 0, 3, 5.0);
    near(linear(&window, 3000, MINUTE), 5.0);
}

#[test]
fn load_leaves_the_window_bit_by_bit() {
    let mut window = Window::default();
    load(&mut window, 0, 60, 6.0);
    load(&mut window, 60, 90, 0.0);
    near(linear(&window, 90_000, MINUTE), 3.0);
    near(linear(&window, 90_000, PANIC), 0.0);
}

#[test]
fn a_window_is_not_empty_before_its_length_has_passed() {
    let mut window = Window::default();
    window.record(at(400), Duration::from_millis(10), 0.01, MINUTE);
    for ms in (1000..61_500).step_by(500) {
        window.record(at(ms), SECOND, 0.0, MINUTE);
        let empty = linear(&window, ms, MINUTE) == Some(0.0);
        assert_eq!(empty, ms >= 61_000, "at {ms} ms");
    }
}

#[test]
fn one_late_report_says_the_same_as_many() {
    let (mut many, mut late) = (Window::default(), Window::default());
    load(&mut many, 0, 50, 3.0);
    late.record(at(50_000), Duration::from_secs(50), 150.0, MINUTE);
    for over in [MINUTE, PANIC] {
        near(linear(&late, 50_000, over), 3.0);
        near(linear(&many, 50_000, over), 3.0);
    }
}

#[test]
fn silence_as_long_as_the_window_is_no_data() {
    let mut window = Window::default();
    assert_eq!(linear(&window, 0, MINUTE), None);
    load(&mut window, 0, 10, 4.0);
    assert!(linear(&window, 69_000, MINUTE).is_some());
    assert_eq!(linear(&window, 70_000, MINUTE), None);
    // What comes after stands alone.
    window.record(at(80_000), SECOND, 2.0, MINUTE);
    near(linear(&window, 80_000, MINUTE), 2.0);
}

#[test]
fn a_burst_of_milliseconds_counts_as_part_of_a_second() {
    let mut window = Window::default();
    window.record(at(500), Duration::from_millis(10), 0.5, MINUTE);
    near(linear(&window, 510, PANIC), 0.5);
}

#[test]
fn weighted_averages_prefer_what_is_new() {
    let mut window = Window::default();
    load(&mut window, 0, 60, 0.0);
    load(&mut window, 60, 70, 10.0);
    let how = Aggregation::WeightedExponential;
    let weighted = window.average(at(70_000), MINUTE, how).unwrap();
    let plain = linear(&window, 70_000, MINUTE).unwrap();
    assert!(weighted > 8.0 && plain < 2.0, "{weighted} and {plain}");
}
