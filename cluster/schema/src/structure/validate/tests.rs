//! Limits at their bounds: what is just allowed, and what is just not.

use serde_json::{Value, json};

use crate::structure::{Invalid, Schema, aggregate};

fn problems(field: &Value, value: &Value) -> Vec<Invalid> {
    let document = json!({"type": "object", "properties": {"a": field}});
    Schema::from_openapi(&document).expect("a schema").validate(&json!({"a": value}))
}

#[test]
fn a_limit_allows_its_bound_and_refuses_what_is_beyond() {
    for (field, good, bad, want) in [
        (
            json!({"type": "array", "minItems": 2}),
            json!([1, 2]),
            json!([1]),
            "a: Invalid value: 1: a in body should have at least 2 items",
        ),
        (
            json!({"type": "array", "maxItems": 2}),
            json!([1, 2]),
            json!([1, 2, 3]),
            "a: Too many: 3: must have at most 2 items",
        ),
        (
            json!({"type": "object", "minProperties": 1}),
            json!({"x": 1}),
            json!({}),
            "a: Invalid value: 0: a in body should have at least 1 properties",
        ),
        (
            json!({"type": "object", "maxProperties": 1}),
            json!({"x": 1}),
            json!({"x": 1, "y": 2, "z": 3}),
            "a: Too many: 3: must have at most 1 item",
        ),
        (
            json!({"type": "string", "minLength": 3}),
            json!("äöü"),
            json!("a"),
            r#"a: Invalid value: "a": a in body should be at least 3 chars long"#,
        ),
        (
            json!({"type": "string", "maxLength": 1}),
            json!("ä"),
            json!("abc"),
            "a: Too long: may not be more than 1 byte",
        ),
        (
            json!({"type": "number", "minimum": 2}),
            json!(2),
            json!(1.5),
            "a: Invalid value: 1.5: a in body should be greater than or equal to 2",
        ),
        (
            json!({"type": "number", "minimum": 2, "exclusiveMinimum": true}),
            json!(2.5),
            json!(2),
            "a: Invalid value: 2: a in body should be greater than 2",
        ),
        (
            json!({"type": "number", "maximum": 2}),
            json!(2),
            json!(2.5),
            "a: Invalid value: 2.5: a in body should be less than or equal to 2",
        ),
        (
            json!({"type": "number", "maximum": 2, "exclusiveMaximum": true}),
            json!(1.5),
            json!(2),
            "a: Invalid value: 2: a in body should be less than 2",
        ),
        (
            json!({"type": "number", "multipleOf": 0.5}),
            json!(1.5),
            json!(1.75),
            "a: Invalid value: 1.75: a in body should be a multiple of 0.5",
        ),
        (
            json!({"type": "integer", "multipleOf": 3}),
            json!(-9),
            json!(10),
            "a: Invalid value: 10: a in body should be a multiple of 3",
        ),
        (
            json!({"type": "number", "allOf": [{"minimum": 1}, {"maximum": 2}]}),
            json!(2),
            json!(3),
            "a: Invalid value: 3: a in body should be less than or equal to 2",
        ),
        (
            json!({"type": "number", "anyOf": [{"maximum": 1}, {"minimum": 4}]}),
            json!(4),
            json!(3),
            "a: Invalid value: 3: a in body must validate at least one schema (anyOf)",
        ),
        (
            json!({"type": "number", "oneOf": [{"maximum": 1}, {"minimum": 4}]}),
            json!(1),
            json!(3),
            "a: Invalid value: 3: a in body must validate one and only one schema (oneOf). Found none valid",
        ),
        (
            json!({"type": "number", "not": {"minimum": 4}}),
            json!(3),
            json!(4),
            "a: Invalid value: 4: a in body must not validate the schema (not)",
        ),
        (
            json!({"type": "object", "not": {"minProperties": 1}}),
            json!({}),
            json!({"x": 1}),
            r#"a: Invalid value: "": a in body must not validate the schema (not)"#,
        ),
        (
            json!({"type": "number"}),
            json!(1),
            json!("1"),
            r#"a: Invalid value: "string": a in body must be of type number: "string""#,
        ),
    ] {
        assert_eq!(problems(&field, &good), [], "{field} {good}");
        assert_eq!(aggregate(&problems(&field, &bad)), want, "{field} {bad}");
    }
    // Everything is a multiple of nothing.
    assert_eq!(problems(&json!({"type": "number", "multipleOf": 0}), &json!(3)), []);
}

#[test]
fn what_every_object_has_is_not_the_schemas_to_restrict() {
    let odd = json!({"apiVersion": {"type": "integer"}, "kind": {"type": "integer"}, "metadata": {"type": "integer"}});
    let whole = json!({"apiVersion": "ex.io/v1", "kind": "Toy", "metadata": {"name": "x"}});
    let at_root = json!({"type": "object", "properties": odd});
    assert_eq!(Schema::from_openapi(&at_root).expect("a schema").validate(&whole), []);
    let embedded =
        json!({"type": "object", "x-kubernetes-embedded-resource": true, "properties": odd});
    assert_eq!(problems(&embedded, &whole), []);
    // Elsewhere they are fields as any other.
    let inner = json!({"type": "object", "properties": odd});
    assert_eq!(problems(&inner, &whole).len(), 3);
}
