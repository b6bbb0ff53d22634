//! The greatest and the least numbers that users can write, in every field, annotation and setting
//! that holds one: through defaulting and validation, all reconcilers, and the autoscaler's decision.
//!
//! Whether admission refuses a value or not, nothing may panic, and what is planned stays within what
//! Kubernetes and the user's own bounds allow.

mod numbers;
mod observed;
mod scaling;
mod world;

use std::collections::{BTreeMap, BTreeSet};

use kube::core::DynamicObject;
use kube::core::admission::{AdmissionRequest, AdmissionResponse};
use rouse_api::PodAutoscaler;
use rouse_api::config::ApiConfig;
use rouse_api::keys;
use rouse_kit::panics::catch;
use serde_json::{Value, json};

use self::world::World;
use crate::admission;

/// How one extreme value was handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    /// The kind's types cannot hold it.
    Unreadable,
    /// Admission refuses it.
    Refused,
    /// It was reconciled.
    Admitted,
}

/// Counts of cases, and whatever went wrong in them.
#[derive(Default)]
struct Report {
    outcomes: BTreeMap<Outcome, usize>,
    problems: Vec<String>,
    /// PodAutoscalers that were scaled already: most values change nothing for the autoscaler.
    scaled: BTreeSet<String>,
}

impl Report {
    fn case(
        &mut self,
        what: &str,
        run: impl FnOnce(&mut BTreeSet<String>) -> Result<Outcome, String>,
    ) {
        match catch(|| run(&mut self.scaled)) {
            Ok(Ok(outcome)) => *self.outcomes.entry(outcome).or_default() += 1,
            Ok(Err(problem)) => self.problems.push(format!("{what}: {problem}")),
            Err(panicked) => self.problems.push(format!("{what}: {panicked}")),
        }
    }

    fn finish(self, of: &str, at_least: usize) {
        let count: usize = self.outcomes.values().sum();
        println!("extremes of {of}: {count} cases, {:?}", self.outcomes);
        assert!(self.problems.is_empty(), "{}", self.problems.join("\n"));
        assert!(count >= at_least, "only {count} cases");
        assert!(self.outcomes.contains_key(&Outcome::Admitted), "everything was refused");
    }
}

fn request(kind: &str, object: &Value) -> Option<AdmissionRequest<DynamicObject>> {
    let version = if kind == "DomainMapping" { "v1beta1" } else { "v1" };
    let group = json!({ "group": keys::SERVING_GROUP, "version": version, "kind": kind });
    let resource = json!({ "group": keys::SERVING_GROUP, "version": version, "resource": "" });
    let request = json!({
        "uid": "7", "kind": group, "resource": resource, "operation": "CREATE",
        "name": object["metadata"]["name"], "namespace": object["metadata"]["namespace"],
        "userInfo": { "username": "alice" }, "object": object, "dryRun": false,
    });
    serde_json::from_value(request).ok()
}

fn patched(mut object: Value, response: &AdmissionResponse) -> Value {
    if let Some(patch) = &response.patch {
        let patch: json_patch::Patch = serde_json::from_slice(patch).unwrap();
        json_patch::patch(&mut object, &patch).unwrap();
    }
    object
}

/// Admission first, then everything that would happen after it, whatever admission said.
fn through(
    kind: &str,
    object: Value,
    config: &ApiConfig,
    scaled: &mut BTreeSet<String>,
) -> Result<Outcome, String> {
    let Some(asked) = request(kind, &object) else { return Ok(Outcome::Unreadable) };
    let response = admission::mutate(&asked, config);
    let object = patched(object, &response);
    let Some(asked) = request(kind, &object) else { return Ok(Outcome::Unreadable) };
    let admitted = response.allowed && admission::validate(&asked, config).allowed;
    let mut world = World::new(config.clone());
    if !world.put(kind, object) {
        return Ok(Outcome::Unreadable);
    }
    world.reconcile();
    world.check()?;
    for autoscaler in world.autoscalers() {
        let PodAutoscaler { metadata, spec, .. } = &autoscaler;
        let pod = (spec.container_concurrency, &spec.reachability, &metadata.annotations);
        let by = (pod, &config.autoscaler, config.deployment.progress_deadline);
        if scaled.insert(format!("{by:?}")) {
            scaling::check(&autoscaler, config)?;
        }
    }
    Ok(if admitted { Outcome::Admitted } else { Outcome::Refused })
}

fn template() -> Value {
    json!({
        "metadata": { "annotations": {}, "labels": {} },
        "spec": { "containers": [{ "name": "user-container", "image": "dev.local/hello" }] },
    })
}

fn base(kind: &str) -> Value {
    let version = if kind == "DomainMapping" { "v1beta1" } else { "v1" };
    let spec = match kind {
        "Service" | "Configuration" => json!({ "template": template() }),
        "Revision" => template()["spec"].clone(),
        "Route" => json!({ "traffic": [{ "configurationName": "hello", "percent": 100 }] }),
        _ => json!({ "ref": {
            "apiVersion": "serving.knative.dev/v1", "kind": "Service", "name": "hello",
        } }),
    };
    json!({
        "apiVersion": format!("{}/{version}", keys::SERVING_GROUP),
        "kind": kind,
        "metadata": {
            "name": if kind == "DomainMapping" { "hello.example.org" } else { "hello" },
            "namespace": "shop", "uid": "u-1", "resourceVersion": "1", "generation": 1,
            "annotations": {}, "labels": {},
        },
        "spec": spec,
    })
}

/// If this fails, the tests below show little.
#[tokio::test]
async fn a_plain_service_becomes_ready() {
    let mut world = World::new(ApiConfig::default());
    world.put("Service", base("Service"));
    world.reconcile();
    assert!(world.is_ready("/v1 Revision") && world.is_ready("/v1 Route"));
    assert!(world.is_ready("/v1 Service") && !world.autoscalers().is_empty());
}

#[tokio::test]
async fn extremes_in_any_field_are_reconciled_or_refused() {
    let config = ApiConfig::default();
    let mut report = Report::default();
    for kind in ["Service", "Configuration", "Revision", "Route", "DomainMapping"] {
        for field in numbers::fields(kind) {
            for value in numbers::values(kind) {
                let object = field.set(base(kind), &value);
                report.case(&format!("{kind} {field} = {value}"), |scaled| {
                    through(kind, object, &config, scaled)
                });
            }
        }
    }
    report.finish("fields", 2000);
}

#[tokio::test]
async fn extremes_in_any_annotation_are_reconciled_or_refused() {
    let config = ApiConfig::default();
    let mut report = Report::default();
    let annotations: Vec<&str> = rouse_api::annotations::AUTOSCALING
        .into_iter()
        .chain([
            rouse_api::annotations::ROLLOUT_DURATION,
            rouse_api::annotations::PROGRESS_DEADLINE,
        ])
        .flat_map(|key| [Some(key.name), key.old])
        .flatten()
        .chain([keys::QUEUE_LIMIT, keys::ROUTING_STATE_MODIFIED])
        .collect();
    // A Configuration hands the annotations of its template on as a Service does.
    for kind in ["Service", "Revision"] {
        for annotation in &annotations {
            for text in numbers::texts() {
                let mut object = base(kind);
                let metadata = match kind {
                    "Revision" => &mut object["metadata"],
                    _ => &mut object["spec"]["template"]["metadata"],
                };
                metadata["annotations"][*annotation] = json!(text);
                let what = format!("{kind} {annotation}={text}");
                report.case(&what, |scaled| through(kind, object, &config, scaled));
            }
        }
    }
    report.finish("annotations", 1000);
}

#[tokio::test]
async fn extremes_in_any_setting_are_reconciled_or_refused() {
    let mut report = Report::default();
    for (name, key) in numbers::settings() {
        for text in numbers::texts() {
            let mut config = ApiConfig::default();
            let data = [(key.clone(), text.to_owned())].into();
            report.case(&format!("{name} {key}={text}"), |scaled| {
                if config.apply(name, &data).is_err() {
                    return Ok(Outcome::Refused);
                }
                through("Service", base("Service"), &config, scaled)?;
                Ok(Outcome::Admitted)
            });
        }
    }
    report.finish("settings", 500);
}
