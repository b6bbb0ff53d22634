//! The current ReplicaSet of a Deployment: the one with its template.

use rouse_k8s::hash::pod_template_hash;
use rouse_k8s::keys::{
    DEPLOYMENT_DESIRED_REPLICAS, DEPLOYMENT_MAX_REPLICAS, DEPLOYMENT_REVISION,
    DEPLOYMENT_REVISION_HISTORY, LAST_APPLIED, POD_TEMPLATE_HASH,
};
use serde_json::{Value, json};

/// Annotations of the Deployment that its ReplicaSets do not get.
const NOT_COPIED: [&str; 5] = [
    LAST_APPLIED,
    DEPLOYMENT_REVISION,
    DEPLOYMENT_REVISION_HISTORY,
    DEPLOYMENT_DESIRED_REPLICAS,
    DEPLOYMENT_MAX_REPLICAS,
];

/// Whether a ReplicaSet runs the Deployment's template.
pub(super) fn is_same(set: &Value, deployment: &Value) -> bool {
    let mut template = set["spec"]["template"].clone();
    if let Some(labels) = template["metadata"]["labels"].as_object_mut() {
        labels.remove(POD_TEMPLATE_HASH);
    }
    strip(&mut template);
    let mut wanted = deployment["spec"]["template"].clone();
    strip(&mut wanted);
    template == wanted
}

/// Drops nulls and empty maps, which some clients leave out and others write.
fn strip(value: &mut Value) {
    if let Some(meta) = value["metadata"].as_object_mut() {
        meta.retain(|_, field| !field.is_null() && field.as_object().is_none_or(|m| !m.is_empty()));
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
    let hash = pod_template_hash(&spec["template"], collisions);
    let name = deployment["metadata"]["name"].as_str().unwrap_or_default();
    let mut template = spec["template"].clone();
    template["metadata"]["labels"][POD_TEMPLATE_HASH] = hash.clone().into();
    let mut selector = spec["selector"].clone();
    selector["matchLabels"][POD_TEMPLATE_HASH] = hash.clone().into();
    let mut annotations = json!({
        DEPLOYMENT_REVISION: revision.to_string(),
        DEPLOYMENT_DESIRED_REPLICAS: spec["replicas"].as_i64().unwrap_or(1).to_string(),
        DEPLOYMENT_MAX_REPLICAS: max.to_string(),
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
                "annotations": { "note": "kept", DEPLOYMENT_REVISION: "7" } },
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
        let hash = set["metadata"]["labels"][POD_TEMPLATE_HASH].as_str().unwrap().to_owned();
        assert_eq!(set["metadata"]["name"], format!("web-{hash}"));
        assert_eq!(
            set["spec"]["selector"]["matchLabels"],
            json!({ "app": "web", POD_TEMPLATE_HASH: hash })
        );
        assert_eq!(set["spec"]["template"]["metadata"]["labels"][POD_TEMPLATE_HASH], hash);
        assert_eq!(set["metadata"]["annotations"]["note"], "kept");
        assert_eq!(set["metadata"]["annotations"][DEPLOYMENT_REVISION], "8");
        let other = replica_set(&deployment("one"), 8, 2, 4, 1);
        assert_ne!(set["metadata"]["name"], other["metadata"]["name"]);
    }
}
