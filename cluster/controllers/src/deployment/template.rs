//! Which ReplicaSet is a Deployment's present one: the one whose template is the Deployment's.

use serde_json::{Value, json};

pub(super) const HASH: &str = "pod-template-hash";
pub(super) const REVISION: &str = "deployment.kubernetes.io/revision";
pub(super) const DESIRED: &str = "deployment.kubernetes.io/desired-replicas";
pub(super) const MAX: &str = "deployment.kubernetes.io/max-replicas";
/// Annotations that stay with the Deployment.
const NOT_COPIED: [&str; 5] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    "deployment.kubernetes.io/revision-history",
    DESIRED,
    MAX,
];

/// Whether a ReplicaSet runs the Deployment's template.
pub(super) fn is_same(set: &Value, deployment: &Value) -> bool {
    let mut template = set["spec"]["template"].clone();
    if let Some(labels) = template["metadata"]["labels"].as_object_mut() {
        labels.remove(HASH);
    }
    strip(&mut template);
    let mut wanted = deployment["spec"]["template"].clone();
    strip(&mut wanted);
    template == wanted
}

/// Empty maps and nulls say nothing, and one writer leaves out what another writes.
fn strip(value: &mut Value) {
    if let Some(meta) = value["metadata"].as_object_mut() {
        meta.retain(|_, field| !field.is_null() && field.as_object().is_none_or(|m| !m.is_empty()));
    }
}

/// A name for a template that is the same for the same one. `collisions` makes another.
pub(super) fn hash(template: &Value, collisions: i64) -> String {
    // Maps are sorted by key, so equal templates are equal text.
    let mut text = canonical(template);
    if collisions > 0 {
        text.push_str(&collisions.to_string());
    }
    let hash = text
        .bytes()
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let safe = |byte: u8| char::from(ALPHABET[usize::from(byte) % ALPHABET.len()]);
    hash.to_string().bytes().map(safe).collect()
}

fn canonical(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let mut fields: Vec<_> = map.iter().collect();
            fields.sort_by_key(|(name, _)| *name);
            let fields: Vec<String> =
                fields.iter().map(|(name, field)| format!("{name}:{}", canonical(field))).collect();
            format!("{{{}}}", fields.join(","))
        }
        Value::Array(list) => {
            let list: Vec<String> = list.iter().map(canonical).collect();
            format!("[{}]", list.join(","))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
    }
}

/// A ReplicaSet for the Deployment's template.
pub(super) fn replica_set(
    deployment: &Value,
    revision: i64,
    replicas: i32,
    max: i32,
    collisions: i64,
) -> Value {
    let spec = &deployment["spec"];
    let hash = hash(&spec["template"], collisions);
    let name = deployment["metadata"]["name"].as_str().unwrap_or_default();
    let mut template = spec["template"].clone();
    template["metadata"]["labels"][HASH] = hash.clone().into();
    let mut selector = spec["selector"].clone();
    selector["matchLabels"][HASH] = hash.clone().into();
    let mut annotations = json!({
        REVISION: revision.to_string(),
        DESIRED: spec["replicas"].as_i64().unwrap_or(1).to_string(),
        MAX: max.to_string(),
    });
    for (key, value) in deployment["metadata"]["annotations"].as_object().into_iter().flatten() {
        if !NOT_COPIED.contains(&key.as_str()) {
            annotations[key] = value.clone();
        }
    }
    json!({
        "metadata": {
            "name": format!("{name}-{hash}"),
            "namespace": deployment["metadata"]["namespace"],
            "labels": template["metadata"]["labels"],
            "annotations": annotations,
            "ownerReferences": [{
                "apiVersion": deployment["apiVersion"], "kind": deployment["kind"], "name": name,
                "uid": deployment["metadata"]["uid"], "controller": true,
                "blockOwnerDeletion": true,
            }],
        },
        "spec": {
            "replicas": replicas,
            "minReadySeconds": spec["minReadySeconds"].as_i64().unwrap_or(0),
            "selector": selector,
            "template": template,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment(image: &str) -> Value {
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": { "name": "web", "namespace": "shop", "uid": "u",
                "annotations": { "note": "kept", REVISION: "7" } },
            "spec": { "replicas": 3, "selector": { "matchLabels": { "app": "web" } },
                "template": { "metadata": { "labels": { "app": "web" }, "creationTimestamp": null },
                    "spec": { "containers": [{ "name": "c", "image": image }] } } },
        })
    }

    #[test]
    fn a_set_stamped_from_a_template_is_of_that_template_only() {
        let set = replica_set(&deployment("one"), 8, 2, 4, 0);
        assert!(is_same(&set, &deployment("one")));
        assert!(!is_same(&set, &deployment("two")));
    }

    #[test]
    fn the_hash_names_set_pods_and_selector() {
        let set = replica_set(&deployment("one"), 8, 2, 4, 0);
        let name = set["metadata"]["name"].as_str().unwrap();
        let hash = name.strip_prefix("web-").expect("the Deployment's name and the hash");
        let labels = json!({ "app": "web", HASH: hash });
        assert_eq!(set["metadata"]["labels"], labels);
        assert_eq!(set["spec"]["template"]["metadata"]["labels"], labels);
        assert_eq!(set["spec"]["selector"], json!({ "matchLabels": labels }));
    }

    #[test]
    fn the_hash_is_of_the_template_and_the_collisions_alone() {
        let named = |deployment: &Value, revision, replicas, max, collisions| {
            let set = replica_set(deployment, revision, replicas, max, collisions);
            set["metadata"]["name"].as_str().unwrap().to_owned()
        };
        let first = named(&deployment("one"), 8, 2, 4, 0);
        assert_eq!(named(&deployment("one"), 9, 3, 5, 0), first, "it stays while it is scaled");
        let mut paused = deployment("one");
        paused["spec"]["paused"] = json!(true);
        assert_eq!(named(&paused, 8, 2, 4, 0), first);
        assert_ne!(named(&deployment("two"), 8, 2, 4, 0), first);
        assert_ne!(named(&deployment("one"), 8, 2, 4, 1), first);
    }

    #[test]
    fn annotations_are_copied_but_those_of_the_controller() {
        let set = replica_set(&deployment("one"), 8, 2, 4, 0);
        let annotations = json!({ "note": "kept", REVISION: "8", DESIRED: "3", MAX: "4" });
        assert_eq!(set["metadata"]["annotations"], annotations);
    }
}
