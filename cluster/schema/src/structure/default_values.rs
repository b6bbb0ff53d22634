//! Validation of the defaults in a CRD's schema against that schema.
//!
//! Upstream: `apiextensions-apiserver/pkg/apiserver/schema/defaulting/validation.go`.

use serde_json::Value;

use super::invalid::Invalid;
use super::{defaults, fields, parse, validate};

/// The problems of all defaults in the schema at `path`.
pub(crate) fn problems(schema: &Value, path: &str) -> Vec<Invalid> {
    let mut found = Vec::new();
    check(schema, path, &mut found);
    found
}

fn check(schema: &Value, path: &str, found: &mut Vec<Invalid>) {
    if let Some(default) = schema.get("default").filter(|default| !default.is_null()) {
        one(schema, default, &format!("{path}.default"), found);
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        check(property, &format!("{path}.properties[{name}]"), found);
    }
    for word in ["additionalProperties", "items"] {
        if schema[word].is_object() {
            check(&schema[word], &format!("{path}.{word}"), found);
        }
    }
}

fn one(schema: &Value, default: &Value, path: &str, found: &mut Vec<Invalid>) {
    // An invalid schema is reported elsewhere.
    let Ok(node) = parse::node(schema) else { return };
    let unknown = fields::unknown(&node, default);
    if !unknown.is_empty() {
        found.push(Invalid::value(path, default, "must not have unknown fields"));
        return;
    }
    // Nested defaults are applied to it before it is used.
    let mut whole = default.clone();
    defaults::apply(&node, &mut whole);
    found.extend(validate::check_at(&node, &whole, path));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_default_fits_the_schema_that_it_stands_in() {
        let said = |field: Value| {
            let schema = json!({ "type": "object", "properties": { "spec": { "type": "object",
                "properties": { "x": field } } } });
            let problems = problems(&schema, "s");
            problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
        };
        let at = "s.properties[spec].properties[x].default";
        let wrong = |got: &str, want: &str| {
            format!("{at}: Invalid value: {got:?}: {at} in body must be of type {want}: {got:?}")
        };
        for (field, expected) in [
            (json!({ "type": "integer", "default": 3 }), String::new()),
            (json!({ "type": "integer", "default": "3" }), wrong("string", "integer")),
            (json!({ "type": "string", "default": 3 }), wrong("integer", "string")),
            (json!({ "type": "boolean", "default": [] }), wrong("array", "boolean")),
            (json!({ "type": "integer", "minimum": 5, "default": 3 }),
                format!("{at}: Invalid value: 3: {at} in body should be greater than or equal to 5")),
            (json!({ "type": "object", "default": { "y": 1 } }),
                format!("{at}: Invalid value: {{\"y\":1}}: must not have unknown fields")),
            (json!({ "type": "object", "required": ["y"], "properties": {
                "y": { "type": "integer", "default": 1 } }, "default": {} }), String::new()),
            (json!({ "type": "object", "required": ["y"], "properties": {
                "y": { "type": "integer" } }, "default": {} }), format!("{at}.y: Required value")),
            (json!({ "type": "array", "items": { "type": "string", "default": 7 } }),
                "s.properties[spec].properties[x].items.default: Invalid value: \"integer\": s.properties[spec].properties[x].items.default in body must be of type string: \"integer\"".to_owned()),
            (json!({ "x-kubernetes-int-or-string": true, "default": "5%" }), String::new()),
            (json!({ "x-kubernetes-preserve-unknown-fields": true, "default": { "a": 1 } }), String::new()),
        ] {
            assert_eq!(said(field.clone()), expected, "{field}");
        }
    }
}
