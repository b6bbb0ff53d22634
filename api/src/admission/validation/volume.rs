//! Volumes and their mounts.
//!
//! Upstream: `pkg/apis/serving/k8s_validation.go`.

use std::collections::BTreeSet;

use rouse_k8s::{Quantity, form};
use serde_json::Value;

use super::fields::{is_set, mask, text_of};
use crate::admission::json::Look;
use crate::config::ApiConfig;
use crate::config::features as feature;
use crate::terms::field_error::{FieldError, FieldErrors};

/// Sources that Knative always admits.
const SOURCES: [&str; 3] = ["secret", "configMap", "projected"];

/// Sources behind a feature, with their names in messages.
const BY_FEATURE: [(&str, &str, &str); 6] = [
    ("emptyDir", feature::VOLUMES_EMPTY_DIR, "EmptyDir"),
    ("persistentVolumeClaim", feature::PERSISTENT_VOLUME_CLAIM, "persistent volume claim"),
    ("hostPath", feature::VOLUMES_HOST_PATH, "HostPath"),
    ("csi", feature::VOLUMES_CSI, "CSI"),
    ("ephemeral", feature::VOLUMES_EPHEMERAL, "Ephemeral"),
    ("image", feature::VOLUMES_IMAGE, "Image"),
];

/// How long a projected token may live, as Kubernetes has it.
const TOKEN_SECONDS: std::ops::RangeInclusive<i64> = 10 * 60..=1 << 32;

const RESERVED_PATHS: [&str; 3] = ["/", "/dev", "/dev/log"];

/// The volumes of a pod.
pub(super) fn list(volumes: &[Value], mounted: &BTreeSet<&str>, config: &ApiConfig) -> FieldErrors {
    let mut errors = FieldErrors::none();
    let mut seen = BTreeSet::new();
    for (index, volume) in volumes.iter().enumerate() {
        let name = volume.text("name");
        let mut found = FieldErrors::none();
        if !seen.insert(name) {
            found.push(FieldError::new(format!("duplicate volume name {name:?}"), "name"));
        }
        if !mounted.contains(name) {
            found.push(FieldError::new(format!("volume with name {name:?} not mounted"), "name"));
        }
        found.extend(one(volume, config));
        errors.within(&format!("[{index}]"), found);
    }
    errors
}

fn one(volume: &Value, config: &ApiConfig) -> FieldErrors {
    let mut errors = FieldErrors::none();
    let name = volume.text("name");
    if name.is_empty() {
        errors.push(FieldError::missing("name"));
    } else if !form::dns_1123_label(name).is_empty() {
        errors.push(FieldError::invalid(name, "name"));
    }

    let mut sources = Vec::new();
    for (field, value) in volume.as_object().into_iter().flatten() {
        let field = field.as_str();
        if field == "name" || !is_set(value) {
            continue;
        }
        sources.push(field);
        if SOURCES.contains(&field) {
            continue;
        }
        match BY_FEATURE.iter().find(|(source, _, _)| *source == field) {
            None => errors.push(FieldError::disallowed(field)),
            Some((_, feature, word)) if !config.features.permits(feature) => {
                errors.push(FieldError::disallowed(field));
                errors.push(FieldError::about(
                    format!("{word} volume support is disabled, but found {word} volume {name}"),
                    &[],
                ));
            }
            Some((_, feature, _)) if feature::REFUSED.contains(feature) => {
                errors.push(FieldError::not_handled(field));
            }
            Some(_) => {}
        }
    }
    match sources.as_slice() {
        [] => {
            let by_feature = BY_FEATURE.iter().filter(|(_, f, _)| config.features.is_enabled(f));
            let mut known = SOURCES.to_vec();
            known.extend(by_feature.map(|(source, _, _)| *source));
            errors.push(FieldError::missing_one_of(&known));
        }
        [_] => {}
        several => errors.push(FieldError::multiple_one_of(several)),
    }
    errors.extend(contents(volume, config));
    errors
}

fn contents(volume: &Value, config: &ApiConfig) -> FieldErrors {
    let mut errors = FieldErrors::none();
    for (field, allowed) in [
        ("secret", ["defaultMode", "items", "optional", "secretName"]),
        ("configMap", ["defaultMode", "items", "optional", "name"]),
    ] {
        if let Some(source) = volume.field(field) {
            errors.within(field, mask(source, &allowed));
            errors.within(field, mode(source, "defaultMode"));
            errors.extend(items(source));
        }
    }
    if let Some(projected) = volume.field("projected") {
        errors.within("projected", mask(projected, &["defaultMode", "sources"]));
        errors.within("projected", mode(projected, "defaultMode"));
        for (index, source) in projected.list("sources").iter().enumerate() {
            errors.within_index("projected", index, projection(source));
        }
    }
    if let Some(claim) = volume.field("persistentVolumeClaim") {
        let name = claim.text("claimName");
        let mut found = mask(claim, &["claimName", "readOnly"]);
        if name.is_empty() {
            found.push(FieldError::missing("claimName"));
        }
        let read_only = claim.field("readOnly") == Some(&Value::Bool(true));
        if !read_only && !config.features.is_enabled(feature::PERSISTENT_VOLUME_WRITE) {
            let message = format!(
                "Persistent volume write support is disabled, but found persistent volume claim {name} that is not read-only"
            );
            found.push(FieldError::new(message, "readOnly"));
        }
        errors.within("persistentVolumeClaim", found);
    }
    if let Some(path) = volume.field("hostPath") {
        let mut found = mask(path, &["path", "type"]);
        if path.text("path").is_empty() {
            found.push(FieldError::missing("path"));
        }
        errors.within("hostPath", found);
    }
    if let Some(directory) = volume.field("emptyDir") {
        let mut found = mask(directory, &["medium", "sizeLimit"]);
        let medium = directory.text("medium");
        if !matches!(medium, "" | "Memory") {
            found.push(FieldError::invalid(medium, "medium"));
        }
        let limit = directory.field("sizeLimit").map(text_of).unwrap_or_default();
        if !limit.is_empty() && Quantity::parse(&limit).map_or(true, Quantity::is_negative) {
            found.push(FieldError::invalid(limit, "sizeLimit"));
        }
        errors.within("emptyDir", found);
    }
    errors
}

/// Permissions of a file: nine bits, as Kubernetes has it.
fn mode(value: &Value, field: &str) -> FieldErrors {
    match value.int(field).filter(|mode| !(0..=0o777).contains(mode)) {
        Some(mode) => FieldError::out_of_bounds(mode, 0, 0o777, field).into(),
        None => FieldErrors::none(),
    }
}

fn projection(source: &Value) -> FieldErrors {
    let kinds = ["secret", "configMap", "serviceAccountToken", "downwardAPI"];
    let mut errors = mask(source, &kinds);
    let mut found = Vec::new();
    for kind in kinds {
        let Some(value) = source.field(kind) else { continue };
        found.push(kind);
        match kind {
            "serviceAccountToken" => {
                errors.within(kind, token(value));
                continue;
            }
            "downwardAPI" => {
                errors.within(kind, downward(value));
                continue;
            }
            _ => {}
        }
        let mut within = mask(value, &["items", "name", "optional"]);
        if value.text("name").is_empty() {
            within.push(FieldError::missing("name"));
        }
        within.extend(items(value));
        errors.within(kind, within);
    }
    match found.as_slice() {
        [] => errors.push(FieldError::missing_one_of(&kinds)),
        [_] => {}
        several => errors.push(FieldError::multiple_one_of(several)),
    }
    errors
}

fn token(source: &Value) -> FieldErrors {
    let mut errors = mask(source, &["audience", "expirationSeconds", "path"]);
    if source.text("path").is_empty() {
        errors.push(FieldError::missing("path"));
    }
    let seconds = source.int("expirationSeconds");
    if let Some(seconds) = seconds.filter(|seconds| !TOKEN_SECONDS.contains(seconds)) {
        let (min, max) = (*TOKEN_SECONDS.start(), *TOKEN_SECONDS.end());
        errors.push(FieldError::out_of_bounds(seconds, min, max, "expirationSeconds"));
    }
    errors
}

fn downward(source: &Value) -> FieldErrors {
    let mut errors = mask(source, &["items"]);
    for (index, item) in source.list("items").iter().enumerate() {
        let mut found = mask(item, &["path", "fieldRef", "resourceFieldRef", "mode"]);
        found.extend(mode(item, "mode"));
        match (item.has("fieldRef"), item.has("resourceFieldRef")) {
            (false, false) => {
                found.push(FieldError::missing_one_of(&["fieldRef", "resourceFieldRef"]));
            }
            (true, true) => found.push(FieldError::about(
                "Within a single item, cannot set both",
                &["resourceFieldRef", "fieldRef"],
            )),
            (false, true) | (true, false) => {}
        }
        if item.text("path").is_empty() {
            found.push(FieldError::missing("path"));
        }
        errors.within_index("items", index, found);
    }
    errors
}

fn items(source: &Value) -> FieldErrors {
    let mut errors = FieldErrors::none();
    for (index, item) in source.list("items").iter().enumerate() {
        let mut found = mask(item, &["key", "path", "mode"]);
        found.extend(mode(item, "mode"));
        for field in ["key", "path"] {
            if item.text(field).is_empty() {
                found.push(FieldError::missing(field));
            }
        }
        errors.within_index("items", index, found);
    }
    errors
}

/// The mounts of a container.
pub(super) fn mounts(mounts: &[Value], volumes: &[Value], config: &ApiConfig) -> FieldErrors {
    let mut errors = FieldErrors::none();
    let mut seen = BTreeSet::new();
    for (index, mount) in mounts.iter().enumerate() {
        let mut found =
            mask(mount, &["name", "readOnly", "mountPath", "subPath", "mountPropagation"]);
        let name = mount.text("name");
        let volume = volumes.iter().find(|volume| volume.text("name") == name);
        if volume.is_none() {
            found.push(FieldError::new("volumeMount has no matching volume", "name"));
        }
        found.extend(mount_path(mount.text("mountPath"), &mut seen));
        let writable = volume.is_some_and(|volume| {
            ["emptyDir", "persistentVolumeClaim", "ephemeral"].iter().any(|s| volume.has(s))
        });
        if !writable && mount.field("readOnly") != Some(&Value::Bool(true)) {
            let message = "volume mount should be readOnly for this type of volume";
            found.push(FieldError::new(message, "readOnly"));
        }
        if mount.has("mountPropagation") {
            let permitted = config.features.permits(feature::VOLUMES_MOUNT_PROPAGATION);
            found.push(if permitted {
                FieldError::not_handled("mountPropagation")
            } else {
                FieldError::disallowed("mountPropagation")
            });
        }
        errors.within(&format!("[{index}]"), found);
    }
    errors
}

fn mount_path(path: &str, seen: &mut BTreeSet<String>) -> FieldErrors {
    let cleaned = clean(path);
    let error = if path.is_empty() {
        FieldError::missing("mountPath")
    } else if RESERVED_PATHS.contains(&cleaned.as_str()) {
        FieldError::new(format!("mountPath {cleaned:?} is a reserved path"), "mountPath")
    } else if !path.starts_with('/') {
        FieldError::invalid(path, "mountPath")
    } else if seen.contains(&cleaned) {
        FieldError::invalid(format!("{path:?} must be unique"), "mountPath")
    } else {
        seen.insert(cleaned);
        return FieldErrors::none();
    };
    error.into()
}

/// A path without empty parts, `.` and `..`.
fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let root = if path.starts_with('/') { "/" } else { "" };
    format!("{root}{}", parts.join("/"))
}

#[cfg(test)]
mod tests;
