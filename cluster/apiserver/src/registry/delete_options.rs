//! `DeleteOptions`, decoded by type and validated.
//!
//! Upstream: `apimachinery/pkg/apis/meta/v1/validation`, `apiserver/pkg/registry/rest/delete.go`.

use std::sync::LazyLock;

use rouse_schema::structure::{Invalid, Schema};
use serde_json::Value;

use crate::status::Failure;

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| Schema::of_type("meta.v1.DeleteOptions"));

/// The treatment of the objects that a deleted one owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagation {
    Background,
    Foreground,
    Orphan,
}

/// The body of a DELETE.
#[derive(Clone, Debug, Default)]
pub struct DeleteOptions {
    /// Never negative: a negative number means one second.
    pub grace_seconds: Option<i64>,
    pub propagation: Option<Propagation>,
    pub uid: Option<String>,
    pub resource_version: Option<String>,
    pub dry_run: bool,
}

impl DeleteOptions {
    #[must_use]
    pub fn propagating(propagation: Propagation) -> Self {
        Self { propagation: Some(propagation), ..Self::default() }
    }

    /// Reads the JSON form.
    pub fn from_value(value: &Value) -> Result<Self, Failure> {
        let kind = value["kind"].as_str().unwrap_or("DeleteOptions");
        if !value.is_object() || !matches!(kind, "" | "DeleteOptions") {
            return Err(Failure::bad_request(
                "decoded object cannot be converted to DeleteOptions",
            ));
        }
        if let Some(error) = SCHEMA.type_error(value) {
            let why = format!(
                "DeleteOptions in version \"v1\" cannot be handled as a DeleteOptions: {error}"
            );
            return Err(Failure::bad_request(why));
        }
        let (policy, orphan) = (&value["propagationPolicy"], &value["orphanDependents"]);
        let propagation = match policy.as_str().filter(|policy| !policy.is_empty()) {
            None if *orphan == true => Some(Propagation::Orphan),
            None => None,
            Some(_) if !orphan.is_null() => {
                let why = "orphanDependents and deletionPropagation cannot be both set";
                return Err(invalid(Invalid::value("propagationPolicy", policy, why)));
            }
            Some("Background") => Some(Propagation::Background),
            Some("Foreground") => Some(Propagation::Foreground),
            Some("Orphan") => Some(Propagation::Orphan),
            Some(_) => {
                let known = ["Foreground", "Background", "Orphan", "nil"].map(str::to_owned);
                return Err(invalid(Invalid::not_supported("propagationPolicy", policy, &known)));
            }
        };
        let dry_run = match value["dryRun"].as_array().map(Vec::as_slice).unwrap_or_default() {
            [] => false,
            rounds if rounds.iter().all(|round| round == "All") => true,
            _ => {
                let unsupported =
                    Invalid::not_supported("dryRun", &value["dryRun"], &["All".to_owned()]);
                return Err(invalid(unsupported));
            }
        };
        let text = |v: &Value| v.as_str().map(str::to_owned);
        let seconds = |n: i64| if n < 0 { 1 } else { n };
        Ok(Self {
            grace_seconds: value["gracePeriodSeconds"].as_i64().map(seconds),
            propagation,
            uid: text(&value["preconditions"]["uid"]),
            resource_version: text(&value["preconditions"]["resourceVersion"]),
            dry_run,
        })
    }
}

fn invalid(problem: Invalid) -> Failure {
    Failure::invalid_options("DeleteOptions", &problem)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn options_are_decoded_by_type_and_validated() {
        let read = |value: Value| {
            DeleteOptions::from_value(&value)
                .map_err(|failure| (failure.code.as_u16(), failure.message))
        };
        let ok = read(json!({ "kind": "DeleteOptions", "apiVersion": "apps/v1",
            "gracePeriodSeconds": -7, "propagationPolicy": "Orphan", "dryRun": ["All"],
            "preconditions": { "uid": "u" } }))
        .unwrap();
        assert_eq!((ok.grace_seconds, ok.dry_run), (Some(1), true));
        assert_eq!((ok.propagation, ok.uid.as_deref()), (Some(Propagation::Orphan), Some("u")));
        let orphan = read(json!({ "orphanDependents": true })).unwrap();
        assert_eq!(orphan.propagation, Some(Propagation::Orphan));
        let wrong_type = |got: &str, field: &str, want: &str| {
            format!(
                "DeleteOptions in version \"v1\" cannot be handled as a DeleteOptions: json: cannot unmarshal {got} into Go struct field {field} of type {want}"
            )
        };
        for (body, code, message) in [
            (json!([]), 400, "decoded object cannot be converted to DeleteOptions".to_owned()),
            (json!({ "kind": "Pod" }), 400, "decoded object cannot be converted to DeleteOptions".to_owned()),
            (json!({ "gracePeriodSeconds": "x" }), 400,
                wrong_type("string", "DeleteOptions.gracePeriodSeconds", "int64")),
            (json!({ "gracePeriodSeconds": 1e30 }), 400,
                wrong_type("number 1e+30", "DeleteOptions.gracePeriodSeconds", "int64")),
            (json!({ "preconditions": { "uid": 7 } }), 400,
                wrong_type("number", "Preconditions.preconditions.uid", "string")),
            (json!({ "propagationPolicy": "Later" }), 422,
                "DeleteOptions.meta.k8s.io \"\" is invalid: propagationPolicy: Unsupported value: \"Later\": supported values: \"Foreground\", \"Background\", \"Orphan\", \"nil\"".to_owned()),
            (json!({ "propagationPolicy": "Orphan", "orphanDependents": true }), 422,
                "DeleteOptions.meta.k8s.io \"\" is invalid: propagationPolicy: Invalid value: \"Orphan\": orphanDependents and deletionPropagation cannot be both set".to_owned()),
        ] {
            assert_eq!(read(body.clone()).unwrap_err(), (code, message), "{body}");
        }
    }
}
