//! The rows of events, in either of the groups that serve them.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::age;
use super::cells::{name, text_or};

pub(super) fn event(event: &Value, now: Timestamp) -> Vec<Value> {
    // The two groups have the same fields under different names.
    let either =
        |core: &str, other: &str| if event[core].is_null() { &event[other] } else { &event[core] };
    let object = either("involvedObject", "regarding");
    let source = either("source", "deprecatedSource");
    let first = either("firstTimestamp", "deprecatedFirstTimestamp");
    let first = if first.is_null() { &event["eventTime"] } else { first };
    let last = either("lastTimestamp", "deprecatedLastTimestamp");
    let mut last = if last.is_null() { first } else { last };
    let mut count = either("count", "deprecatedCount").as_i64().filter(|n| *n > 0).unwrap_or(1);
    if event["series"].is_object() {
        last = &event["series"]["lastObservedTime"];
        count = event["series"]["count"].as_i64().unwrap_or(count);
    }
    let kind = text_or(&object["kind"], "").to_lowercase();
    vec![
        json!(age::since(last, now)),
        event["type"].clone(),
        event["reason"].clone(),
        json!(format!("{kind}/{}", text_or(&object["name"], ""))),
        json!(text_or(&object["fieldPath"], "")),
        json!(origin(event, source)),
        json!(text_or(either("message", "note"), "").trim()),
        json!(age::since(first, now)),
        json!(count),
        name(event),
    ]
}

fn origin(event: &Value, source: &Value) -> String {
    let reporter =
        text_or(&event["reportingComponent"], text_or(&event["reportingController"], ""));
    let component = text_or(&source["component"], reporter);
    let instance = text_or(&event["reportingInstance"], "");
    let host = text_or(&source["host"], instance);
    if host.is_empty() || host == component {
        component.to_owned()
    } else {
        format!("{component}, {host}")
    }
}
