//! Structural OpenAPI v3 schemas of built-in types, for the CRDs that embed them.
//!
//! `structural("core.v1.PodSpec")` is what a generator of CRDs puts where a Knative type embeds a Kubernetes one:
//!
//! ```no_run
//! # fn main() -> anyhow::Result<()> {
//! let table = xtask::kinds::read()?;
//! let pod_spec = xtask::schema::structural(&table, "core.v1.PodSpec")?;
//! # drop(pod_spec); Ok(()) }
//! ```

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};

use crate::kinds::{Field, Table};

/// How a quantity is written; the same as in published CRDs.
const QUANTITY: &str = r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$";

/// The structural schema of a type of the table, with every type that it uses written out.
///
/// Names are those of the table: `core.v1.PodSpec`, `core.v1.Container`, `meta.v1.ObjectMeta`. Required fields, list and
/// map semantics and the table's defaults are in it; enumerations are not, since admission names those with better words.
/// A type that contains itself has no structural form.
pub fn structural(table: &Table, name: &str) -> Result<Value> {
    named(table, name, &mut Vec::new())
}

fn named<'a>(table: &'a Table, name: &'a str, within: &mut Vec<&'a str>) -> Result<Value> {
    if within.contains(&name) {
        bail!("{name} contains itself and so has no structural schema");
    }
    let row = table.types.get(name).with_context(|| format!("no type {name} in the table"))?;
    within.push(name);
    let mut properties = Map::new();
    let mut required = Vec::new();
    for field in &row.fields {
        let Field(json_name, _, _, more) = field;
        if more.required {
            required.push(json_name.clone());
        }
        properties.insert(json_name.clone(), property(table, field, within)?);
    }
    within.pop();
    let mut out = Map::new();
    out.insert("type".into(), json!("object"));
    out.insert("properties".into(), Value::Object(properties));
    if !required.is_empty() {
        out.insert("required".into(), json!(required));
    }
    if row.atomic {
        out.insert("x-kubernetes-map-type".into(), json!("atomic"));
    }
    Ok(Value::Object(out))
}

fn property<'a>(table: &'a Table, field: &'a Field, within: &mut Vec<&'a str>) -> Result<Value> {
    let Field(name, expression, _, more) = field;
    let mut schema = of(table, expression, within).with_context(|| name.clone())?;
    if let Some(default) = &more.default {
        schema["default"] = default.clone();
    }
    if let Some(list) = &more.list {
        schema["x-kubernetes-list-type"] = json!(list);
    }
    if !more.keys.is_empty() {
        schema["x-kubernetes-list-map-keys"] = json!(more.keys);
    }
    if more.atomic {
        schema["x-kubernetes-map-type"] = json!("atomic");
    }
    Ok(schema)
}

fn of<'a>(table: &'a Table, expression: &'a str, within: &mut Vec<&'a str>) -> Result<Value> {
    if let Some(inner) = expression.strip_prefix("[]") {
        return Ok(json!({"type": "array", "items": of(table, inner, within)?}));
    }
    if let Some(inner) = expression.strip_prefix("map:") {
        return Ok(json!({"type": "object", "additionalProperties": of(table, inner, within)?}));
    }
    let either = json!([{"type": "integer"}, {"type": "string"}]);
    Ok(match expression {
        "string" => json!({"type": "string"}),
        "bool" => json!({"type": "boolean"}),
        "int32" | "int64" => json!({"type": "integer", "format": expression}),
        "float64" => json!({"type": "number", "format": "double"}),
        "bytes" => json!({"type": "string", "format": "byte"}),
        "time" | "microtime" => json!({"type": "string", "format": "date-time"}),
        "intorstring" => json!({"anyOf": either, "x-kubernetes-int-or-string": true}),
        "quantity" => {
            json!({"anyOf": either, "pattern": QUANTITY, "x-kubernetes-int-or-string": true})
        }
        "raw" => json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true}),
        "any" => json!({"x-kubernetes-preserve-unknown-fields": true}),
        name if table.enums.contains_key(name) => json!({"type": "string"}),
        name => named(table, name, within)?,
    })
}

#[cfg(test)]
mod tests {
    use super::structural;

    #[test]
    fn a_pod_spec_is_written_out_whole() {
        let table = crate::kinds::read().expect("the table is committed");
        let spec =
            structural(&table, "core.v1.PodSpec").expect("a pod spec does not contain itself");
        let container = &spec["properties"]["containers"]["items"]["properties"];
        assert_eq!(spec["required"], serde_json::json!(["containers"]));
        assert_eq!(
            container["ports"]["x-kubernetes-list-map-keys"],
            serde_json::json!(["containerPort", "protocol"])
        );
        assert_eq!(container["ports"]["items"]["properties"]["protocol"]["default"], "TCP");
        let quantity = &container["resources"]["properties"]["limits"]["additionalProperties"];
        assert_eq!(quantity["x-kubernetes-int-or-string"], true);
    }

    #[test]
    fn a_type_that_contains_itself_is_refused() {
        let table = crate::kinds::read().expect("the table is committed");
        assert!(structural(&table, "apiextensions.v1.JSONSchemaProps").is_err());
    }
}
