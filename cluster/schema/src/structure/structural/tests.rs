//! Schemas that are structural, and the words for those that are not.

use serde_json::{Value, json};

use super::*;
use crate::structure::aggregate;

fn told(property: &Value) -> String {
    let document = json!({"type": "object", "properties": {"a": property}});
    let found = problems(&document, "s");
    if found.is_empty() { String::new() } else { aggregate(&found) }
}

#[test]
fn a_schema_that_contradicts_pruning_is_refused() {
    let text = json!({"type": "string"});
    for (property, want) in [
        (json!({"type": "string"}), ""),
        (
            json!({}),
            "s.properties[a].type: Required value: must not be empty for specified object fields",
        ),
        (json!({"x-kubernetes-int-or-string": true}), ""),
        (json!({"x-kubernetes-preserve-unknown-fields": true}), ""),
        (json!({"type": "array"}), "s.properties[a].items: Required value: must be specified"),
        (json!({"type": "array", "items": text}), ""),
        (
            json!({"type": "text"}),
            r#"s.properties[a].type: Unsupported value: "text": supported values: "array", "boolean", "integer", "number", "object", "string""#,
        ),
        (
            json!({"type": "string", "x-kubernetes-embedded-resource": true}),
            r#"s.properties[a].type: Invalid value: "string": must be object if x-kubernetes-embedded-resource is true"#,
        ),
        (json!({"type": "object", "x-kubernetes-embedded-resource": true}), ""),
        (json!({"type": "object", "additionalProperties": text}), ""),
        (json!({"type": "object", "additionalProperties": true}), ""),
        (
            json!({"type": "object", "properties": {"b": text}, "additionalProperties": text}),
            "s.properties[a].additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive",
        ),
        (
            json!({"type": "object", "properties": {"b": text}, "additionalProperties": true}),
            "s.properties[a].additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive",
        ),
        (
            json!({"type": "object", "additionalProperties": false}),
            "s.properties[a].additionalProperties: Forbidden: additionalProperties cannot be set to false",
        ),
        (
            json!({"type": "array", "items": text, "uniqueItems": true}),
            "s.properties[a].uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes quadratic",
        ),
        (
            json!({"type": "object", "$ref": "#/x"}),
            "s.properties[a].$ref: Forbidden: $ref is not supported",
        ),
        (json!({"type": "object", "$ref": null}), ""),
    ] {
        assert_eq!(told(&property), want, "{property}");
    }
}

#[test]
fn branches_restrict_values_and_say_nothing_of_the_structure() {
    let undefined = |word: &str| {
        format!("s.properties[a].{word}: Forbidden: must be undefined to be structural")
    };
    let typed = |word: &str| {
        format!("s.properties[a].{word}.type: Forbidden: must be empty to be structural")
    };
    for (branches, want) in [
        (json!({"anyOf": [{"pattern": "x"}]}), String::new()),
        (json!({"anyOf": [{"type": "integer"}, {"type": "string"}]}), String::new()),
        (json!({"anyOf": [{"pattern": "x"}, {"type": "boolean"}]}), typed("anyOf[1]")),
        (json!({"oneOf": [{"type": "object"}]}), typed("oneOf[0]")),
        (json!({"not": {"type": "array"}}), typed("not")),
        (json!({"not": {"default": 1}}), undefined("not.default")),
        (json!({"not": {"default": null, "nullable": false}}), String::new()),
        (json!({"allOf": [{"nullable": true}]}), undefined("allOf[0].nullable")),
        (json!({"allOf": [{"description": "x"}]}), undefined("allOf[0].description")),
    ] {
        let mut property = json!({"type": "string"});
        for (word, schema) in branches.as_object().expect("an object") {
            property[word] = schema.clone();
        }
        assert_eq!(told(&property), want, "{branches}");
    }
}

#[test]
fn the_keys_of_a_list_are_fields_of_its_items() {
    let list = |kind: &str, keys: &Value| {
        let items = json!({"type": "object", "properties": {"k": {"type": "string"}}});
        told(&json!({
            "type": "array", "items": items,
            "x-kubernetes-list-type": kind, "x-kubernetes-list-map-keys": keys,
        }))
    };
    let none = "s.properties[a].x-kubernetes-list-map-keys: Required value: must not be empty if x-kubernetes-list-type is map";
    let other = r#"s.properties[a].x-kubernetes-list-map-keys[1]: Invalid value: "b": entries must all be names of item properties"#;
    let kind = r#"s.properties[a].x-kubernetes-list-type: Unsupported value: "bag": supported values: "atomic", "map", "set""#;
    for (list_type, keys, want) in [
        ("map", json!(["k"]), ""),
        ("map", json!([]), none),
        ("map", json!(null), none),
        ("map", json!(["k", "b"]), other),
        ("set", json!(null), ""),
        ("atomic", json!(null), ""),
        ("bag", json!(null), kind),
    ] {
        assert_eq!(list(list_type, &keys), want, "{list_type} {keys}");
    }
}

#[test]
fn the_root_is_an_object() {
    for (document, want) in [
        (json!({"type": "object"}), ""),
        (json!({}), "s.type: Required value: must not be empty at the root"),
        (
            json!({"type": "string"}),
            r#"s.type: Invalid value: "string": must be object at the root"#,
        ),
    ] {
        let found = problems(&document, "s");
        let told = if found.is_empty() { String::new() } else { aggregate(&found) };
        assert_eq!(told, want, "{document}");
    }
}
