//! Namespaces: the first objects of each, and the deletion of one with everything in it.

use rouse_apiserver::registry::Propagation;
use rouse_apiserver::status::Failure;
use rouse_apiserver::store::Key;
use serde_json::{Value, json};

use super::objects::{CONFIG_MAPS, NAMESPACES, Objects, SERVICE_ACCOUNTS};

const ROOT_CA: &str = "kube-root-ca.crt";
const FINALIZER: &str = "kubernetes";

/// Creates the first objects of a namespace, or empties and finalizes one that is being deleted.
pub(super) fn sync(objects: &Objects, key: &Key, ca: &str) -> Result<(), Failure> {
    let Some(namespace) = objects.store.get(key) else { return Ok(()) };
    if namespace.deletion_timestamp.is_none() {
        return create_first_objects(objects, &key.name, ca);
    }
    let left = clear(objects, &key.name)?;
    objects.change(key, |namespace| {
        namespace["status"]["phase"] = "Terminating".into();
        if !left.is_empty() {
            namespace["status"]["conditions"] = remaining(namespace, &left);
        }
    })?;
    if left.is_empty() {
        return objects.finalize(key, finish);
    }
    Ok(())
}

/// Creates the objects that every namespace has.
fn create_first_objects(objects: &Objects, namespace: &str, ca: &str) -> Result<(), Failure> {
    let account = Key::new(SERVICE_ACCOUNTS, namespace, "default");
    if objects.store.get(&account).is_none() {
        let meta = json!({ "name": "default", "namespace": namespace });
        create(objects, SERVICE_ACCOUNTS, json!({ "metadata": meta }))?;
    }
    let root = Key::new(CONFIG_MAPS, namespace, ROOT_CA);
    let data = json!({ "ca.crt": ca });
    let changed = objects.change(&root, |map| map["data"] = data.clone())?;
    if changed.is_none() {
        let meta = json!({
            "name": ROOT_CA, "namespace": namespace,
            "annotations": { "kubernetes.io/description": "the CA that the API server's certificate is signed by" },
        });
        create(objects, CONFIG_MAPS, json!({ "metadata": meta, "data": data }))?;
    }
    Ok(())
}

/// Creates an object that another may have created meanwhile.
fn create(objects: &Objects, resource: &str, object: Value) -> Result<(), Failure> {
    match objects.create(resource, object) {
        Err(failure) if !failure.is_already_exists() => Err(failure),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Deletes the objects in a namespace. Returns those that remain: resource and finalizers.
fn clear(objects: &Objects, namespace: &str) -> Result<Vec<(String, Vec<String>)>, Failure> {
    let mut left = Vec::new();
    for resource in objects.store.resources() {
        if &*resource == NAMESPACES {
            continue;
        }
        for object in objects.store.list(&resource, Some(namespace)).objects {
            objects.delete(&object.key, Propagation::Background)?;
            if let Some(object) = objects.store.get(&object.key) {
                left.push((resource.to_string(), object.finalizers.clone()));
            }
        }
    }
    Ok(left)
}

fn finish(namespace: &mut Value) {
    if let Some(finalizers) = namespace["spec"]["finalizers"].as_array_mut() {
        finalizers.retain(|finalizer| finalizer != FINALIZER);
    }
}

/// The conditions with the objects that a deletion waits for.
fn remaining(namespace: &Value, left: &[(String, Vec<String>)]) -> Value {
    let count = |items: &mut dyn Iterator<Item = String>| {
        let mut counts: std::collections::BTreeMap<String, usize> = Default::default();
        for item in items {
            *counts.entry(item).or_default() += 1;
        }
        counts
    };
    let resources = count(&mut left.iter().map(|(resource, _)| resource.clone()));
    let finalizers = count(&mut left.iter().flat_map(|(_, finalizers)| finalizers.clone()));
    let since = &namespace["metadata"]["deletionTimestamp"];
    let list = |counts: &std::collections::BTreeMap<String, usize>, word: &str| {
        let items: Vec<String> = counts
            .iter()
            .map(|(item, many)| format!("{item} {word} {many} resource instances"))
            .collect();
        items.join(", ")
    };
    let mut conditions = vec![json!({
        "type": "NamespaceContentRemaining", "status": "True", "reason": "SomeResourcesRemain",
        "message": format!("Some resources are remaining: {}", list(&resources, "has")),
        "lastTransitionTime": since,
    })];
    if !finalizers.is_empty() {
        conditions.push(json!({
            "type": "NamespaceFinalizersRemaining", "status": "True",
            "reason": "SomeFinalizersRemain",
            "message": format!(
                "Some content in the namespace has finalizers remaining: {}",
                list(&finalizers, "in")
            ),
            "lastTransitionTime": since,
        }));
    }
    conditions.into()
}
