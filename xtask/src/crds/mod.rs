//! The CustomResourceDefinitions of Knative's kinds, `manifests/crds/`.
//!
//! Names, short names, categories, columns and fields are Knative's; `status.routing` and the
//! PodAutoscaler's `status.decisions` are Rouse's. The part that embeds a Kubernetes pod is made
//! from the table of built-in kinds (`pod.rs`).

mod pod;
mod schemas;

use anyhow::Result;
use serde_json::{Value, json};

/// One generated file: its name under `manifests/crds/` and the object in it.
pub struct Crd {
    pub file: &'static str,
    pub object: Value,
}

/// The fields in which the kinds differ.
struct Kind {
    file: &'static str,
    group: &'static str,
    version: &'static str,
    kind: &'static str,
    short: &'static [&'static str],
    categories: &'static [&'static str],
    scope: &'static str,
    /// Knative's duck labels.
    ducks: &'static [&'static str],
    columns: &'static [Column],
    spec: Value,
    /// None where the kind has no status.
    status: Option<Value>,
}

/// Name, type and JSON path of a printer column.
type Column = (&'static str, &'static str, &'static str);

const SERVING: &str = "serving.knative.dev";
const PUBLIC: &[&str] = &["all", "knative", "serving"];
const ADDRESSABLE: &str = "duck.knative.dev/addressable";
const PODSPECABLE: &str = "duck.knative.dev/podspecable";

const URL: Column = ("URL", "string", ".status.url");
const LATEST_CREATED: Column = ("LatestCreated", "string", ".status.latestCreatedRevisionName");
const LATEST_READY: Column = ("LatestReady", "string", ".status.latestReadyRevisionName");
const READY: Column = ("Ready", "string", ".status.conditions[?(@.type=='Ready')].status");
const REASON: Column = ("Reason", "string", ".status.conditions[?(@.type=='Ready')].reason");

/// All CRDs, in the order in which they are created.
pub fn all() -> Result<Vec<Crd>> {
    let revision_spec = pod::revision_spec()?;
    let template = schemas::template(&revision_spec);
    let mut kinds = serving(&template, revision_spec);
    kinds.extend(internal());
    Ok(kinds.into_iter().map(render).collect())
}

fn serving(template: &Value, revision_spec: Value) -> Vec<Kind> {
    let kind = |file, kind, version, short, ducks, columns, spec, status| Kind {
        file,
        group: SERVING,
        version,
        kind,
        short,
        categories: PUBLIC,
        scope: "Namespaced",
        ducks,
        columns,
        spec,
        status: Some(status),
    };
    vec![
        kind(
            "service.yaml",
            "Service",
            "v1",
            &["kservice", "ksvc"],
            &[ADDRESSABLE, PODSPECABLE],
            &[URL, LATEST_CREATED, LATEST_READY, READY, REASON],
            schemas::object(json!({
                "template": template, "traffic": schemas::traffic(),
            })),
            schemas::service_status(),
        ),
        kind(
            "configuration.yaml",
            "Configuration",
            "v1",
            &["config", "cfg"],
            &[PODSPECABLE],
            &[LATEST_CREATED, LATEST_READY, READY, REASON],
            schemas::object(json!({ "template": template })),
            schemas::configuration_status(),
        ),
        kind(
            "revision.yaml",
            "Revision",
            "v1",
            &["rev"],
            &[],
            &[
                (
                    "Config Name",
                    "string",
                    r".metadata.labels['serving\.knative\.dev/configuration']",
                ),
                // A number, but in a label.
                (
                    "Generation",
                    "string",
                    r".metadata.labels['serving\.knative\.dev/configurationGeneration']",
                ),
                READY,
                REASON,
                ("Actual Replicas", "integer", ".status.actualReplicas"),
                ("Desired Replicas", "integer", ".status.desiredReplicas"),
            ],
            revision_spec,
            schemas::revision_status(),
        ),
        kind(
            "route.yaml",
            "Route",
            "v1",
            &["rt"],
            &[ADDRESSABLE],
            &[URL, READY, REASON],
            schemas::object(json!({ "traffic": schemas::traffic() })),
            schemas::route_status(),
        ),
        kind(
            "domainmapping.yaml",
            "DomainMapping",
            "v1beta1",
            &["dm"],
            &[],
            &[URL, READY, REASON],
            schemas::domain_mapping_spec(),
            schemas::domain_mapping_status(),
        ),
    ]
}

/// The kinds that users read but do not write.
fn internal() -> Vec<Kind> {
    vec![
        Kind {
            file: "podautoscaler.yaml",
            group: "autoscaling.internal.knative.dev",
            version: "v1alpha1",
            kind: "PodAutoscaler",
            short: &["kpa", "pa"],
            categories: &["knative-internal", "autoscaling"],
            scope: "Namespaced",
            ducks: &[],
            columns: &[
                ("DesiredScale", "integer", ".status.desiredScale"),
                ("ActualScale", "integer", ".status.actualScale"),
                READY,
                REASON,
            ],
            spec: schemas::pod_autoscaler_spec(),
            status: Some(schemas::pod_autoscaler_status()),
        },
        Kind {
            file: "clusterdomainclaim.yaml",
            group: "networking.internal.knative.dev",
            version: "v1alpha1",
            kind: "ClusterDomainClaim",
            short: &["cdc"],
            categories: &["knative-internal", "networking"],
            scope: "Cluster",
            ducks: &[],
            columns: &[],
            spec: schemas::required(&["namespace"], json!({ "namespace": { "type": "string" } })),
            status: None,
        },
    ]
}

fn render(kind: Kind) -> Crd {
    let Kind { file, group, version, kind, short, categories, scope, ducks, columns, spec, status } =
        kind;
    let singular = kind.to_lowercase();
    let plural = format!("{singular}s");
    let mut labels = json!({
        "app.kubernetes.io/name": "knative-serving",
        "knative.dev/crd-install": "true",
    });
    for duck in ducks {
        labels[*duck] = json!("true");
    }
    let mut properties = json!({
        "apiVersion": { "type": "string" },
        "kind": { "type": "string" },
        "metadata": { "type": "object" },
        "spec": spec,
    });
    if let Some(status) = status {
        properties["status"] = status;
    }
    let mut served = json!({
        "name": version,
        "served": true,
        "storage": true,
        "subresources": { "status": {} },
        "schema": { "openAPIV3Schema": schemas::object(properties) },
    });
    if !columns.is_empty() {
        served["additionalPrinterColumns"] = columns
            .iter()
            .map(|(name, type_, path)| json!({ "name": name, "type": type_, "jsonPath": path }))
            .collect();
    }
    let object = json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": { "name": format!("{plural}.{group}"), "labels": labels },
        "spec": {
            "group": group,
            "names": {
                "kind": kind,
                "plural": plural,
                "singular": singular,
                "shortNames": short,
                "categories": categories,
            },
            "scope": scope,
            "versions": [served],
        },
    });
    Crd { file, object }
}

#[cfg(test)]
mod tests;
