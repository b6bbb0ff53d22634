//! Validation of built-in kinds, and of the metadata of all, in Kubernetes' words.
//!
//! A field that nothing here acts upon is not checked beyond its type.

mod container;
mod metadata;
mod names;
mod objects;
mod pod;
mod problems;
mod service;
#[cfg(test)]
mod tests;
mod workload;

use serde_json::Value;

use super::Resource;
use crate::structure::Invalid;
use problems::{Field, Problems};

/// The problems of an object; with `old`, also changes of immutable fields.
///
/// The object has its defaults. Custom resources are checked by their schema besides.
#[must_use]
pub fn check(resource: &Resource, object: &Value, old: Option<&Value>) -> Vec<Invalid> {
    let mut found = Problems::default();
    metadata::check(resource, object, old, &mut found);
    if resource.custom {
        return found.0;
    }
    let (root, before) = (Field::new(object, ""), old.map(|old| Field::new(old, "")));
    match (resource.group.as_str(), resource.kind.as_str()) {
        ("", "Pod") => pod::check(&root, before.as_ref(), &mut found),
        ("", "Service") => service::check(&root, before.as_ref(), &mut found),
        ("", "ConfigMap") => objects::config_map(&root, before.as_ref(), &mut found),
        ("", "Secret") => objects::secret(&root, before.as_ref(), &mut found),
        ("", "Endpoints") => objects::endpoints(&root, &mut found),
        ("", "Event") => objects::event(&root, &root.at("involvedObject"), &mut found),
        ("events.k8s.io", "Event") => objects::event(&root, &root.at("regarding"), &mut found),
        ("", "Namespace") => objects::namespace_finalizers(&root, &mut found),
        ("discovery.k8s.io", "EndpointSlice") => {
            objects::endpoint_slice(&root, before.as_ref(), &mut found);
        }
        ("coordination.k8s.io", "Lease") => objects::lease(&root, &mut found),
        ("apps", "Deployment") => workload::deployment(&root, before.as_ref(), &mut found),
        ("apps", "ReplicaSet") => workload::replica_set(&root, before.as_ref(), &mut found),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => {
            found.0.extend(super::crd::problems(object));
            if let Some(before) = &before {
                objects::crd_update(&root, before, &mut found);
            }
        }
        _ => {}
    }
    found.0
}

/// The problems of a Namespace's own finalizers.
#[must_use]
pub fn finalize(namespace: &Value) -> Vec<Invalid> {
    let mut found = Problems::default();
    objects::namespace_finalizers(&Field::new(namespace, ""), &mut found);
    found.0
}

/// The problems of a Scale.
#[must_use]
pub fn scale(object: &Value) -> Vec<Invalid> {
    let mut found = Problems::default();
    found.not_negative(&Field::new(object, "").at("spec").at("replicas"));
    found.0
}
