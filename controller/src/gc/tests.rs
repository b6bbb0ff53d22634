//! Which Revisions go.

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
fn stale_revisions_go_oldest_first_down_to_the_least_number() {
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
fn too_many_go_whatever_their_age() {
    let revisions = [reserve(1, 3), reserve(2, 2), reserve(3, 1)];
    assert_eq!(
        plan(&revisions, &config(None, 0, Some(1))),
        "delete Revision shop/hello-1\ndelete Revision shop/hello-2\n"
    );
}

#[test]
fn what_is_used_kept_or_latest_stays() {
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
