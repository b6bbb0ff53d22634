//! Decoding of request bodies by their media type: objects, patches, `DeleteOptions`.
//!
//! JSON, YAML and protobuf give the same tree; the registry validates it.

use http::HeaderMap;
use http::header::CONTENT_TYPE;
use serde_json::{Value, json};

use super::request::Query;

use crate::kinds::Resource;
use crate::registry::{DeleteOptions, Patch};
use crate::status::Failure;
use crate::structure::{self, Envelope, ProtobufError, Schema};

const JSON: &str = "application/json";
const YAML: &str = "application/yaml";
const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

/// The type that a body must be of.
pub(super) struct Expected<'a> {
    kind: &'a str,
    custom: bool,
    schema: std::borrow::Cow<'a, Schema>,
    /// The registry checks the kind later.
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
fn media(headers: &HeaderMap) -> &str {
    let text = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    text.split(';').next().unwrap_or_default().trim()
}

/// Paths of fields that a body holds twice. Protobuf cannot, and YAML that does is refused.
pub(super) fn duplicates(headers: &HeaderMap, body: &[u8]) -> Vec<String> {
    if matches!(media(headers), PROTOBUF | YAML) {
        return Vec::new();
    }
    structure::duplicates(body)
}

/// Decodes a body; unknown media types are refused.
pub(super) fn object(
    headers: &HeaderMap,
    body: &[u8],
    expected: &Expected<'_>,
) -> Result<Value, Failure> {
    match media(headers) {
        "" | JSON => read_json(body, expected.kind),
        YAML => read_yaml(body, expected.kind),
        PROTOBUF if !expected.custom => read_protobuf(body, expected),
        PROTOBUF => Err(Failure::unsupported_media(format!(
            "the body of the request was in an unknown format - accepted media types include: {JSON}, {YAML} (custom resources have no protobuf form)",
        ))),
        _ if expected.custom => Err(unknown_format(&[JSON, YAML])),
        _ => Err(unknown_format(&[JSON, YAML, PROTOBUF])),
    }
}

fn unknown_format(accepted: &[&str]) -> Failure {
    Failure::unsupported_media(format!(
        "the body of the request was in an unknown format - accepted media types include: {}",
        accepted.join(", ")
    ))
}

fn read_json(body: &[u8], kind: &str) -> Result<Value, Failure> {
    let value = serde_json::from_slice(body)
        .map_err(|error| unrecognized(body, kind, &error.to_string()))?;
    object_or_null(value, body, kind)
}

/// With the numbers and booleans of YAML 1.1, as Kubernetes reads it.
#[must_use]
pub fn yaml_options() -> serde_yaml::Options {
    serde_yaml::options! { legacy_octal_numbers: true, with_snippet: false }
}

fn read_yaml(body: &[u8], kind: &str) -> Result<Value, Failure> {
    let value = serde_yaml::from_slice_with_options(body, yaml_options()).map_err(|error| {
        Failure::bad_request(format!(
            "the object provided is unrecognized (must be of type {kind}): error converting YAML to JSON: {error}"
        ))
    })?;
    object_or_null(value, body, kind)
}

fn unrecognized(body: &[u8], kind: &str, why: &str) -> Failure {
    Failure::bad_request(format!(
        "the object provided is unrecognized (must be of type {kind}): couldn't get version/kind; json parse error: {why} ({})",
        summary(body)
    ))
}

fn object_or_null(value: Value, body: &[u8], kind: &str) -> Result<Value, Failure> {
    let got = match &value {
        Value::Object(_) | Value::Null => return Ok(value),
        Value::Array(_) => "array",
        Value::String(_) => "string",
        Value::Number(_) => "number",
        Value::Bool(_) => "bool",
    };
    let why = format!(
        "json: cannot unmarshal {got} into Go value of type struct {{ APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; Kind string \"json:\\\"kind,omitempty\\\"\" }}"
    );
    Err(unrecognized(body, kind, &why))
}

/// The start of a body, for messages.
fn summary(body: &[u8]) -> String {
    String::from_utf8_lossy(body).chars().take(120).collect()
}

fn read_protobuf(body: &[u8], expected: &Expected<'_>) -> Result<Value, Failure> {
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
        return Ok(json!({ "apiVersion": envelope.api_version, "kind": envelope.kind }));
    }
    Err(Failure::bad_request(format!(
        "the object provided is a {}, and a {kind} is expected",
        envelope.kind
    )))
}

/// Whether a patch is the configuration of a server-side apply.
pub(super) fn applies(headers: &HeaderMap) -> bool {
    media(headers) == "application/apply-patch+yaml"
}

/// Reads the configuration of a server-side apply: YAML, of which JSON is a part.
pub(super) fn configuration(body: &[u8]) -> Result<Value, Failure> {
    let value = match serde_json::from_slice(body) {
        Ok(value) => value,
        Err(_) => serde_yaml::from_slice_with_options::<Value>(body, yaml_options())
            .map_err(|error| Failure::bad_request(format!("error decoding YAML: {error}")))?,
    };
    if value.is_object() {
        return Ok(value);
    }
    Err(Failure::bad_request("error decoding YAML: the configuration is no object"))
}

/// Reads a patch of an object of `resource`.
pub(super) fn patch(
    resource: &Resource,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Patch, Failure> {
    let value = || -> Result<Value, Failure> {
        serde_json::from_slice(body)
            .map_err(|e| Failure::bad_request(format!("the patch cannot be read as JSON: {e}")))
    };
    match media(headers) {
        "application/json-patch+json" => Ok(Patch::Json(value()?)),
        "application/merge-patch+json" => Ok(Patch::Merge(value()?)),
        "application/strategic-merge-patch+json" if !resource.custom => {
            Ok(Patch::Strategic(value()?))
        }
        "application/strategic-merge-patch+json" => {
            Err(unknown_format(&["application/json-patch+json", "application/merge-patch+json"]))
        }
        _ => Err(Failure::unsupported_patch()),
    }
}

/// Reads the options of a deletion: the body's, and those of the query over them.
pub(super) fn delete_options(
    headers: &HeaderMap,
    body: &[u8],
    query: &Query,
) -> Result<DeleteOptions, Failure> {
    let mut value = if body.is_empty() {
        json!({})
    } else {
        object(headers, body, &Expected::of("DeleteOptions", "meta.v1.DeleteOptions"))?
    };
    let seconds = query.get("gracePeriodSeconds");
    if !seconds.is_empty() {
        let seconds: i64 = seconds.parse().map_err(|_| {
            Failure::bad_request(format!("strconv.ParseInt: parsing {seconds:?}: invalid syntax"))
        })?;
        set(&mut value, "gracePeriodSeconds", seconds.into());
    }
    let policy = query.get("propagationPolicy");
    if !policy.is_empty() {
        set(&mut value, "propagationPolicy", policy.into());
    }
    DeleteOptions::from_value(&value)
}

/// Sets a field of an object; any other value is left as it is, and refused later.
fn set(value: &mut Value, field: &str, to: Value) {
    if let Value::Object(map) = value {
        map.insert(field.to_owned(), to);
    }
}
