//! The body of a request as JSON, whether it came as that or as protobuf.

use http::HeaderMap;
use http::header::CONTENT_TYPE;
use serde_json::Value;

use crate::kinds::Resource;
use crate::schema::{Envelope, ProtobufError, Schema};
use crate::status::Failure;

const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

/// What a body is to hold.
pub(super) struct Expected<'a> {
    kind: &'a str,
    custom: bool,
    schema: std::borrow::Cow<'a, Schema>,
    /// The kind is checked by whoever takes the object.
    checked_later: bool,
}

impl<'a> Expected<'a> {
    pub(super) fn resource(resource: &'a Resource) -> Self {
        Self {
            kind: &resource.kind,
            custom: resource.custom,
            schema: std::borrow::Cow::Borrowed(&resource.schema),
            checked_later: true,
        }
    }

    /// A type that is no resource.
    pub(super) fn of(kind: &'a str, type_name: &str) -> Self {
        let schema = std::borrow::Cow::Owned(Schema::of_type(type_name));
        Self { kind, custom: false, schema, checked_later: false }
    }
}

/// The media type without its parameters.
pub(super) fn media(headers: &HeaderMap) -> &str {
    let text = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    text.split(';').next().unwrap_or_default().trim()
}

pub(super) fn is_protobuf(headers: &HeaderMap) -> bool {
    media(headers) == PROTOBUF
}

/// Reads a body; forms that are not known are refused.
pub(super) fn object(
    headers: &HeaderMap,
    body: &[u8],
    expected: &Expected<'_>,
) -> Result<Value, Failure> {
    match media(headers) {
        "" | "application/json" => json(body, expected.kind),
        PROTOBUF if expected.custom => Err(Failure::unsupported_media(
            "the body of the request was in an unknown format - accepted media types include: application/json (custom resources have no protobuf form)",
        )),
        PROTOBUF => protobuf(body, expected),
        _ => Err(Failure::unsupported_media(
            "the body of the request was in an unknown format - accepted media types include: application/json, application/vnd.kubernetes.protobuf",
        )),
    }
}

fn json(body: &[u8], kind: &str) -> Result<Value, Failure> {
    let unrecognized = |why: String| {
        Failure::bad_request(format!(
            "the object provided is unrecognized (must be of type {kind}): couldn't get version/kind; json parse error: {why} ({})",
            summary(body)
        ))
    };
    let value: Value =
        serde_json::from_slice(body).map_err(|error| unrecognized(error.to_string()))?;
    let got = match &value {
        Value::Object(_) | Value::Null => return Ok(value),
        Value::Array(_) => "array",
        Value::String(_) => "string",
        Value::Number(_) => "number",
        Value::Bool(_) => "bool",
    };
    Err(unrecognized(format!(
        "json: cannot unmarshal {got} into Go value of type struct {{ APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; Kind string \"json:\\\"kind,omitempty\\\"\" }}"
    )))
}

/// The start of a body, for messages.
fn summary(body: &[u8]) -> String {
    String::from_utf8_lossy(body).chars().take(120).collect()
}

fn protobuf(body: &[u8], expected: &Expected<'_>) -> Result<Value, Failure> {
    let kind = expected.kind;
    let unreadable = |error: ProtobufError| {
        Failure::bad_request(format!(
            "the body cannot be read as the protobuf of a {kind}: {error}: send application/json"
        ))
    };
    let envelope = Envelope::open(body).map_err(unreadable)?;
    if envelope.kind.is_empty() || envelope.kind == kind {
        return envelope.object(expected.schema.root()).map_err(unreadable);
    }
    // The message is another kind's, whose fields have other numbers.
    if expected.checked_later {
        return Ok(
            serde_json::json!({ "apiVersion": envelope.api_version, "kind": envelope.kind }),
        );
    }
    Err(Failure::bad_request(format!(
        "the object provided is a {}, and a {kind} is expected",
        envelope.kind
    )))
}
