//! A body as the data of a CloudEvent, in HTTP's binary mode: its attributes are headers. Pure.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use rouse_k8s::time::rfc3339;

use crate::outcome::{Failure, Result};

/// Adds the headers of an event. Sources and subjects of Google's event types have the form that a function with the
/// signature `(event, context)` needs.
pub(super) fn describe(
    headers: &mut HeaderMap,
    type_: &str,
    id: &str,
    now: jiff::Timestamp,
) -> Result {
    let (source, subject) = origin(type_);
    let time = rfc3339(now);
    let attributes = [
        ("ce-specversion", "1.0"),
        ("ce-id", id),
        ("ce-source", source),
        ("ce-type", type_),
        ("ce-time", time.as_str()),
    ];
    for (name, value) in attributes.into_iter().chain(subject.map(|text| ("ce-subject", text))) {
        let value = HeaderValue::from_str(value)
            .map_err(|_| Failure::usage(format!("{value:?} is no type of an event")))?;
        headers.entry(HeaderName::from_static(name)).or_insert(value);
    }
    let json = HeaderValue::from_static("application/json");
    headers.entry(header::CONTENT_TYPE).or_insert(json);
    Ok(())
}

/// The source and the subject of an event of this type.
fn origin(type_: &str) -> (&'static str, Option<&'static str>) {
    let google = [
        ("google.cloud.pubsub.", "//pubsub.googleapis.com/projects/local/topics/local", None),
        (
            "google.cloud.storage.",
            "//storage.googleapis.com/projects/_/buckets/local",
            Some("objects/local"),
        ),
        (
            "google.cloud.firestore.",
            "//firestore.googleapis.com/projects/local/databases/(default)",
            Some("documents/local/local"),
        ),
        (
            "google.firebase.auth.",
            "//firebaseauth.googleapis.com/projects/local",
            Some("users/local"),
        ),
    ];
    let known = google.into_iter().find(|(prefix, ..)| type_.starts_with(prefix));
    known.map_or(("/rouse/call", None), |(_, source, subject)| (source, subject))
}

/// An event's identifier, unlike any other's.
pub(super) fn identifier() -> Result<String> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|error| Failure::new("no random bytes").because(error))?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(type_: &str, mut given: HeaderMap) -> HeaderMap {
        let now = "2026-02-03T04:05:06.7Z".parse().unwrap();
        describe(&mut given, type_, "1", now).unwrap();
        given
    }

    #[test]
    fn an_event_has_the_required_attributes_and_json_data() {
        let event = headers("shop.order", HeaderMap::new());
        for (name, value) in [
            ("ce-specversion", "1.0"),
            ("ce-id", "1"),
            ("ce-source", "/rouse/call"),
            ("ce-type", "shop.order"),
            ("ce-time", "2026-02-03T04:05:06Z"),
            ("content-type", "application/json"),
        ] {
            assert_eq!(event[name], value, "{name}");
        }
        assert!(!event.contains_key("ce-subject"));
    }

    #[test]
    fn what_the_user_gives_stays_and_googles_types_have_googles_sources() {
        let mut given = HeaderMap::new();
        given.insert("ce-id", HeaderValue::from_static("mine"));
        let event = headers("google.cloud.storage.object.v1.finalized", given);
        assert_eq!(event["ce-id"], "mine");
        assert_eq!(event["ce-source"], "//storage.googleapis.com/projects/_/buckets/local");
        assert_eq!(event["ce-subject"], "objects/local");
    }

    #[test]
    fn identifiers_differ() {
        assert_ne!(identifier().unwrap(), identifier().unwrap());
    }
}
