//! The facts of a Revision, those that it asks for and those that it gets: a label and lines each. Pure.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, EnvVar, EnvVarSource, ResourceRequirements, Volume};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use rouse_api::revision::{SCALE_REACHED, SETTINGS_EFFECTIVE};
use rouse_api::{Condition, Revision, condition, keys};
use rouse_k8s::object;

use crate::fault;

/// A label, and the lines beside it.
pub(super) type Fact = (String, Vec<String>);

fn fact(label: &str, lines: Vec<String>) -> Option<Fact> {
    (!lines.is_empty()).then(|| (label.to_owned(), lines))
}

/// What the newest revision runs, and how it scales.
pub(super) fn of_revision(revision: &Revision) -> Vec<Fact> {
    let pod = &revision.spec.pod;
    let digests = revision.status.as_ref();
    let digests = digests.map(|s| s.container_statuses.as_slice()).unwrap_or_default();
    let digest = |name: &str| {
        let found = digests.iter().find(|status| status.name == name);
        found.map(|status| status.image_digest.as_str()).filter(|digest| !digest.is_empty())
    };
    let mut facts = Vec::new();
    for container in pod.containers.iter().chain(pod.init_containers.iter().flatten()) {
        let label = match pod.containers.len() + pod.init_containers.as_ref().map_or(0, Vec::len) {
            1 => "Image".to_owned(),
            _ => format!("Image of {}", container.name),
        };
        facts.push(image(container, digest(&container.name), &label));
        facts.extend(of_container(container, label.strip_prefix("Image").unwrap_or_default()));
    }
    facts.extend(fact("Volumes", pod.volumes.iter().flatten().map(volume).collect()));
    let account = pod.service_account_name.iter().filter(|name| *name != "default");
    facts.extend(fact("Account", account.cloned().collect()));
    facts.extend(fact("Concurrency", vec![concurrency(revision)]));
    facts.extend(fact("Scale", vec![scale(revision)]));
    let timeout = revision.spec.timeout_seconds.map(|seconds| format!("{seconds} s"));
    facts.extend(fact("Timeout", timeout.into_iter().collect()));
    facts
}

fn image(container: &Container, digest: Option<&str>, label: &str) -> Fact {
    let image = container.image.clone().unwrap_or_default();
    let mut lines = vec![image.clone()];
    lines.extend(
        digest.filter(|digest| *digest != image).map(|digest| format!("pinned to {digest}")),
    );
    (label.to_owned(), lines)
}

fn of_container(container: &Container, of: &str) -> Vec<Fact> {
    let words = |words: &Option<Vec<String>>| words.clone().unwrap_or_default().join(" ");
    let command = [words(&container.command), words(&container.args)].join(" ");
    let command = Some(command.trim().to_owned()).filter(|command| !command.is_empty());
    let mut env: Vec<String> = container.env.iter().flatten().map(variable).collect();
    env.extend(container.env_from.iter().flatten().filter_map(|from| {
        let map = from.config_map_ref.as_ref().map(|map| format!("all of ConfigMap {}", map.name));
        map.or_else(|| from.secret_ref.as_ref().map(|s| format!("all of Secret {}", s.name)))
    }));
    let ports = container.ports.iter().flatten().map(|port| match port.name.as_deref() {
        Some(name) if !name.is_empty() => format!("{} ({name})", port.container_port),
        Some(_) | None => port.container_port.to_string(),
    });
    let resources = container.resources.as_ref().map(resources).unwrap_or_default();
    [
        fact(&format!("Command{of}"), command.into_iter().collect()),
        fact(&format!("Port{of}"), ports.collect()),
        fact(&format!("Env{of}"), env),
        fact(&format!("Resources{of}"), resources),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// `NAME=value`, or where the value comes from: the values of Secrets are not read.
fn variable(variable: &EnvVar) -> String {
    let name = &variable.name;
    match &variable.value_from {
        Some(from) => format!("{name} from {}", source(from)),
        None => format!("{name}={}", variable.value.as_deref().unwrap_or_default()),
    }
}

fn source(from: &EnvVarSource) -> String {
    if let Some(secret) = &from.secret_key_ref {
        return format!("Secret {}, key {}", secret.name, secret.key);
    }
    if let Some(map) = &from.config_map_key_ref {
        return format!("ConfigMap {}, key {}", map.name, map.key);
    }
    if let Some(field) = &from.field_ref {
        return format!("the pod's {}", field.field_path);
    }
    from.resource_field_ref
        .as_ref()
        .map_or_else(String::new, |of| format!("the pod's {}", of.resource))
}

fn resources(resources: &ResourceRequirements) -> Vec<String> {
    let text = |what: &str, amounts: &Option<BTreeMap<String, Quantity>>| {
        let amounts = amounts.as_ref().filter(|amounts| !amounts.is_empty())?;
        let all: Vec<String> = amounts.iter().map(|(name, q)| format!("{name} {}", q.0)).collect();
        Some(format!("{what} {}", all.join(", ")))
    };
    [text("limit", &resources.limits), text("request", &resources.requests)]
        .into_iter()
        .flatten()
        .collect()
}

fn volume(volume: &Volume) -> String {
    let name = &volume.name;
    if let Some(secret) = &volume.secret {
        return format!("{name} from Secret {}", secret.secret_name.as_deref().unwrap_or_default());
    }
    if let Some(map) = &volume.config_map {
        return format!("{name} from ConfigMap {}", map.name);
    }
    if let Some(claim) = &volume.persistent_volume_claim {
        return format!("{name} from PersistentVolumeClaim {}", claim.claim_name);
    }
    let kind = match (&volume.empty_dir, &volume.projected) {
        (Some(_), _) => "empty at the start of each pod",
        (None, Some(_)) => "projected",
        (None, None) => "of another kind",
    };
    format!("{name}, {kind}")
}

fn annotation<'a>(revision: &'a Revision, key: &str) -> Option<&'a str> {
    object::annotation(&revision.metadata, key)
}

fn concurrency(revision: &Revision) -> String {
    let limit = match revision.spec.container_concurrency.unwrap_or_default() {
        0 => "no limit".to_owned(),
        limit => format!("at most {limit} requests in a pod"),
    };
    let metric = annotation(revision, keys::METRIC).unwrap_or("concurrency");
    match annotation(revision, keys::TARGET) {
        Some(target) => format!("{limit}; the autoscaler aims at {target} ({metric})"),
        None => limit,
    }
}

fn scale(revision: &Revision) -> String {
    let bound = |key| annotation(revision, key).filter(|text| *text != "0");
    let least = bound(keys::MIN_SCALE).unwrap_or("0");
    let mut text = match bound(keys::MAX_SCALE) {
        Some(most) => format!("{least} to {most} pods"),
        None => format!("{least} or more pods"),
    };
    let status = revision.status.as_ref();
    if let Some(actual) = status.and_then(|status| status.actual_replicas) {
        let desired = status.and_then(|status| status.desired_replicas).unwrap_or(actual);
        text.push_str(&if actual == desired {
            format!("; now {actual}")
        } else {
            format!("; now {actual} of {desired}")
        });
    }
    text
}

/// Why a revision is not ready, has too few pods, or does not get what it asks for.
pub(super) fn troubles(revision: &Revision) -> Vec<Fact> {
    let status = revision.status.as_ref();
    let conditions = status.map(|status| status.conditions.as_slice()).unwrap_or_default();
    let found = |type_| condition::find(conditions, type_).filter(|c| c.is_false());
    [
        ("Error", found("Ready")),
        ("Too few pods", found(SCALE_REACHED)),
        ("No effect", found(SETTINGS_EFFECTIVE)),
    ]
    .into_iter()
    .filter_map(|(label, condition)| fact(label, lines(condition?, label != "No effect")))
    .collect()
}

fn lines(condition: &Condition, with_reason: bool) -> Vec<String> {
    let separator = if with_reason { "\n" } else { "; " };
    let mut lines: Vec<String> = condition.message.split(separator).map(fault::readable).collect();
    if with_reason && !condition.reason.is_empty() {
        lines[0] = format!("{}: {}", condition.reason, lines[0]);
    }
    lines
}

#[cfg(test)]
mod tests;
