//! Schemas by example: unknown fields, pruning, defaults, validation, and what a typed decoder says.

use serde_json::{Value, json};

use super::{Invalid, Schema, aggregate};
use crate::kinds::Kinds;

fn builtin(group: &str, kind: &str) -> std::sync::Arc<Schema> {
    Kinds::new().by_kind(group, "v1", kind).expect("a built-in kind").schema.clone()
}

fn custom(spec: Value) -> Schema {
    let document = json!({"type": "object", "properties": {"spec": spec}});
    Schema::from_openapi(&document).expect("a schema")
}

#[test]
fn unknown_fields_are_named_by_path() {
    let cases = [
        (
            "",
            "ConfigMap",
            json!({"metadata": {"foo": 1}, "dataz": {}, "data": {"any": "x"}}),
            vec!["dataz", "metadata.foo"],
        ),
        (
            "apps",
            "Deployment",
            json!({"spec": {"replicaz": 1, "template": {"spec": {"containers": [{"name": "a", "imagee": 1}]}}}}),
            vec!["spec.replicaz", "spec.template.spec.containers[0].imagee"],
        ),
        (
            "",
            "Pod",
            json!({"kind": "Pod", "apiVersion": "v1", "metadata": {"labels": {"a": "b"}}, "spec": {"nodeSelector": {"x": "y"}}}),
            vec![],
        ),
        (
            "apiextensions.k8s.io",
            "CustomResourceDefinition",
            json!({"spec": {"versions": [{"schema": {"openAPIV3Schema":
            {"type": "object", "properties": {"a": {"typ": "x", "additionalProperties": true, "default": {"q": 1}}}}}}]}}),
            vec!["spec.versions[0].schema.openAPIV3Schema.properties.a.typ"],
        ),
    ];
    for (group, kind, object, want) in cases {
        let mut got = builtin(group, kind).unknown_fields(&object);
        got.sort();
        assert_eq!(got, want, "{object}");
    }
}

#[test]
fn pruning_keeps_what_the_schema_knows_or_leaves_open() {
    let schema = custom(json!({"type": "object", "properties": {
        "a": {"type": "string"},
        "open": {"type": "object", "x-kubernetes-preserve-unknown-fields": true, "properties": {"in": {"type": "object", "properties": {}}}},
        "map": {"type": "object", "additionalProperties": {"type": "object", "properties": {"k": {"type": "string"}}}},
        "free": {"type": "object", "additionalProperties": true},
        "raw": {"x-kubernetes-preserve-unknown-fields": true},
        "inner": {"type": "object", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true},
    }}));
    let mut object = json!({
        "apiVersion": "ex.io/v1", "kind": "Toy", "metadata": {"name": "x", "bogus": 1}, "extra": 1,
        "spec": {
            "a": "x", "b": 1,
            "open": {"anything": {"goes": 1}, "in": {"gone": 1}},
            "map": {"x": {"k": "v", "z": 1}},
            "free": {"x": {"k": "v"}},
            "raw": [{"q": 1}],
            "inner": {"kind": "K", "apiVersion": "v1", "metadata": {"name": "n", "bogus": 1}, "spec": {"q": 1}},
        },
    });
    schema.prune(&mut object);
    assert_eq!(
        object,
        json!({
            "apiVersion": "ex.io/v1", "kind": "Toy", "metadata": {"name": "x"},
            "spec": {
                "a": "x",
                "open": {"anything": {"goes": 1}, "in": {}},
                "map": {"x": {"k": "v"}},
                "free": {"x": {"k": "v"}},
                "raw": [{"q": 1}],
                "inner": {"kind": "K", "apiVersion": "v1", "metadata": {"name": "n"}, "spec": {"q": 1}},
            },
        })
    );
}

#[test]
fn defaults_fill_what_is_absent_and_reach_into_lists_and_maps() {
    let schema = custom(json!({"type": "object", "default": {}, "properties": {
        "n": {"type": "integer", "default": 3},
        "kept": {"type": "string", "nullable": true, "default": "d"},
        "ports": {"type": "array", "items": {"type": "object", "properties": {"protocol": {"type": "string", "default": "TCP"}}}},
        "map": {"type": "object", "additionalProperties": {"type": "object", "properties": {"x": {"type": "boolean", "default": false}}}},
    }}));
    let cases = [
        (json!({}), json!({"spec": {"n": 3, "kept": "d"}})),
        (json!({"spec": {"n": null, "kept": null}}), json!({"spec": {"n": 3, "kept": null}})),
        (
            json!({"spec": {"n": 1, "kept": "x", "ports": [{}], "map": {"a": {}}}}),
            json!({"spec": {"n": 1, "kept": "x", "ports": [{"protocol": "TCP"}], "map": {"a": {"x": false}}}}),
        ),
    ];
    for (mut object, want) in cases {
        schema.default(&mut object);
        assert_eq!(object, want);
    }
}

#[test]
fn a_custom_resource_is_refused_in_kubernetes_words() {
    let text =
        |spec: Value, value: Value| aggregate(&custom(spec).validate(&json!({"spec": value})));
    let object = |properties: Value| json!({"type": "object", "properties": properties});
    let cases = [
        (
            object(json!({"a": {"type": "integer"}})),
            json!({"a": "x"}),
            r#"spec.a: Invalid value: "string": spec.a in body must be of type integer: "string""#,
        ),
        (
            object(json!({"a": {"type": "array", "items": {"type": "string"}}})),
            json!({"a": [1]}),
            r#"spec.a[0]: Invalid value: "integer": spec.a[0] in body must be of type string: "integer""#,
        ),
        (
            object(json!({"a": {"type": "string"}})),
            json!({"a": null}),
            r#"spec.a: Invalid value: "null": spec.a in body must be of type string: "null""#,
        ),
        (json!({"type": "object", "required": ["a"]}), json!({}), "spec.a: Required value"),
        (
            object(json!({"a": {"type": "string", "enum": ["x", "y"]}})),
            json!({"a": "z"}),
            r#"spec.a: Unsupported value: "z": supported values: "x", "y""#,
        ),
        (
            object(json!({"a": {"type": "integer", "minimum": 1}})),
            json!({"a": 0}),
            "spec.a: Invalid value: 0: spec.a in body should be greater than or equal to 1",
        ),
        (
            object(json!({"a": {"type": "integer", "maximum": 5}})),
            json!({"a": 9}),
            "spec.a: Invalid value: 9: spec.a in body should be less than or equal to 5",
        ),
        (
            object(json!({"a": {"type": "string", "pattern": "^a+$"}})),
            json!({"a": "b"}),
            r#"spec.a: Invalid value: "b": spec.a in body should match '^a+$'"#,
        ),
        (
            object(json!({"a": {"type": "string", "maxLength": 2}})),
            json!({"a": "abc"}),
            "spec.a: Too long: may not be more than 2 bytes",
        ),
        (
            object(json!({"a": {"type": "array", "items": {"type": "string"}, "minItems": 1}})),
            json!({"a": []}),
            "spec.a: Invalid value: 0: spec.a in body should have at least 1 items",
        ),
        (
            object(json!({"a": {"type": "array", "items": {"type": "string"}, "maxItems": 1}})),
            json!({"a": ["x", "y"]}),
            "spec.a: Too many: 2: must have at most 1 item",
        ),
        (
            object(json!({"a": {"x-kubernetes-int-or-string": true}})),
            json!({"a": true}),
            r#"spec.a: Invalid value: "boolean": spec.a in body must be of type integer,string: "boolean""#,
        ),
        (
            object(
                json!({"a": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}}}),
            ),
            json!({"a": ["x", "x"]}),
            r#"spec.a[1]: Duplicate value: "x""#,
        ),
        (
            object(
                json!({"a": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"],
            "items": {"type": "object", "properties": {"k": {"type": "string"}}}}}),
            ),
            json!({"a": [{"k": "x"}, {"k": "x"}]}),
            r#"spec.a[1]: Duplicate value: {"k":"x"}"#,
        ),
        (
            object(
                json!({"a": {"type": "object", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true}}),
            ),
            json!({"a": {"kind": "K"}}),
            "spec.a.apiVersion: Required value: must not be empty",
        ),
        (
            object(json!({"a": {"type": "string", "format": "date-time"}})),
            json!({"a": "yesterday"}),
            r#"spec.a: Invalid value: "yesterday": spec.a in body must be of type date-time: "yesterday""#,
        ),
        (
            object(json!({"a": {"type": "integer", "format": "int32"}})),
            json!({"a": 4_000_000_000_i64}),
            r#"spec.a: Invalid value: 4000000000: spec.a in body must be of type int32: "4000000000""#,
        ),
        (
            object(json!({"a": {"type": "string", "oneOf": [{"pattern": "x"}, {"pattern": "y"}]}})),
            json!({"a": "xy"}),
            r#"spec.a: Invalid value: "xy": spec.a in body must validate one and only one schema (oneOf). Found 2 valid alternatives"#,
        ),
    ];
    for (spec, value, want) in cases {
        assert_eq!(text(spec, value), want);
    }
}

#[test]
fn what_a_schema_allows_is_not_refused() {
    let schema = custom(json!({"type": "object", "properties": {
        "n": {"type": "string", "nullable": true},
        "i": {"type": "integer"},
        "q": {"x-kubernetes-int-or-string": true, "anyOf": [{"type": "integer"}, {"type": "string"}]},
    }}));
    for value in [json!({"n": null, "i": 1.0, "q": 1}), json!({"q": "1"}), json!({})] {
        assert_eq!(
            schema.validate(&json!({"metadata": {"name": "x"}, "spec": value})),
            Vec::<Invalid>::new()
        );
    }
}

#[test]
fn a_typed_decoder_names_the_struct_and_the_path() {
    let cases = [
        ("", "Pod", json!([]), "json: cannot unmarshal array into Go value of type v1.Pod"),
        (
            "",
            "ConfigMap",
            json!({"data": 5}),
            "json: cannot unmarshal number into Go struct field ConfigMap.data of type map[string]string",
        ),
        (
            "apps",
            "Deployment",
            json!({"spec": {"replicas": "x"}}),
            "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            "apps",
            "Deployment",
            json!({"spec": {"template": {"spec": {"containers": {"name": "x"}}}}}),
            "json: cannot unmarshal object into Go struct field PodSpec.spec.template.spec.containers of type []v1.Container",
        ),
        (
            "",
            "Pod",
            json!({"spec": {"containers": [{"resources": {"limits": {"cpu": "much"}}}]}}),
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
        ),
        (
            "apps",
            "Deployment",
            json!({"spec": {"replicas": 3_000_000_000_i64}}),
            "json: cannot unmarshal number 3000000000 into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            "",
            "Pod",
            json!({"spec": {"restartPolicy": 5}}),
            "json: cannot unmarshal number into Go struct field PodSpec.spec.restartPolicy of type v1.RestartPolicy",
        ),
        (
            "",
            "Pod",
            json!({"metadata": {"creationTimestamp": "now"}}),
            r#"parsing time "now" as "2006-01-02T15:04:05Z07:00": cannot parse "now" as "2006""#,
        ),
    ];
    for (group, kind, object, want) in cases {
        assert_eq!(builtin(group, kind).type_error(&object).as_deref(), Some(want), "{object}");
    }
}

#[test]
fn a_typed_decoder_accepts_every_form_of_a_value() {
    let pod = json!({
        "metadata": {"creationTimestamp": null, "managedFields": [{"fieldsV1": {"f:x": {}}}]},
        "spec": {"priority": 7, "terminationGracePeriodSeconds": 5_000_000_000_i64, "containers": [{
            "resources": {"limits": {"cpu": 1, "memory": "1.5Gi", "x": "1e3"}},
            "livenessProbe": {"httpGet": {"port": "http"}}, "readinessProbe": {"httpGet": {"port": 8080}},
        }]},
    });
    assert_eq!(builtin("", "Pod").type_error(&pod), None);
    assert_eq!(builtin("", "Pod").unknown_fields(&pod), Vec::<String>::new());
    let crd = json!({"spec": {"versions": [{"schema": {"openAPIV3Schema": {"additionalProperties": true, "items": []}}}]}});
    assert_eq!(builtin("apiextensions.k8s.io", "CustomResourceDefinition").type_error(&crd), None);
}

#[test]
fn a_typed_writer_drops_nulls_and_writes_quantities_as_text() {
    let mut pod = json!({"spec": {"nodeName": null, "containers": [{
        "name": "a", "command": null, "resources": {"limits": {"cpu": 1, "memory": "1Gi"}},
    }]}});
    builtin("", "Pod").normalise(&mut pod);
    assert_eq!(
        pod,
        json!({"spec": {"containers": [
            {"name": "a", "resources": {"limits": {"cpu": "1", "memory": "1Gi"}}},
        ]}})
    );
    // What is anything stays as it is.
    let whole =
        json!({"spec": {"versions": [{"schema": {"openAPIV3Schema": {"default": {"a": null}}}}]}});
    let mut crd = whole.clone();
    builtin("apiextensions.k8s.io", "CustomResourceDefinition").normalise(&mut crd);
    assert_eq!(crd, whole);
}

#[test]
fn openapi_says_how_fields_are_merged() {
    let spec = |name: &str| Schema::of_type(name).to_openapi()["properties"].clone();
    let deployment = spec("apps.v1.DeploymentSpec");
    assert_eq!(
        deployment["strategy"],
        json!({
            "allOf": [{"$ref": "#/components/schemas/io.k8s.api.apps.v1.DeploymentStrategy"}],
            "x-kubernetes-patch-strategy": "retainKeys",
        })
    );
    let reference = "#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.LabelSelector";
    assert_eq!(deployment["selector"], json!({"$ref": reference}));
    let pod = spec("core.v1.PodSpec");
    assert_eq!(pod["nodeSelector"]["x-kubernetes-map-type"], "atomic");
    assert_eq!(pod["containers"]["x-kubernetes-patch-merge-key"], "name");
    assert_eq!(pod["restartPolicy"]["type"], "string");
    assert_eq!(pod["restartPolicy"]["enum"], json!(["Always", "Never", "OnFailure"]));
    let selector = Schema::of_type("meta.v1.LabelSelector").to_openapi();
    assert_eq!(selector["x-kubernetes-map-type"], "atomic");
}
