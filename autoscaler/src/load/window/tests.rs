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
    // Later entries are averaged without the earlier ones.
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

#[test]
fn the_running_second_counts_for_what_has_passed_and_the_oldest_for_the_rest() {
    let mut window = Window::default();
    load(&mut window, 0, 60, 6.0);
    load(&mut window, 60, 90, 0.0);
    // From 30.5 s to 90.5 s: half of one second and 29 whole ones under 6 requests.
    near(linear(&window, 90_500, MINUTE), 29.5 * 6.0 / 60.0);
    // From 59.75 s to 65.75 s.
    near(linear(&window, 65_750, PANIC), 0.25 * 6.0 / 6.0);
}

#[test]
fn an_amount_is_shared_out_over_the_parts_of_seconds_that_it_covers() {
    let mut window = Window::default();
    load(&mut window, 0, 10, 0.0);
    // 2 a second from 10.5 s to 13.5 s.
    window.record(at(13_500), Duration::from_secs(3), 6.0, MINUTE);
    let amounts: Vec<f64> = (9..15).map(|second| window.amount(1_000_000_000 + second)).collect();
    assert_eq!(amounts, [0.0, 1.0, 2.0, 2.0, 1.0, 0.0]);
    // Nothing that ended before its counting began, and nothing later than now.
    window.record(at(13_500), Duration::ZERO, 0.5, MINUTE);
    assert!((window.amount(1_000_000_013) - 1.5).abs() < 1e-9);
}

#[test]
fn a_report_that_comes_late_counts_where_it_belongs() {
    let mut window = Window::default();
    load(&mut window, 0, 10, 1.0);
    window.record(at(5000), SECOND, 3.0, MINUTE);
    assert_eq!(window.amount(1_000_000_004), 4.0);
    assert_eq!(window.amount(1_000_000_009), 1.0);
    near(linear(&window, 10_000, MINUTE), 1.3);
}

#[test]
fn an_hour_is_kept_and_no_more() {
    const LONG: Duration = Duration::from_secs(100_000);
    let hour = Duration::from_secs(3600);
    let mut window = Window::default();
    window.record(at(50_000_000), LONG, 200_000.0, LONG);
    near(linear(&window, 50_000_000, hour), 2.0);
    assert_eq!(window.buckets.len(), KEPT_S);
    for second in 0..10 {
        window.record(at(50_001_000 + second * 1000), SECOND, 2.0, LONG);
    }
    assert_eq!(window.buckets.len(), KEPT_S);
    near(linear(&window, 50_010_000, hour), 2.0);
    // A silence longer than all that is kept leaves nothing of it.
    window.record(at(60_000_000), Duration::ZERO, 0.0, LONG);
    assert_eq!(window.buckets.len(), 1);
    near(linear(&window, 60_000_000, hour), 0.0);
}

#[test]
fn little_load_is_not_none_and_sums_of_fractions_are_rounded() {
    let mut window = Window::default();
    window.record(at(1000), SECOND, 1e-9, MINUTE);
    assert_eq!(linear(&window, 1000, MINUTE), Some(1e-6));
    let mut window = Window::default();
    for tenth in 0..10 {
        window.record(at(100 * (tenth + 1)), Duration::from_millis(100), 0.1, MINUTE);
    }
    assert_eq!(linear(&window, 1000, MINUTE), Some(1.0));
}

#[test]
fn the_weights_of_seconds_fall_by_a_constant_part() {
    let weighted =
        |window: &Window, ms, over| window.average(at(ms), over, Aggregation::WeightedExponential);
    // Of a second that lies `back` seconds before the running one, in a window of 6 s, where the
    // newest weighs 1 - 0.0001^(1/6), and in one of 60 s, where it weighs 0.2.
    let rows =
        [(1, 7.845_565, 2.0), (2, 1.690_276, 1.6), (3, 0.364_159, 1.28), (6, 0.003_642, 0.655_36)];
    for (back, short, long) in rows {
        let mut window = Window::default();
        load(&mut window, 0, 100, 0.0);
        window.record(at((101 - back) * 1000), SECOND, 10.0, MINUTE);
        near(weighted(&window, 100_500, PANIC), short);
        near(weighted(&window, 100_500, MINUTE), long);
    }
    // Older than the window.
    let mut window = Window::default();
    load(&mut window, 0, 100, 0.0);
    window.record(at(94_000), SECOND, 10.0, MINUTE);
    near(weighted(&window, 100_500, PANIC), 0.0);
    // The running second alone.
    window.record(at(100_500), Duration::from_millis(500), 3.0, MINUTE);
    near(weighted(&window, 100_500, PANIC), 3.0 * 0.784_556);
    // And when there is no second before it.
    let mut young = Window::default();
    young.record(at(500), Duration::from_millis(500), 3.0, MINUTE);
    near(weighted(&young, 600, PANIC), 3.0);
}

#[test]
fn entries_of_one_second_do_not_push_older_ones_out() {
    let mut window = Window::default();
    load(&mut window, 0, 10, 3.0);
    for _ in 0..2 * KEPT_S {
        window.record(at(10_000), Duration::ZERO, 0.0, MINUTE);
    }
    near(linear(&window, 10_000, MINUTE), 3.0);
    assert_eq!(window.buckets.len(), 11);
}
