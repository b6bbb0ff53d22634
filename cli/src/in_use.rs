//! Which objects of a cluster refer to which images.

use kube::Client;
use kube::api::{Api, DynamicObject, ListParams, ResourceExt};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::Value;

use crate::outcome::{Result, refused};

/// Kinds whose objects run images, or are about to.
const KINDS: [(&str, &str, &str); 8] = [
    ("serving.knative.dev", "v1", "Service"),
    ("serving.knative.dev", "v1", "Configuration"),
    ("serving.knative.dev", "v1", "Revision"),
    ("apps", "v1", "Deployment"),
    ("apps", "v1", "ReplicaSet"),
    ("apps", "v1", "StatefulSet"),
    ("batch", "v1", "Job"),
    ("", "v1", "Pod"),
];

/// One reference to an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Use {
    /// `NAMESPACE/NAME` of the Revision; of other objects only when no Revision stands for them.
    pub(crate) by: Option<String>,
    /// `NAME@DIGEST`, or a name.
    pub(crate) reference: String,
}

/// Every reference to an image in the cluster.
pub(crate) async fn of_cluster(client: &Client) -> Result<Vec<Use>> {
    let mut uses = Vec::new();
    for (group, version, kind) in KINDS {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
        match api.list(&ListParams::default()).await {
            Ok(list) => uses.extend(list.items.iter().flat_map(|object| of_object(kind, object))),
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            // A list that is not whole would take used images for unused ones.
            Err(error) => return Err(refused(&error, &format!("list {kind}s"))),
        }
    }
    Ok(uses)
}

fn of_object(kind: &str, object: &DynamicObject) -> Vec<Use> {
    let mut references = Vec::new();
    walk(&object.data, &mut references);
    // A Revision runs what it is pinned to: its names may mean newer images by now.
    if kind == "Revision" && references.iter().any(|reference| reference.contains('@')) {
        references.retain(|reference| reference.contains('@'));
    }
    let stands = match kind {
        "Revision" => true,
        "Service" | "Configuration" => false,
        _ => object.metadata.owner_references.iter().flatten().next().is_none(),
    };
    let by = stands.then(|| {
        format!(
            "{}/{}",
            object.metadata.namespace.as_deref().unwrap_or_default(),
            object.name_any()
        )
    });
    references.into_iter().map(|reference| Use { by: by.clone(), reference }).collect()
}

/// All images in a spec or a status, wherever they stand.
fn walk(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                match value.as_str() {
                    Some(text) if matches!(key.as_str(), "image" | "imageDigest" | "imageID") => {
                        if !text.is_empty() && !found.iter().any(|known| known == text) {
                            found.push(text.to_owned());
                        }
                    }
                    _ => walk(value, found),
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|value| walk(value, found)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn uses(kind: &str, object: Value) -> Vec<(Option<String>, String)> {
        let object: DynamicObject = serde_json::from_value(object).unwrap();
        let uses = of_object(kind, &object);
        uses.into_iter().map(|u| (u.by, u.reference)).collect()
    }

    #[test]
    fn images_of_all_containers_count_and_so_do_the_digests_of_a_revision() {
        let revision = json!({
            "metadata": { "namespace": "a", "name": "shop-00001" },
            "spec": { "containers": [{ "image": "shop" }], "initContainers": [{ "image": "init:1" }] }
        });
        let by = Some("a/shop-00001".to_owned());
        let expected = ["init:1", "shop"].map(|r| (by.clone(), r.to_owned()));
        let mut found = uses("Revision", revision.clone());
        found.sort();
        assert_eq!(found, expected);
        let mut pinned = revision;
        pinned["status"] = json!({ "containerStatuses": [{ "imageDigest": "shop@sha256:1" }] });
        assert_eq!(uses("Revision", pinned), [(by, "shop@sha256:1".to_owned())]);
    }

    #[test]
    fn a_pod_of_a_revision_is_not_named_beside_it_and_one_of_its_own_is() {
        let pod = |owners: Value| {
            json!({
                "metadata": { "namespace": "a", "name": "p", "ownerReferences": owners },
                "spec": { "containers": [{ "image": "shop" }] }
            })
        };
        let owner =
            json!([{ "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "r", "uid": "1" }]);
        assert_eq!(uses("Pod", pod(owner)), [(None, "shop".to_owned())]);
        assert_eq!(uses("Pod", pod(json!([]))), [(Some("a/p".to_owned()), "shop".to_owned())]);
    }
}
