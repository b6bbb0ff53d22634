//! Events of the built-in controllers, written last in a pass.

use rouse_apiserver::registry::Propagation;
use rouse_apiserver::store::{Key, Object};
use rouse_k8s::hash::fnv1a_64;
use rouse_k8s::time::rfc3339;
use serde_json::{Value, json};

use super::objects::{EVENTS, Objects};

/// How long an Event is kept. Upstream: `--event-ttl`.
pub(super) const TTL: std::time::Duration = std::time::Duration::from_secs(3600);

/// An Event to record.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Notice {
    pub(super) about: Value,
    pub(super) component: &'static str,
    pub(super) warning: bool,
    pub(super) reason: &'static str,
    pub(super) message: String,
}

/// A reference to an object, as Events carry it.
pub(super) fn about(object: &Object) -> Value {
    let value = object.value();
    json!({
        "apiVersion": value["apiVersion"], "kind": value["kind"],
        "name": object.key.name, "namespace": object.key.namespace, "uid": object.uid,
        "resourceVersion": object.resource_version.to_string(),
    })
}

/// Writes an Event, or increments the count of the same one.
pub(super) fn write(objects: &Objects, notice: Notice) {
    let Notice { about, component, warning, reason, message } = notice;
    let now = rfc3339(objects.now());
    let name = about["name"].as_str().unwrap_or_default();
    let namespace = match about["namespace"].as_str() {
        Some(namespace) if !namespace.is_empty() => namespace,
        Some(_) | None => "default",
    };
    // The same reason and message about the same object are one Event.
    let same = fnv1a_64(format!("{}{reason}{message}", about["uid"]).as_bytes());
    let name = format!("{name}.{same:016x}");
    let key = Key::new(EVENTS, namespace, &name);
    let counted = objects.change(&key, |event| {
        event["count"] = counted_up(event["count"].as_i64()).into();
        event["lastTimestamp"] = now.clone().into();
    });
    // Events are best effort: a refusal is only logged.
    match counted {
        Ok(None) => {}
        Ok(Some(_)) => return,
        Err(failure) => {
            tracing::debug!(%failure, "an Event is not written");
            return;
        }
    }
    let event = json!({
        "metadata": { "name": name, "namespace": namespace },
        "involvedObject": about, "reason": reason, "message": message,
        "type": if warning { "Warning" } else { "Normal" },
        "source": { "component": component }, "reportingComponent": component,
        "reportingInstance": "", "count": 1, "firstTimestamp": now, "lastTimestamp": now,
        "eventTime": null,
    });
    if let Err(failure) = objects.create(EVENTS, event) {
        tracing::debug!(%failure, "an Event is not written");
    }
}

/// The count of an Event after one more; an int32 field.
fn counted_up(before: Option<i64>) -> i64 {
    before.unwrap_or(1).saturating_add(1).clamp(1, i64::from(i32::MAX))
}

/// Whether an Event that happened last at that time has expired.
fn is_expired(last: jiff::Timestamp, now: jiff::Timestamp) -> bool {
    rouse_k8s::time::later(last, TTL) < now
}

/// Deletes expired Events.
pub(super) fn expire(objects: &Objects) {
    let now = objects.now();
    for event in objects.store.list(EVENTS, None).objects {
        let value = event.value();
        let last = ["lastTimestamp", "eventTime"]
            .iter()
            .find_map(|field| value[*field].as_str())
            .or_else(|| value["metadata"]["creationTimestamp"].as_str());
        let last = last.and_then(|time| time.parse::<jiff::Timestamp>().ok());
        if last.is_some_and(|last| is_expired(last, now))
            && let Err(failure) = objects.delete(&event.key, Propagation::Background)
        {
            tracing::debug!(%failure, "an expired Event is not deleted");
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn an_event_is_counted_within_its_field() {
        let most = i64::from(i32::MAX);
        for (before, now) in [
            (None, 2),
            (Some(1), 2),
            (Some(most - 1), most),
            (Some(most), most),
            (Some(i64::MAX), most),
            (Some(i64::MIN), 1),
        ] {
            assert_eq!(counted_up(before), now, "{before:?}");
        }
    }

    #[test]
    fn an_event_is_over_an_hour_after_its_last_time() {
        let at = |second| Timestamp::from_second(second).unwrap();
        for (last, now, over) in [
            (at(0), at(3600), false),
            (at(0), at(3601), true),
            (Timestamp::MAX, at(0), false),
            (Timestamp::MAX, Timestamp::MAX, false),
            (Timestamp::MIN, at(0), true),
        ] {
            assert_eq!(is_expired(last, now), over, "{last} {now}");
        }
    }
}
