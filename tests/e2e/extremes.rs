//! Extreme numbers in manifests: each is refused or harmless, and harms no other Service.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::ensure;
use rouse_tests::wait;
use serde_json::json;

use crate::fixtures::{IMAGE, platform, service};

/// Numbers at which arithmetic goes wrong, as they are written in a manifest.
const EXTREMES: [&str; 8] = [
    "-9223372036854775808",
    "-1",
    "0",
    "2147483647",
    "2147483648",
    "9223372036854775807",
    "9223372036854775808",
    "1e99",
];

/// Fields of a Knative Service's template, as YAML with `#` for the number.
const SERVICE: [&str; 9] = [
    "metadata: {annotations: {autoscaling.knative.dev/target: \"#\"}}\n    spec: {",
    "metadata: {annotations: {autoscaling.knative.dev/max-scale: \"#\"}}\n    spec: {",
    "metadata: {annotations: {autoscaling.knative.dev/window: \"#s\"}}\n    spec: {",
    "metadata: {annotations: {autoscaling.knative.dev/scale-down-delay: \"#s\"}}\n    spec: {",
    "metadata: {annotations: {rouse.dev/queue-limit: \"#\"}}\n    spec: {",
    "spec: {containerConcurrency: #, ",
    "spec: {timeoutSeconds: #, ",
    "spec: {idleTimeoutSeconds: #, ",
    "spec: {responseStartTimeoutSeconds: #, ",
];

/// Fields of a Service's container.
const CONTAINER: [&str; 6] = [
    "ports: [{containerPort: #}]",
    "resources: {limits: {memory: \"#\"}}",
    "resources: {requests: {cpu: \"#\"}}",
    "readinessProbe: {httpGet: {path: /}, periodSeconds: #}",
    "readinessProbe: {httpGet: {path: /}, initialDelaySeconds: #, failureThreshold: #}",
    "readinessProbe: {tcpSocket: {port: 0}, timeoutSeconds: #}",
];

/// Fields of a Deployment, outside and inside of its pods.
const DEPLOYMENT: [&str; 5] = [
    "minReadySeconds: #, replicas: 1",
    "progressDeadlineSeconds: #, replicas: 1",
    "revisionHistoryLimit: #, replicas: 1",
    "replicas: 1, strategy: {rollingUpdate: {maxSurge: \"#%\"}}",
    "replicas: 1, strategy: {rollingUpdate: {maxUnavailable: #}}",
];
const POD: [&str; 3] = [
    "terminationGracePeriodSeconds: #",
    "activeDeadlineSeconds: #",
    "tolerations: [{key: k, operator: Exists, effect: NoExecute, tolerationSeconds: #}]",
];

fn deployment(name: &str, fields: &str, pod: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}, annotations: {{deployment.kubernetes.io/revision: \"9223372036854775807\"}}}}\nspec:\n  {{{fields}, selector: {{matchLabels: {{app: {name}}}}}, template: {{metadata: {{labels: {{app: {name}}}}}, spec: {{{pod} containers: [{{name: c, image: {IMAGE}}}]}}}}}}\n---\n"
    )
}

/// One manifest for each field and number, each with a name of its own.
fn manifests() -> Vec<(String, String)> {
    let mut all = Vec::new();
    for (number, text) in EXTREMES.iter().enumerate() {
        let mut add = |kind: &str, name: String, manifest: String| {
            all.push((format!("{kind}/{name}"), manifest.replace('#', text)));
        };
        for (field, template) in SERVICE.iter().enumerate() {
            let name = format!("s{field}x{number}");
            let manifest = format!(
                "apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {{name: {name}}}\nspec:\n  template:\n    {template}containers: [{{image: {IMAGE}}}]}}\n---\n"
            );
            add("ksvc", name, manifest);
        }
        for (field, container) in CONTAINER.iter().enumerate() {
            let name = format!("c{field}x{number}");
            let manifest = format!(
                "apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {{name: {name}}}\nspec:\n  template:\n    spec: {{containers: [{{image: {IMAGE}, {container}}}]}}\n---\n"
            );
            add("ksvc", name, manifest);
        }
        for (field, fields) in DEPLOYMENT.iter().enumerate() {
            let name = format!("d{field}x{number}");
            let manifest = deployment(&name, fields, "");
            add("deployment", name, manifest);
        }
        for (field, pod) in POD.iter().enumerate() {
            let name = format!("p{field}x{number}");
            let manifest = deployment(&name, "replicas: 1", &format!("{pod},"));
            add("deployment", name, manifest);
        }
    }
    all
}

#[test]
fn kubectl_applies_extreme_numbers_and_a_neighbour_still_scales() -> anyhow::Result<()> {
    let platform = platform()?;
    let kubectl = platform.kubectl();
    let window = [("autoscaling.knative.dev/window", "6s")];
    kubectl.apply(&service("neighbour", &[], &window))?;
    kubectl.run("wait --for=condition=Ready --timeout=60s ksvc/neighbour")?;
    ensure!(platform.get("neighbour", "/")?.status == 200);

    let manifests = manifests();
    let mut whole = String::new();
    for (_, manifest) in &manifests {
        write!(whole, "{manifest}")?;
    }
    // Some are refused, and kubectl goes on with the next.
    let applied = kubectl.try_run(&["apply", "-f", "-"], &whole)?;
    let taken: Vec<&str> = manifests
        .iter()
        .map(|(name, _)| name.as_str())
        .filter(|name| {
            let plain = name.split('/').next_back().unwrap_or_default();
            applied.stdout.contains(&format!("/{plain} created"))
        })
        .collect();
    ensure!(taken.len() > 20 && taken.len() < manifests.len(), "{applied:?}");
    ensure!(!applied.stderr.contains("InternalError"), "{}", applied.stderr);
    // Deleted while they start, so that the arithmetic of termination runs too.
    let scaled = [&["scale", "--replicas=0", "deployment", "--all"][..]].concat();
    kubectl.try_run(&scaled, "")?;
    let mut deleted = vec!["delete", "--wait=false"];
    deleted.extend(taken.iter().copied());
    kubectl.try_run(&deleted, "")?;

    wait::until("zero pods of the neighbour", Duration::from_secs(90), || {
        let selector = "-l serving.knative.dev/service=neighbour";
        let pods = kubectl.run(&format!("get pods -o name {selector}"));
        match pods.map_err(|error| format!("{error:#}"))? {
            none if none.is_empty() => Ok(()),
            some => Err(some),
        }
    })?;
    ensure!(platform.get("neighbour", "/")?.status == 200, "it comes back");
    let health = platform.status()?["health"].clone();
    ensure!(health["ready"] == json!(true), "{health}");
    for task in health["tasks"].as_array().into_iter().flatten() {
        ensure!(task["panics"].as_u64().unwrap_or(0) == 0, "{task}\n{}", platform.log());
    }
    println!("{} manifests, {} of them taken", manifests.len(), taken.len());
    Ok(())
}
