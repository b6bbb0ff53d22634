//! Pods: their service account must exist, and they are stopped before they are removed.
//!
//! Upstream: `pkg/registry/core/pod/strategy.go`, `plugin/pkg/admission/serviceaccount`.

use serde_json::Value;

use super::rules::{PLAIN, Strategy};
use crate::store::{Key, Store};

/// The default of `terminationGracePeriodSeconds`.
const GRACE: i64 = 30;

pub(super) const STRATEGY: Strategy = Strategy {
    generation: true,
    pod_annotations: Some("/metadata/annotations"),
    forbids: |registry, namespace, pod| account_problem(&registry.store, namespace, &pod["spec"]),
    grace_seconds,
    ..PLAIN
};

/// Only a pod that is on a node and has not ended has a grace period.
fn grace_seconds(pod: &Value, asked: Option<i64>) -> i64 {
    let placed = pod["spec"]["nodeName"].as_str().is_some_and(|node| !node.is_empty());
    let ended = matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
    if !placed || ended {
        return 0;
    }
    let own = pod["spec"]["terminationGracePeriodSeconds"].as_i64().unwrap_or(GRACE);
    let seconds = asked.unwrap_or(own);
    // A negative number means one second.
    if seconds < 0 { 1 } else { seconds }
}

/// Why a pod of this `spec` would be forbidden: its service account must exist.
///
/// Every namespace has `default`, or is about to get it.
pub fn account_problem(store: &Store, namespace: &str, spec: &Value) -> Option<String> {
    let name = spec["serviceAccountName"].as_str().unwrap_or_default();
    if matches!(name, "" | "default") {
        return None;
    }
    if store.get(&Key::new("serviceaccounts", namespace, name)).is_some() {
        return None;
    }
    Some(format!(
        "error looking up service account {namespace}/{name}: serviceaccount \"{name}\" not found"
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_a_pod_on_a_node_that_has_not_ended_gets_a_grace_period() {
        let pod = |node: &str, phase: &str, own: i64| {
            json!({ "spec": { "nodeName": node, "terminationGracePeriodSeconds": own },
                "status": { "phase": phase } })
        };
        for (pod, asked, expected) in [
            (pod("n", "Running", 7), None, 7),
            (pod("n", "Running", 7), Some(2), 2),
            (pod("n", "Running", 7), Some(-5), 1),
            (pod("n", "Running", -5), None, 1),
            (pod("n", "Running", i64::MAX), None, i64::MAX),
            (pod("n", "Failed", 7), None, 0),
            (pod("", "Pending", 7), Some(5), 0),
            (json!({ "spec": { "nodeName": "n" } }), None, 30),
        ] {
            assert_eq!(grace_seconds(&pod, asked), expected, "{pod} {asked:?}");
        }
    }
}
