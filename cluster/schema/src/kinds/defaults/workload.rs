//! Defaults of Deployments, ReplicaSets and Services.

use serde_json::{Value, json};

use super::fields::{each, set, set_in, set_zero};
use super::pod;

pub(super) fn deployment(object: &mut Value) {
    let Some(spec) = object.get_mut("spec").filter(|s| s.is_object()) else { return };
    set(spec, "replicas", json!(1));
    set(spec, "revisionHistoryLimit", json!(10));
    set(spec, "progressDeadlineSeconds", json!(600));
    set_in(spec, "strategy", "type", json!("RollingUpdate"));
    if let Some(strategy) = spec.get_mut("strategy").filter(|s| s["type"] == "RollingUpdate") {
        set_in(strategy, "rollingUpdate", "maxUnavailable", json!("25%"));
        set_in(strategy, "rollingUpdate", "maxSurge", json!("25%"));
    }
    template(spec);
}

pub(super) fn replica_set(object: &mut Value) {
    let Some(spec) = object.get_mut("spec").filter(|s| s.is_object()) else { return };
    set(spec, "replicas", json!(1));
    template(spec);
}

fn template(spec: &mut Value) {
    if let Some(inner) =
        spec.get_mut("template").and_then(|t| t.get_mut("spec")).filter(|s| s.is_object())
    {
        pod::spec(inner);
    }
}

pub(super) fn service(object: &mut Value) {
    let Some(spec) = object.get_mut("spec").filter(|s| s.is_object()) else { return };
    set_zero(spec, "sessionAffinity", json!("None"));
    set_zero(spec, "type", json!("ClusterIP"));
    if spec["sessionAffinity"] == "ClientIP" {
        set(spec, "sessionAffinityConfig", json!({"clientIP": {"timeoutSeconds": 10_800}}));
    }
    for port in each(spec, "ports") {
        set_zero(port, "protocol", json!("TCP"));
        let number = port["port"].clone();
        set_zero(port, "targetPort", number);
    }
    let kind = spec["type"].as_str().unwrap_or_default().to_owned();
    if matches!(kind.as_str(), "NodePort" | "LoadBalancer") {
        set_zero(spec, "externalTrafficPolicy", json!("Cluster"));
    }
    if kind == "LoadBalancer" {
        set(spec, "allocateLoadBalancerNodePorts", json!(true));
    }
    if kind != "ExternalName" {
        set(spec, "internalTrafficPolicy", json!("Cluster"));
        set(spec, "ipFamilies", json!(["IPv4"]));
        set(spec, "ipFamilyPolicy", json!("SingleStack"));
    }
}
