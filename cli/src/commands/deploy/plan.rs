//! From the existing Service and the flags to the Service to send. Pure.

use jiff::Timestamp;
use rouse_api::keys;
use rouse_k8s::Quantity;
use serde_json::{Map, Value, json};

use crate::args::{Deploy, Port};
use crate::outcome::{Failure, Result};

/// As `kn` does, so that the same tag deployed again makes a new revision.
const UPDATE_TIMESTAMP: &str = "client.knative.dev/updateTimestamp";

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
    let template = member(member(&mut service, "spec"), "template");
    let before = template.clone();
    annotations(template, args);
    for (map, changes) in [("labels", &args.label), ("annotations", &args.annotation)] {
        if !changes.is_empty() {
            let flag = map.trim_end_matches('s');
            pairs(member(member(template, "metadata"), map), flag, changes)?;
        }
    }
    container(template, args, image)?;
    if image.is_some_and(|image| existing.is_some() && !is_same_image(&before, image, is_ready)) {
        set_annotation(template, UPDATE_TIMESTAMP, Some(now.to_string()));
    }
    if before != *template {
        // A revision name in the template belongs to the existing revision.
        member(template, "metadata").as_object_mut().map(|m| m.remove("name"));
    }
    if !args.label.is_empty() {
        pairs(member(member(&mut service, "metadata"), "labels"), "label", &args.label)?;
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
    let status = &service["status"];
    let ready = status["conditions"].as_array().is_some_and(|all| {
        all.iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
    });
    ready && status["observedGeneration"] == service["metadata"]["generation"]
}

fn serving_now(service: &Value) -> Option<String> {
    service.pointer("/status/latestReadyRevisionName")?.as_str().map(str::to_owned)
}

/// The object under `name`, made if it is not there.
fn member<'a>(value: &'a mut Value, name: &str) -> &'a mut Value {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    let member = &mut value[name];
    if member.is_null() {
        *member = Value::Object(Map::new());
    }
    member
}

fn set_annotation(template: &mut Value, key: &str, value: Option<String>) {
    let annotations = member(member(template, "metadata"), "annotations");
    if let Some(value) = value {
        annotations[key] = value.into();
    }
}

fn annotations(template: &mut Value, args: &Deploy) {
    let texts = [
        (keys::TARGET, args.concurrency_target.map(|n| n.to_string())),
        (keys::MIN_SCALE, args.scale_min.map(|n| n.to_string())),
        (keys::MAX_SCALE, args.scale_max.map(|n| n.to_string())),
        (keys::WINDOW, args.scale_window.clone()),
    ];
    for (key, value) in texts {
        if value.is_some() {
            set_annotation(template, key, value);
        }
    }
}

fn container(template: &mut Value, args: &Deploy, image: Option<&str>) -> Result {
    let spec = member(template, "spec");
    if let Some(seconds) = args.timeout {
        spec["timeoutSeconds"] = seconds.into();
    }
    if let Some(limit) = args.concurrency_limit {
        spec["containerConcurrency"] = limit.into();
    }
    let Some(container) = serving_container(spec) else {
        return Err(Failure::new("the service has no container to change"));
    };
    if let Some(image) = image {
        container["image"] = image.into();
    }
    if let Some(Port { number, name }) = &args.port {
        container["ports"] = match name {
            Some(name) => json!([{ "containerPort": number, "name": name }]),
            None => json!([{ "containerPort": number }]),
        };
    }
    if !args.command.is_empty() {
        container["command"] = json!(args.command);
    }
    if !args.arg.is_empty() {
        container["args"] = json!(args.arg);
    }
    for (name, quantity) in [("cpu", &args.cpu), ("memory", &args.memory)] {
        if let Some(quantity) = quantity {
            checked(name, quantity)?;
            member(member(container, "resources"), "limits")[name] = quantity.as_str().into();
        }
    }
    if !args.set_env_vars.is_empty() {
        container["env"] = json!([]);
    }
    for changes in [&args.set_env_vars, &args.update_env_vars, &args.env] {
        environment(container, changes)?;
    }
    if let Some(account) = &args.service_account {
        spec["serviceAccountName"] = account.as_str().into();
    }
    Ok(())
}

/// Refuses an invalid quantity, with the right spelling where that can be told.
fn checked(name: &str, quantity: &str) -> Result {
    if Quantity::parse(quantity).is_ok() {
        return Ok(());
    }
    let failure = Failure::usage(format!("--{name} {quantity:?} is no quantity"));
    let number = quantity.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let suggested = match quantity[number.len()..].to_ascii_lowercase().as_str() {
        _ if number.parse::<f64>().is_err() => {
            return Err(failure.next("write for example 500m or 2, 256Mi or 1Gi"));
        }
        "kb" | "k" => format!("write {number}k or {number}Ki"),
        "mb" => format!("write {number}M or {number}Mi"),
        "gb" | "g" => format!("write {number}G or {number}Gi"),
        "tb" | "t" => format!("write {number}T or {number}Ti"),
        "kib" | "ki" => format!("write {number}Ki"),
        "mib" | "mi" => format!("write {number}Mi"),
        "gib" | "gi" => format!("write {number}Gi"),
        _ => "write for example 500m or 2, 256Mi or 1Gi".to_owned(),
    };
    Err(failure.next(suggested))
}

/// A change of one entry: NAME=VALUE, or NAME- to remove it.
enum Change<'a> {
    Set(&'a str, &'a str),
    Remove(&'a str),
}

fn change<'a>(flag: &str, text: &'a str) -> Result<Change<'a>> {
    if let Some((name, value)) = text.split_once('=').filter(|(name, _)| !name.is_empty()) {
        return Ok(Change::Set(name, value));
    }
    match text.strip_suffix('-').filter(|name| !name.is_empty()) {
        Some(name) => Ok(Change::Remove(name)),
        None => Err(Failure::usage(format!("--{flag} {text:?} is neither NAME=VALUE nor NAME-"))),
    }
}

/// Changes a map of texts.
fn pairs(map: &mut Value, flag: &str, changes: &[String]) -> Result {
    for text in changes {
        match change(flag, text)? {
            Change::Set(name, value) => map[name] = value.into(),
            Change::Remove(name) => {
                map.as_object_mut().map(|map| map.remove(name));
            }
        }
    }
    Ok(())
}

/// The container with a port, else the first.
fn serving_container(spec: &mut Value) -> Option<&mut Value> {
    let containers = spec["containers"].as_array_mut()?;
    let index = containers.iter().position(|c| c.get("ports").is_some()).unwrap_or(0);
    containers.get_mut(index)
}

fn environment(container: &mut Value, changes: &[String]) -> Result {
    for text in changes {
        if container["env"].is_null() {
            container["env"] = json!([]);
        }
        let Some(env) = container["env"].as_array_mut() else { continue };
        match change("env", text)? {
            Change::Set(name, value) => {
                let entry = json!({ "name": name, "value": value });
                match env.iter_mut().find(|e| e["name"] == name) {
                    Some(old) => *old = entry,
                    None => env.push(entry),
                }
            }
            Change::Remove(name) => env.retain(|e| e["name"] != name),
        }
    }
    Ok(())
}

fn traffic(service: &mut Value, args: &Deploy, serving_now: Option<&str>) -> Result {
    if !args.no_traffic && args.tag.is_none() {
        return Ok(());
    }
    let spec = member(service, "spec");
    let mut traffic: Vec<Value> = spec["traffic"].as_array().cloned().unwrap_or_default();
    if traffic.is_empty() {
        traffic.push(json!({ "latestRevision": true, "percent": 100 }));
    }
    if args.no_traffic {
        let Some(serving) = serving_now else {
            return Err(Failure::usage(
                "--no-traffic needs a revision that serves already, and there is none",
            ));
        };
        pin_latest(&mut traffic, serving);
    }
    if let Some(tag) = &args.tag {
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
