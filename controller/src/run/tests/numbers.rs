//! Extreme values, and where they can be written.

use std::fmt;

use rouse_api::config::{ApiConfig, EXAMPLE_KEY};
use serde_json::{Map, Value, json};

/// One numeric field, by its path from the object.
#[derive(Clone, Debug)]
pub(super) struct Field(Vec<Step>);

#[derive(Clone, Debug)]
enum Step {
    Name(String),
    /// The first of a list.
    First,
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.0 {
            match step {
                Step::Name(name) => write!(f, ".{name}")?,
                Step::First => f.write_str("[0]")?,
            }
        }
        Ok(())
    }
}

impl Field {
    pub(super) fn set(&self, mut object: Value, value: &Value) -> Value {
        let mut at = &mut object;
        for step in &self.0 {
            at = match step {
                Step::Name(name) => {
                    if !at.is_object() {
                        *at = json!({});
                    }
                    &mut at[name.as_str()]
                }
                Step::First => {
                    if at.as_array().is_none_or(Vec::is_empty) {
                        *at = json!([null]);
                    }
                    &mut at[0]
                }
            };
        }
        *at = value.clone();
        object
    }
}

/// Every field of a kind that holds a number or a quantity, and those of its metadata.
pub(super) fn fields(kind: &str) -> Vec<Field> {
    let yaml = match kind {
        "Service" => include_str!("../../../../manifests/crds/service.yaml"),
        "Configuration" => include_str!("../../../../manifests/crds/configuration.yaml"),
        "Revision" => include_str!("../../../../manifests/crds/revision.yaml"),
        "Route" => include_str!("../../../../manifests/crds/route.yaml"),
        _ => include_str!("../../../../manifests/crds/domainmapping.yaml"),
    };
    let crd: Value = serde_yaml::from_str(yaml).unwrap();
    let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    let mut found = Vec::new();
    walk(schema, &mut Vec::new(), &mut found);
    for name in ["generation", "deletionGracePeriodSeconds"] {
        found.push(Field(["metadata", name].map(|n| Step::Name(n.to_owned())).to_vec()));
    }
    found
}

fn walk(schema: &Value, path: &mut Vec<Step>, found: &mut Vec<Field>) {
    let numeric = matches!(schema["type"].as_str(), Some("integer" | "number"))
        || schema["x-kubernetes-int-or-string"] == true;
    if numeric {
        found.push(Field(path.clone()));
    }
    let none = Map::new();
    for (name, below) in schema["properties"].as_object().unwrap_or(&none) {
        path.push(Step::Name(name.clone()));
        walk(below, path, found);
        path.pop();
    }
    if schema["items"].is_object() {
        path.push(Step::First);
        walk(&schema["items"], path, found);
        path.pop();
    }
    if schema["additionalProperties"].is_object() {
        path.push(Step::Name("memory".to_owned()));
        walk(&schema["additionalProperties"], path, found);
        path.pop();
    }
}

/// JSON values for a field: the ends of every range, and only the outermost for a kind whose fields
/// are copied to a kind that is tested itself.
pub(super) fn values(kind: &str) -> Vec<Value> {
    let outermost = [
        json!(i64::MIN),
        json!(-1),
        json!(0),
        json!(i32::MAX),
        json!(i64::MAX),
        json!(1e300),
        json!("9223372036854775807"),
    ];
    let ends = [
        json!(i32::MIN),
        json!(1),
        json!(i64::from(u16::MAX) + 1),
        json!(i64::from(i32::MAX) + 1),
        json!(u32::MAX),
        json!(1_u64 << 53),
        json!(u64::MAX),
        json!(0.5),
        json!(-1e300),
        json!("1e99"),
        json!("-1Ei"),
    ];
    match kind {
        "Service" | "Configuration" => outermost.to_vec(),
        _ => [&outermost[..], &ends[..]].concat(),
    }
}

/// Texts for an annotation or a setting.
pub(super) fn texts() -> Vec<&'static str> {
    vec![
        "-9223372036854775808",
        "-2147483648",
        "-1",
        "0",
        "1",
        "2147483647",
        "2147483648",
        "4294967295",
        "9223372036854775807",
        "18446744073709551615",
        "99999999999999999999999999999999",
        "0.000000000000000001",
        "1e308",
        "-1e308",
        "1e999",
        "NaN",
        "inf",
        "0s",
        "1ns",
        "-1s",
        "6s",
        "1h",
        "2562047h47m16.854775807s",
        "-2562047h47m16.854775807s",
        "9999999999999999999h",
        "9999-12-31T23:59:59Z",
        "",
    ]
}

/// Every key of every ConfigMap that holds a number or a time, as its example lists them.
pub(super) fn settings() -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    for yaml in [
        include_str!("../../../../manifests/config/autoscaler.yaml"),
        include_str!("../../../../manifests/config/defaults.yaml"),
        include_str!("../../../../manifests/config/deployment.yaml"),
        include_str!("../../../../manifests/config/domain.yaml"),
        include_str!("../../../../manifests/config/features.yaml"),
        include_str!("../../../../manifests/config/gc.yaml"),
        include_str!("../../../../manifests/config/network.yaml"),
        include_str!("../../../../manifests/config/observability.yaml"),
    ] {
        let config_map: Value = serde_yaml::from_str(yaml).unwrap();
        let name = config_map["metadata"]["name"].as_str().unwrap();
        let name = ApiConfig::NAMES.into_iter().find(|known| *known == name).unwrap();
        let example = config_map["data"][EXAMPLE_KEY].as_str().unwrap();
        let example: Map<String, Value> = serde_yaml::from_str(example).unwrap();
        let numeric = |value: &Value| {
            let text = value.as_str().unwrap_or_default();
            text.starts_with(|c: char| c.is_ascii_digit() || c == '-')
        };
        found.extend(example.iter().filter(|(_, v)| numeric(v)).map(|(k, _)| (name, k.clone())));
    }
    found
}
