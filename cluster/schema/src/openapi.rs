//! OpenAPI v3 documents, made of the kinds that are served: an index, and one document per group version.
//!
//! `kubectl` asks three things of them: that a PATCH knows `dryRun` and `fieldValidation` (then it leaves validation to
//! the server), which kind a path is about, and what fields a kind has (`explain`). Nothing else is in them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Map, Value, json};

use rouse_k8s::hash::fnv1a_64;

use crate::kinds::{Kinds, Resource};
use crate::structure::{self, Node, types};

/// The index: where the document of each group version is, with a hash that changes when the document does.
#[must_use]
pub fn index(kinds: &Kinds) -> Value {
    let mut versions: BTreeMap<String, Vec<Arc<Resource>>> = BTreeMap::new();
    for resource in kinds.all() {
        versions.entry(place(&resource.group, &resource.version)).or_default().push(resource);
    }
    let paths: Map<String, Value> = versions
        .into_iter()
        .map(|(place, resources)| {
            let url = format!("/openapi/v3/{place}?hash={}", hash(&resources));
            (place, json!({"serverRelativeURL": url}))
        })
        .collect();
    json!({"paths": paths})
}

/// The document of a group version, if anything is served there.
#[must_use]
pub fn document(kinds: &Kinds, group: &str, version: &str) -> Option<Value> {
    let resources = of(kinds, group, version);
    if resources.is_empty() {
        return None;
    }
    let mut paths = Map::new();
    let mut schemas = Map::new();
    let mut wanted = BTreeSet::new();
    for resource in &resources {
        add_paths(resource, &mut paths);
        let (name, schema) = top_level(resource, &mut wanted);
        schemas.insert(name, schema);
    }
    add_types(wanted, &mut schemas);
    Some(json!({
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": "v1.35.0"},
        "paths": paths,
        "components": {"schemas": schemas},
    }))
}

/// The hash of a group version's document, as its index entry and its ETag carry it.
#[must_use]
pub fn version_hash(kinds: &Kinds, group: &str, version: &str) -> Option<String> {
    let resources = of(kinds, group, version);
    (!resources.is_empty()).then(|| hash(&resources))
}

fn of(kinds: &Kinds, group: &str, version: &str) -> Vec<Arc<Resource>> {
    kinds.all().into_iter().filter(|r| r.group == group && r.version == version).collect()
}

fn hash(resources: &[Arc<Resource>]) -> String {
    let mut text = String::new();
    for resource in resources {
        text += &format!("{}/{}/{:x};", resource.plural, resource.kind, resource.fingerprint);
    }
    format!("{:016X}", fnv1a_64(text.as_bytes()))
}

/// `api/v1`, or `apis/apps/v1`.
fn place(group: &str, version: &str) -> String {
    if group.is_empty() { format!("api/{version}") } else { format!("apis/{group}/{version}") }
}

fn add_paths(resource: &Resource, paths: &mut Map<String, Value>) {
    let base = format!("/{}", place(&resource.group, &resource.version));
    let collection = if resource.namespaced {
        format!("{base}/namespaces/{{namespace}}/{}", resource.plural)
    } else {
        format!("{base}/{}", resource.plural)
    };
    let has = |verb: &str| resource.verbs.iter().any(|v| v == verb);
    let mut on_collection = Map::new();
    if has("list") {
        on_collection.insert("get".into(), operation(resource, "list", &[]));
    }
    if has("create") {
        on_collection.insert(
            "post".into(),
            operation(resource, "post", &["dryRun", "fieldManager", "fieldValidation"]),
        );
    }
    paths.insert(collection.clone(), Value::Object(on_collection));
    let mut on_item = Map::new();
    for (verb, method, action, parameters) in [
        ("get", "get", "get", &[][..]),
        ("update", "put", "put", &["dryRun", "fieldManager", "fieldValidation"][..]),
        ("patch", "patch", "patch", &["dryRun", "fieldManager", "fieldValidation", "force"][..]),
        ("delete", "delete", "delete", &["dryRun", "gracePeriodSeconds", "propagationPolicy"][..]),
    ] {
        if has(verb) {
            on_item.insert(method.into(), operation(resource, action, parameters));
        }
    }
    if !on_item.is_empty() {
        paths.insert(format!("{collection}/{{name}}"), Value::Object(on_item));
    }
}

fn operation(resource: &Resource, action: &str, parameters: &[&str]) -> Value {
    let parameters: Vec<Value> = parameters
        .iter()
        .map(|name| json!({"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": true}}))
        .collect();
    json!({
        "parameters": parameters,
        "responses": {"200": {"description": "OK"}},
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": gvk(resource),
    })
}

fn gvk(resource: &Resource) -> Value {
    json!({"group": resource.group, "version": resource.version, "kind": resource.kind})
}

/// The schema of a kind; the built-in types that it refers to are added to those wanted.
fn top_level(resource: &Resource, wanted: &mut BTreeSet<String>) -> (String, Value) {
    let mut schema = resource.schema.to_openapi();
    schema["x-kubernetes-group-version-kind"] = json!([gvk(resource)]);
    if let Some(name) = &resource.schema.root().reference {
        references(resource.schema.root().resolve(), wanted);
        return (types::openapi_name(name), schema);
    }
    let metadata = "meta.v1.ObjectMeta";
    wanted.insert(metadata.to_owned());
    let mut properties = schema["properties"].as_object().cloned().unwrap_or_default();
    properties.insert("apiVersion".into(), json!({"type": "string"}));
    properties.insert("kind".into(), json!({"type": "string"}));
    let reference = format!("#/components/schemas/{}", types::openapi_name(metadata));
    properties.insert("metadata".into(), json!({"allOf": [{"$ref": reference}]}));
    schema["properties"] = Value::Object(properties);
    let mut reversed: Vec<&str> = resource.group.split('.').collect();
    reversed.reverse();
    (format!("{}.{}.{}", reversed.join("."), resource.version, resource.kind), schema)
}

/// Adds the wanted types and all that they refer to.
fn add_types(mut wanted: BTreeSet<String>, schemas: &mut Map<String, Value>) {
    while let Some(name) = wanted.pop_first() {
        let full = types::openapi_name(&name);
        if schemas.contains_key(&full) {
            continue;
        }
        if let Some(node) = types::get(&name) {
            references(node, &mut wanted);
            schemas.insert(full, structure::emit_type(node));
        }
    }
}

fn references(node: &Node, wanted: &mut BTreeSet<String>) {
    wanted.extend(node.reference.clone());
    let inner =
        node.properties.values().chain(node.items.as_deref()).chain(node.additional.as_deref());
    inner.for_each(|child| references(child, wanted));
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{document, index, version_hash};
    use crate::kinds::{Kinds, Resource};

    fn crd() -> Value {
        json!({
            "metadata": {"name": "toys.ex.io"},
            "spec": {
                "group": "ex.io", "scope": "Namespaced",
                "names": {"plural": "toys", "kind": "Toy"},
                "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                    "type": "object", "properties": {"spec": {"type": "object", "properties": {"n": {"type": "integer"}}}},
                }}}],
            },
        })
    }

    /// The references of a document to types that it does not define.
    fn dangling(document: &Value) -> Vec<String> {
        fn walk(value: &Value, schemas: &Value, out: &mut Vec<String>) {
            match value {
                Value::Object(map) => {
                    if let Some(name) = map.get("$ref").and_then(Value::as_str) {
                        let name = name.trim_start_matches("#/components/schemas/");
                        if schemas.get(name).is_none() {
                            out.push(name.to_owned());
                        }
                    }
                    map.values().for_each(|v| walk(v, schemas, out));
                }
                Value::Array(items) => items.iter().for_each(|v| walk(v, schemas, out)),
                _ => {}
            }
        }
        let mut out = Vec::new();
        walk(document, &document["components"]["schemas"], &mut out);
        out
    }

    #[test]
    fn every_group_version_has_a_document_whose_references_resolve() {
        let kinds = Kinds::new();
        kinds.insert(Resource::from_crd(&crd(), "v1").expect("a good CRD"));
        let index = index(&kinds);
        assert!(index["paths"]["apis/ex.io/v1"]["serverRelativeURL"].is_string());
        for resource in kinds.all() {
            let document =
                document(&kinds, &resource.group, &resource.version).expect("it is served");
            assert_eq!(dangling(&document), Vec::<String>::new(), "{}", resource.kind);
        }
    }

    #[test]
    fn the_index_has_the_hash_of_each_document_that_is_served() {
        let kinds = Kinds::new();
        let url = index(&kinds)["paths"]["apis/apps/v1"]["serverRelativeURL"].clone();
        let hash = version_hash(&kinds, "apps", "v1").expect("apps/v1 is served");
        assert_eq!(url, format!("/openapi/v3/apis/apps/v1?hash={hash}"));
        assert_eq!(version_hash(&kinds, "ex.io", "v1"), None);
    }

    #[test]
    fn a_patch_says_that_the_server_validates_fields() {
        let document = document(&Kinds::new(), "apps", "v1").expect("apps/v1 is served");
        let patch =
            &document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"];
        let names: Vec<&Value> =
            patch["parameters"].as_array().expect("a list").iter().map(|p| &p["name"]).collect();
        assert!(names.contains(&&json!("fieldValidation")) && names.contains(&&json!("dryRun")));
        assert_eq!(patch["x-kubernetes-group-version-kind"]["kind"], "Deployment");
    }

    #[test]
    fn a_crd_appears_with_its_schema_and_changes_the_hash() {
        let kinds = Kinds::new();
        let before = index(&kinds);
        kinds.insert(Resource::from_crd(&crd(), "v1").expect("a good CRD"));
        let first = index(&kinds);
        let document = document(&kinds, "ex.io", "v1").expect("served");
        let toy = &document["components"]["schemas"]["io.ex.v1.Toy"];
        assert_eq!(toy["properties"]["spec"]["properties"]["n"]["type"], "integer");
        assert_eq!(toy["x-kubernetes-group-version-kind"][0]["kind"], "Toy");
        assert_eq!(before["paths"]["api/v1"], first["paths"]["api/v1"]);
        let mut changed = crd();
        changed["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"] =
            json!({"type": "object"});
        kinds.insert(Resource::from_crd(&changed, "v1").expect("a good CRD"));
        assert_ne!(first["paths"]["apis/ex.io/v1"], index(&kinds)["paths"]["apis/ex.io/v1"]);
    }
}
