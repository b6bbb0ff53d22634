//! From the existing Service and the flags to the Service to send. Pure.

use jiff::Timestamp;
use rouse_api::keys;
use serde_json::{Map, Value, json};

use crate::args::Deploy;
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
    let serving_now = serving_now(&service);
    if let Some(service) = service.as_object_mut() {
        service.remove("status");
    }
    let template = member(member(&mut service, "spec"), "template");
    let before = template.clone();
    annotations(template, args);
    container(template, args, image)?;
    if image.is_some() && existing.is_some() {
        set_annotation(template, UPDATE_TIMESTAMP, Some(now.to_string()));
    }
    if before != *template {
        // A name given by hand belongs to the revision that has it.
        member(template, "metadata").as_object_mut().map(|m| m.remove("name"));
    }
    traffic(&mut service, args, serving_now.as_deref())?;
    Ok(service)
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
    if let Some(port) = args.port {
        container["ports"] = json!([{ "containerPort": port }]);
    }
    if !args.command.is_empty() {
        container["command"] = json!(args.command);
    }
    if !args.arg.is_empty() {
        container["args"] = json!(args.arg);
    }
    for (name, quantity) in [("cpu", &args.cpu), ("memory", &args.memory)] {
        if let Some(quantity) = quantity {
            member(member(container, "resources"), "limits")[name] = quantity.as_str().into();
        }
    }
    environment(container, &args.env)
}

/// The one with a port, or the only one.
fn serving_container(spec: &mut Value) -> Option<&mut Value> {
    let containers = spec["containers"].as_array_mut()?;
    let index = containers.iter().position(|c| c.get("ports").is_some()).unwrap_or(0);
    containers.get_mut(index)
}

fn environment(container: &mut Value, changes: &[String]) -> Result {
    for change in changes {
        if container["env"].is_null() {
            container["env"] = json!([]);
        }
        let Some(env) = container["env"].as_array_mut() else { continue };
        if let Some((name, value)) = change.split_once('=').filter(|(name, _)| !name.is_empty()) {
            let entry = json!({ "name": name, "value": value });
            match env.iter_mut().find(|e| e["name"] == name) {
                Some(old) => *old = entry,
                None => env.push(entry),
            }
        } else if let Some(name) = change.strip_suffix('-').filter(|name| !name.is_empty()) {
            env.retain(|e| e["name"] != name);
        } else {
            return Err(Failure::usage(format!(
                "--env {change:?} is neither NAME=VALUE nor NAME-"
            )));
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

/// Requests that went to whatever is latest stay with the revision that serves them now.
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
mod tests {
    use clap::Parser;
    use serde_json::from_value;

    use super::*;
    use crate::args::{Cli, Command};

    fn flags(words: &str) -> Deploy {
        let words = ["rouse", "deploy", "hello"].into_iter().chain(words.split_whitespace());
        match Cli::try_parse_from(words).unwrap().command {
            Command::Deploy(deploy) => *deploy,
            _ => unreachable!("deploy was parsed"),
        }
    }

    fn existing() -> kube::api::DynamicObject {
        from_value(json!({
            "apiVersion": "serving.knative.dev/v1", "kind": "Service",
            "metadata": { "name": "hello", "resourceVersion": "7" },
            "spec": {
                "template": {
                    "metadata": { "name": "hello-byo", "annotations": { "mine": "kept" } },
                    "spec": { "timeoutSeconds": 9, "containers": [{ "image": "old", "env": [{ "name": "A", "value": "1" }] }] }
                },
                "traffic": [{ "latestRevision": true, "percent": 100 }]
            },
            "status": { "latestReadyRevisionName": "hello-00001" }
        }))
        .unwrap()
    }

    fn plan(words: &str) -> Value {
        let args = flags(words);
        service(Some(&existing()), &args, args.image.as_deref(), Timestamp::UNIX_EPOCH).unwrap()
    }

    #[test]
    fn a_new_service_holds_what_the_flags_say_and_nothing_else() {
        let args = flags("--image hi --port 9000 --scale-max 3 --memory 64Mi");
        let new = service(None, &args, args.image.as_deref(), Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(
            new["spec"],
            json!({ "template": {
                "metadata": { "annotations": { "autoscaling.knative.dev/max-scale": "3" } },
                "spec": { "containers": [{ "image": "hi", "ports": [{ "containerPort": 9000 }],
                          "resources": { "limits": { "memory": "64Mi" } } }] }
            } })
        );
    }

    #[test]
    fn only_what_a_flag_names_is_changed() {
        let changed = plan("--env B=2 --env A-");
        let container = &changed["spec"]["template"]["spec"]["containers"][0];
        assert_eq!(container["env"], json!([{ "name": "B", "value": "2" }]));
        assert_eq!(container["image"], "old");
        assert_eq!(changed["spec"]["template"]["spec"]["timeoutSeconds"], 9);
        assert_eq!(changed["metadata"]["resourceVersion"], "7");
        assert!(
            changed["spec"]["template"]["metadata"]["name"].is_null(),
            "the name belongs to the old revision"
        );
    }

    #[test]
    fn no_traffic_pins_latest_to_what_serves_now() {
        let changed = plan("--image new --no-traffic --tag next");
        assert_eq!(
            changed["spec"]["traffic"],
            json!([{ "latestRevision": false, "revisionName": "hello-00001", "percent": 100 },
                   { "latestRevision": true, "percent": 0, "tag": "next" }])
        );
    }

    #[test]
    fn no_traffic_on_a_service_that_never_served_is_refused() {
        let args = flags("--image a --no-traffic");
        assert!(service(None, &args, Some("a"), Timestamp::UNIX_EPOCH).is_err());
    }
}
