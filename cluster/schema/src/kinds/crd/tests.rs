//! A CRD's version as the resource that it becomes.

use serde_json::{Value, json};

use super::*;
use crate::kinds::Kinds;

fn crd(version: &Value) -> Value {
    let mut entry = json!({
        "name": "v1", "served": true, "storage": true,
        "schema": {"openAPIV3Schema": {"type": "object", "properties": {
            "spec": {"type": "object", "properties": {"size": {"type": "string"}}},
        }}},
    });
    for (field, value) in version.as_object().expect("an object") {
        entry[field] = value.clone();
    }
    json!({
        "metadata": {"name": "toys.ex.io"},
        "spec": {
            "group": "ex.io", "scope": "Namespaced",
            "names": {"plural": "toys", "kind": "Toy", "shortNames": ["ty", "t"], "categories": ["all"]},
            "versions": [entry],
        },
    })
}

#[test]
fn a_version_becomes_a_resource() {
    let version = json!({
        "subresources": {"status": {}},
        "selectableFields": [{"jsonPath": ".spec.size"}, {"jsonPath": ".spec.color"}],
    });
    let toy = Resource::from_crd(&crd(&version), "v1").expect("a good CRD");
    assert_eq!(toy.short_names, ["ty", "t"]);
    assert_eq!(toy.categories, ["all"]);
    assert_eq!(toy.selectable_fields, ["spec.size", "spec.color"]);
    assert_eq!((toy.singular.as_str(), toy.list_kind.as_str()), ("toy", "ToyList"));
    assert_eq!(toy.api_version(), "ex.io/v1");
    assert_eq!(toy.qualified(), "toys.ex.io");
    assert_eq!(toy.qualified_kind(), "Toy.ex.io");
    assert!(toy.status && toy.is_storage() && toy.namespaced && toy.custom);
}

#[test]
fn a_custom_kind_is_no_built_in_one_whatever_its_name() {
    let kinds = Kinds::new();
    let pod = kinds.by_kind("", "v1", "Pod").expect("a built-in kind");
    let toy = Resource::from_crd(&crd(&json!({})), "v1").expect("a good CRD");
    assert!(pod.is("", "Pod"));
    assert!(!pod.is("", "Node") && !pod.is("apps", "Pod") && !toy.is("ex.io", "Toy"));
    assert_eq!((pod.api_version().as_str(), pod.qualified_kind().as_str()), ("v1", "Pod"));
}

#[test]
fn a_crds_resource_can_go_and_a_built_in_one_stays() {
    let kinds = Kinds::new();
    kinds.insert(Resource::from_crd(&crd(&json!({})), "v1").expect("a good CRD"));
    assert!(kinds.remove("ex.io", "v1", "toys").is_some());
    assert!(kinds.by_resource("ex.io", "v1", "toys").is_none());
    assert!(kinds.remove("ex.io", "v1", "toys").is_none());
    assert!(kinds.remove("apps", "v1", "deployments").is_none());
    assert!(kinds.by_resource("apps", "v1", "deployments").is_some());
}
