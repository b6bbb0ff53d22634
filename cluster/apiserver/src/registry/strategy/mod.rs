//! The rules for writes that differ by kind.

mod custom;
mod definition;
mod namespace;
mod pod;
mod rules;
mod service;
mod workload;

use rouse_schema::kinds::Resource;

pub use self::pod::account_problem;
pub(super) use self::rules::{Followup, Strategy};

/// The rules of a resource's kind.
pub(super) fn of(resource: &Resource) -> &'static Strategy {
    if resource.custom {
        return &custom::STRATEGY;
    }
    match (resource.group.as_str(), resource.kind.as_str()) {
        ("", "Pod") => &pod::STRATEGY,
        ("", "Namespace") => &namespace::STRATEGY,
        ("", "Service") => &service::STRATEGY,
        ("apps", "Deployment" | "ReplicaSet") => &workload::TEMPLATED,
        ("apps" | "batch" | "policy", _)
        | ("", "ReplicationController")
        | ("networking.k8s.io", "Ingress" | "NetworkPolicy") => &workload::STRATEGY,
        ("apiextensions.k8s.io", "CustomResourceDefinition") => &definition::STRATEGY,
        _ => &rules::PLAIN,
    }
}
