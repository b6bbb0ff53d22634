//! From the existing Service and the flags to the Service to send. Pure.

mod changes;
mod container;
mod json;
mod references;
mod volumes;

use jiff::Timestamp;
use rouse_api::member::texts;
use rouse_api::{Service, condition, keys};
use serde_json::{Value, json};

use self::changes::pairs;
use self::json::member;
use crate::args::{Deploy, Marks, Scale, Scaling, items};
use crate::outcome::{Failure, Result};

/// As `kn` does, so that the same tag deployed again makes a new revision.
const UPDATE_TIMESTAMP: &str = "client.knative.dev/updateTimestamp";

/// The member that anybody is.
const ALL_USERS: &str = "allUsers";

/// The whole object: a new one, or the existing one with the named parts changed.
pub(super) fn service(
    existing: Option<&kube::api::DynamicObject>,
    args: &Deploy,
    image: Option<&str>,
    now: Timestamp,
) -> Result<Value> {
    let mut service = match existing {
        Some(object) => serde_json::to_value(object)
            .map_err(|e| Failure::new("cannot read the service").because(e))?,
        None => json!({
            "apiVersion": "serving.knative.dev/v1", "kind": "Service",
            "metadata": { "name": args.name }, "spec": { "template": { "spec": { "containers": [{}] } } }
        }),
    };
    let (serving_now, is_ready) = (serving_now(&service), is_ready(&service));
    if let Some(service) = service.as_object_mut() {
        service.remove("status");
    }
    let before = member(member(&mut service, "spec"), "template").clone();
    labels(&mut service, &args.marks)?;
    callers(&mut service, &args.marks)?;
    let template = member(member(&mut service, "spec"), "template");
    annotations(template, &args.scaling);
    let changes = &args.marks.annotation;
    if !changes.is_empty() {
        pairs(member(member(template, "metadata"), "annotations"), "annotation", changes)?;
    }
    container::apply(member(template, "spec"), args, image)?;
    if image.is_some_and(|image| existing.is_some() && !is_same_image(&before, image, is_ready)) {
        set_annotation(template, UPDATE_TIMESTAMP, Some(now.to_string()));
    }
    if before != *template {
        // A revision name in the template belongs to the existing revision.
        member(template, "metadata").as_object_mut().map(|m| m.remove("name"));
    }
    if let Some(name) = revision_name(args) {
        member(template, "metadata")["name"] = name.into();
    }
    traffic(&mut service, args, serving_now.as_deref())?;
    Ok(service)
}

/// Whether the plan is the service as it is. A plan keeps all that it does not change.
pub(super) fn is_unchanged(existing: &kube::api::DynamicObject, planned: &Value) -> bool {
    let mut existing = serde_json::to_value(existing).unwrap_or_default();
    if let Some(service) = existing.as_object_mut() {
        service.remove("status");
    }
    existing == *planned
}

/// Whether a service runs this image already. A tag may mean another image by now, and an image that
/// did not become ready is tried again.
fn is_same_image(template: &Value, image: &str, is_ready: bool) -> bool {
    let containers = template["spec"]["containers"].as_array();
    let runs =
        containers.is_some_and(|all| all.iter().any(|container| container["image"] == image));
    is_ready && runs && image.contains("@sha256:")
}

fn is_ready(service: &Value) -> bool {
    let typed: Option<Service> = serde_json::from_value(service.clone()).ok();
    typed.is_some_and(|Service { metadata, status, .. }| {
        let status = status.unwrap_or_default();
        condition::is_ready(&status.conditions, status.observed_generation, metadata.generation)
    })
}

fn serving_now(service: &Value) -> Option<String> {
    service.pointer("/status/latestReadyRevisionName")?.as_str().map(str::to_owned)
}

fn set_annotation(template: &mut Value, key: &str, value: Option<String>) {
    if let Some(value) = value {
        member(member(template, "metadata"), "annotations")[key] = value.into();
    }
}

fn annotations(template: &mut Value, scaling: &Scaling) {
    let range = scaling.scale.unwrap_or(Scale { min: scaling.scale_min, max: scaling.scale_max });
    let number = |n: Option<u32>| n.map(|n| n.to_string());
    let texts = [
        (keys::TARGET, scaling.concurrency_target.map(|n| n.to_string())),
        (keys::MIN_SCALE, number(range.min)),
        (keys::MAX_SCALE, number(range.max)),
        (keys::INITIAL_SCALE, number(scaling.scale_init)),
        (keys::ACTIVATION_SCALE, number(scaling.scale_activation)),
        (keys::METRIC, scaling.scale_metric.clone()),
        (keys::TARGET_UTILIZATION, scaling.scale_utilization.map(|n| n.to_string())),
        (keys::WINDOW, scaling.scale_window.clone()),
    ];
    for (key, value) in texts {
        set_annotation(template, key, value);
    }
}

/// The labels of the service and of its revisions, and whether it has a public host.
fn labels(service: &mut Value, marks: &Marks) -> Result {
    let mut changes = items(&marks.labels);
    changes.extend(marks.label.iter().cloned());
    changes.extend(items(&marks.remove_labels).iter().map(|name| format!("{name}-")));
    if !changes.is_empty() {
        pairs(member(member(service, "metadata"), "labels"), "label", &changes)?;
        let template = member(member(service, "spec"), "template");
        pairs(member(member(template, "metadata"), "labels"), "label", &changes)?;
    }
    let visibility = if marks.cluster_local {
        format!("{}={}", keys::VISIBILITY, keys::VISIBILITY_CLUSTER_LOCAL)
    } else if marks.no_cluster_local || marks.ingress.as_deref() == Some("all") {
        format!("{}-", keys::VISIBILITY)
    } else {
        return Ok(());
    };
    // A label of the service alone: it makes no new revision.
    pairs(member(member(service, "metadata"), "labels"), "label", &[visibility])
}

/// From where the service is reached, and whether anybody may call. Annotations of the service alone.
fn callers(service: &mut Value, marks: &Marks) -> Result {
    let mut changes = Vec::new();
    let annotations = &service["metadata"]["annotations"];
    let members: Option<Vec<String>> =
        annotations[keys::INVOKERS].as_str().map(|list| texts(list).map(str::to_owned).collect());
    let has_ingress = !annotations[keys::INGRESS].is_null();
    match marks.ingress.as_deref() {
        Some("all") if has_ingress => changes.push(format!("{}-", keys::INGRESS)),
        None | Some("all") => {}
        Some(ingress) => changes.push(format!("{}={ingress}", keys::INGRESS)),
    }
    if marks.no_allow_unauthenticated {
        let mut members = members.unwrap_or_default();
        members.retain(|member| member != ALL_USERS);
        changes.push(format!("{}={}", keys::INVOKERS, members.join(",")));
    } else if let Some(mut members) = members.filter(|_| marks.allow_unauthenticated) {
        members.retain(|member| member != ALL_USERS);
        members.push(ALL_USERS.to_owned());
        // Alone, it is what no annotation means.
        changes.push(match members.len() {
            1 => format!("{}-", keys::INVOKERS),
            _ => format!("{}={}", keys::INVOKERS, members.join(",")),
        });
    }
    if changes.is_empty() {
        return Ok(());
    }
    pairs(member(member(service, "metadata"), "annotations"), "annotation", &changes)
}

/// The name of the new revision, if the user gives one.
fn revision_name(args: &Deploy) -> Option<String> {
    let suffix = args.release.revision_suffix.as_deref();
    let with_suffix = suffix.map(|suffix| format!("{}-{suffix}", args.name));
    args.release.revision_name.clone().or(with_suffix)
}

fn traffic(service: &mut Value, args: &Deploy, serving_now: Option<&str>) -> Result {
    if !args.release.no_traffic && args.release.tag.is_none() {
        return Ok(());
    }
    let spec = member(service, "spec");
    let mut traffic: Vec<Value> = spec["traffic"].as_array().cloned().unwrap_or_default();
    if traffic.is_empty() {
        traffic.push(json!({ "latestRevision": true, "percent": 100 }));
    }
    if args.release.no_traffic {
        let Some(serving) = serving_now else {
            return Err(Failure::usage(
                "--no-traffic needs a revision that serves already, and there is none",
            ));
        };
        pin_latest(&mut traffic, serving);
    }
    if let Some(tag) = &args.release.tag {
        traffic.retain(|t| t["tag"] != tag.as_str() || t["percent"].as_i64().unwrap_or(0) > 0);
        for target in &mut traffic {
            if target["tag"] == tag.as_str() {
                target.as_object_mut().map(|t| t.remove("tag"));
            }
        }
        traffic.push(json!({ "latestRevision": true, "percent": 0, "tag": tag }));
    }
    spec["traffic"] = traffic.into();
    Ok(())
}

/// The service with a tag moved from `@latest` to the latest revision's name; `None` if `@latest` does not have it.
pub(super) fn tag_by_name(
    service: &kube::api::DynamicObject,
    tag: &str,
) -> Option<kube::api::DynamicObject> {
    let status = service.data.get("status")?;
    let latest = status.get("latestCreatedRevisionName")?.as_str()?.to_owned();
    let mut service = service.clone();
    let traffic = service.data.pointer_mut("/spec/traffic")?.as_array_mut()?;
    let target = traffic.iter_mut().find(|target| target["tag"] == tag)?;
    if target["latestRevision"] != true {
        return None;
    }
    target["latestRevision"] = false.into();
    target["revisionName"] = latest.into();
    Some(service)
}

/// Requests that went to the latest revision stay with the revision that serves them now.
fn pin_latest(traffic: &mut [Value], serving: &str) {
    for target in traffic {
        let latest = target["latestRevision"] == true || target["revisionName"].is_null();
        if latest && target["percent"].as_i64().unwrap_or(0) > 0 {
            target["latestRevision"] = false.into();
            target["revisionName"] = serving.into();
        }
    }
}

#[cfg(test)]
mod tests;
