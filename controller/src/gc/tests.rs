//! Revisions that are deleted, and those that stay.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rouse_api::config::GcConfig;
use rouse_api::{Configuration, Revision};

use super::desired::desired;
use crate::testing::{now, object};

const HOUR: Duration = Duration::from_secs(3600);

fn ago(hours: u32) -> Timestamp {
    now() - HOUR * hours
}

/// A Revision that has been in reserve for `hours`.
fn reserve(number: usize, hours: u32) -> Arc<Revision> {
    revision(number, "reserve", hours, "")
}

fn revision(number: usize, state: &str, hours: u32, annotations: &str) -> Arc<Revision> {
    let time = ago(hours);
    Arc::new(object(&format!(
        "{{metadata: {{name: hello-{number}, namespace: shop, creationTimestamp: '{time}', labels: {{serving.knative.dev/routingState: {state}}}, annotations: {{serving.knative.dev/routingStateModified: '{time}'{annotations}}}}}, spec: {{}}}}"
    )))
}

fn config(age: Option<Duration>, min: u64, max: Option<u64>) -> GcConfig {
    GcConfig {
        retain_since_create_time: age,
        retain_since_last_active_time: age,
        min_non_active_revisions: min,
        max_non_active_revisions: max,
    }
}

fn plan(revisions: &[Arc<Revision>], config: &GcConfig) -> String {
    let configuration: Configuration = object(
        "{metadata: {name: hello, namespace: shop}, spec: {}, status: {latestReadyRevisionName: hello-7}}",
    );
    desired(&configuration, revisions, config, now()).to_string()
}

#[test]
fn stale_revisions_go_oldest_first_down_to_the_minimum() {
    let revisions = [reserve(3, 5), reserve(1, 9), reserve(2, 7), reserve(4, 1)];
    assert_eq!(
        plan(&revisions, &config(Some(HOUR * 4), 2, None)),
        "delete Revision shop/hello-1\ndelete Revision shop/hello-2\n"
    );
}

#[test]
fn it_looks_again_when_the_next_one_turns_stale() {
    let revisions = [reserve(1, 9), reserve(2, 3), reserve(3, 1)];
    assert_eq!(
        plan(&revisions, &config(Some(HOUR * 4), 1, None)),
        "delete Revision shop/hello-1\nwake in 3600s\n"
    );
}

#[test]
fn revisions_over_the_maximum_go_whatever_their_age() {
    let revisions = [reserve(1, 3), reserve(2, 2), reserve(3, 1)];
    assert_eq!(
        plan(&revisions, &config(None, 0, Some(1))),
        "delete Revision shop/hello-1\ndelete Revision shop/hello-2\n"
    );
}

#[test]
fn active_pending_kept_and_latest_revisions_stay() {
    let revisions = [
        revision(1, "active", 9, ""),
        revision(2, "pending", 9, ""),
        revision(3, "reserve", 9, ", serving.knative.dev/no-gc: 'true'"),
        reserve(7, 9),
    ];
    assert_eq!(plan(&revisions, &config(Some(HOUR), 0, Some(0))), "");
}

#[test]
fn nothing_goes_while_collection_is_off() {
    let revisions = [reserve(1, 900), reserve(2, 900)];
    assert_eq!(plan(&revisions, &config(None, 0, None)), "");
}

#[test]
fn each_age_limit_counts_alone_and_of_two_the_later() {
    let (made, used) = (ago(9), ago(3));
    let revisions: [Arc<Revision>; 1] = [Arc::new(object(&format!(
        "{{metadata: {{name: hello-1, namespace: shop, creationTimestamp: '{made}', labels: {{serving.knative.dev/routingState: reserve}}, annotations: {{serving.knative.dev/routingStateModified: '{used}'}}}}, spec: {{}}}}"
    )))];
    let (goes, waits) = ("delete Revision shop/hello-1\n", "wake in 3600s\n");
    let four = Some(HOUR * 4);
    for (made, used, expected) in [
        (four, None, goes),
        (None, four, waits),
        (four, four, waits),
        (Some(HOUR * 10), Some(HOUR), waits),
        (Some(HOUR * 9), Some(HOUR * 3), goes),
    ] {
        let config = GcConfig {
            retain_since_create_time: made,
            retain_since_last_active_time: used,
            ..config(None, 0, None)
        };
        assert_eq!(plan(&revisions, &config), expected, "{made:?} {used:?}");
    }
}

#[test]
fn without_a_time_of_last_use_the_age_counts_from_creation() {
    let made = ago(5);
    for routing in ["", ", annotations: {serving.knative.dev/routingStateModified: soon}"] {
        let revision: Arc<Revision> = Arc::new(object(&format!(
            "{{metadata: {{name: hello-1, namespace: shop, creationTimestamp: '{made}', labels: {{serving.knative.dev/routingState: reserve}}{routing}}}, spec: {{}}}}"
        )));
        let expected = "wake in 3600s\n";
        assert_eq!(plan(&[revision], &config(Some(HOUR * 6), 0, None)), expected, "{routing}");
    }
}

#[test]
fn revisions_within_the_limits_stay_and_nothing_wakes_for_them() {
    let three = [reserve(1, 9), reserve(2, 8), reserve(3, 7)];
    assert_eq!(plan(&three, &config(Some(HOUR), 3, None)), "");
    assert_eq!(plan(&three, &config(None, 0, Some(3))), "");
    assert_eq!(plan(&three, &config(None, 0, Some(2))), "delete Revision shop/hello-1\n");
    // Two are too young. With a minimum of two there is nothing to wake for.
    let young = [reserve(1, 9), reserve(2, 1), reserve(3, 1)];
    assert_eq!(plan(&young, &config(Some(HOUR * 4), 2, None)), "delete Revision shop/hello-1\n");
    let both = config(Some(HOUR * 4), 0, Some(1));
    assert_eq!(
        plan(&young, &both),
        "delete Revision shop/hello-1\ndelete Revision shop/hello-2\nwake in 10800s\n"
    );
}

#[test]
fn nothing_wakes_for_the_minimum_after_the_maximum_was_enforced() {
    let young = [reserve(1, 3), reserve(2, 2), reserve(3, 1)];
    assert_eq!(
        plan(&young, &config(Some(HOUR * 4), 1, Some(1))),
        "delete Revision shop/hello-1\ndelete Revision shop/hello-2\n"
    );
}

#[test]
fn one_that_is_being_deleted_is_not_deleted_again() {
    let going: Arc<Revision> = Arc::new(object(
        "{metadata: {name: hello-1, namespace: shop, creationTimestamp: '2020-01-01T00:00:00Z', deletionTimestamp: '2020-01-02T00:00:00Z', labels: {serving.knative.dev/routingState: reserve}}, spec: {}}",
    ));
    let kept = revision(2, "reserve", 9, ", serving.knative.dev/no-gc: 'false'");
    let revisions = [going, kept];
    assert_eq!(plan(&revisions, &config(Some(HOUR), 0, None)), "delete Revision shop/hello-2\n");
}
