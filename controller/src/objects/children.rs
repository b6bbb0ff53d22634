//! Common to all children: owner references, copied labels and annotations.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::ObjectMeta;
use kube::{Resource, ResourceExt};
use rouse_api::keys;

pub(crate) type Map = BTreeMap<String, String>;

/// Both spellings of the rollout duration's annotation.
pub(crate) const ROLLOUT_DURATIONS: [&str; 2] =
    [keys::ROLLOUT_DURATION, "serving.knative.dev/rolloutDuration"];

/// Name, namespace and owner of a child of `owner`.
pub(crate) fn meta<O>(owner: &O, name: &str, labels: Map, annotations: Map) -> ObjectMeta
where
    O: Resource<DynamicType = ()>,
{
    ObjectMeta {
        name: Some(name.to_owned()),
        namespace: owner.meta().namespace.clone(),
        labels: Some(labels),
        annotations: Some(annotations),
        owner_references: Some(vec![owner_reference(owner)]),
        ..ObjectMeta::default()
    }
}

/// `owner` as the controller of a child.
pub(crate) fn owner_reference<O: Resource<DynamicType = ()>>(owner: &O) -> OwnerReference {
    OwnerReference {
        api_version: O::api_version(&()).into_owned(),
        kind: O::kind(&()).into_owned(),
        name: owner.meta().name.clone().unwrap_or_default(),
        uid: owner.meta().uid.clone().unwrap_or_default(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }
}

/// The labels of `object` without those named.
pub(crate) fn labels_without<K: Resource>(object: &K, without: &[&str]) -> Map {
    filtered(object.labels(), without)
}

/// The annotations of `object` without those named.
pub(crate) fn annotations_without<K: Resource>(object: &K, without: &[&str]) -> Map {
    filtered(object.annotations(), without)
}

/// A map of labels or annotations without those named.
pub(crate) fn filtered(map: &Map, without: &[&str]) -> Map {
    map.iter()
        .filter(|(key, _)| !without.contains(&key.as_str()))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

/// `There is an existing Route "hello" that we do not own.`
pub(crate) fn not_owned(kind: &str, name: &str) -> String {
    format!("There is an existing {kind} {name:?} that we do not own.")
}
