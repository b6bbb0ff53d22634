//! Secrets and ConfigMaps as variables and files.

use serde_json::{Value, json};

use super::changes::{Change, change, set_variable};
use super::json::{list, remove_empty};
use crate::outcome::{Failure, Result};

/// A Secret or a ConfigMap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Source<'a> {
    is_secret: bool,
    name: &'a str,
}

impl<'a> Source<'a> {
    fn parse(flag: &str, text: &'a str) -> Result<Self> {
        match text.split_once(':').filter(|(_, name)| !name.is_empty()) {
            Some(("secret" | "sc", name)) => Ok(Self { is_secret: true, name }),
            Some(("cm" | "config-map", name)) => Ok(Self { is_secret: false, name }),
            _ => Err(Failure::usage(format!("--{flag} {text:?}: write secret:NAME or cm:NAME"))),
        }
    }

    fn env_from(self) -> Value {
        let field = if self.is_secret { "secretRef" } else { "configMapRef" };
        json!({ field: { "name": self.name } })
    }

    fn volume(self, name: &str) -> Value {
        if self.is_secret {
            json!({ "name": name, "secret": { "secretName": self.name } })
        } else {
            json!({ "name": name, "configMap": { "name": self.name } })
        }
    }
}

/// `--env-from`: variables of all keys.
pub(super) fn env_from(container: &mut Value, changes: &[String]) -> Result {
    for text in changes {
        let removed = text.strip_suffix('-');
        let entry = Source::parse("env-from", removed.unwrap_or(text))?.env_from();
        let all = list(container, "envFrom");
        all.retain(|old| *old != entry);
        if removed.is_none() {
            all.push(entry);
        }
    }
    if !changes.is_empty() {
        remove_empty(container, "envFrom");
    }
    Ok(())
}

/// `--mount`: files of all keys.
pub(super) fn mounts(spec: &mut Value, index: usize, changes: &[String]) -> Result {
    for text in changes {
        match change("mount", text)? {
            Change::Set(path, source) => {
                let source = Source::parse("mount", source)?;
                let path = folder(path)?;
                unmount(spec, index, path);
                mount(spec, index, path, |name| source.volume(name));
            }
            Change::Remove(path) => unmount(spec, index, folder(path)?),
        }
    }
    Ok(())
}

/// `--set-secrets` and `--update-secrets`: `NAME=SECRET:KEY`, `/DIR=SECRET` or `/DIR/FILE=SECRET:KEY`.
pub(super) fn secrets(spec: &mut Value, index: usize, flag: &str, changes: &[String]) -> Result {
    for text in changes {
        let form = || {
            Failure::usage(format!(
                "--{flag} {text:?}: write NAME=SECRET:KEY, /DIR=SECRET or /DIR/FILE=SECRET:KEY"
            ))
        };
        let (target, source) = text
            .split_once('=')
            .filter(|(t, s)| !t.is_empty() && !s.is_empty())
            .ok_or_else(form)?;
        let (secret, key) = match source.split_once(':') {
            Some((secret, key)) if !secret.is_empty() && !key.is_empty() => (secret, Some(key)),
            Some(_) => return Err(form()),
            None => (source, None),
        };
        if !target.starts_with('/') {
            let key = key.ok_or_else(form)?;
            let reference = json!({ "secretKeyRef": { "name": secret, "key": key } });
            set_variable(
                &mut spec["containers"][index],
                json!({ "name": target, "valueFrom": reference }),
            );
            continue;
        }
        let path = folder(target)?;
        match key {
            None => {
                unmount(spec, index, path);
                mount(spec, index, path, |name| {
                    Source { is_secret: true, name: secret }.volume(name)
                });
            }
            Some(key) => file(spec, index, path, secret, key).ok_or_else(form)??,
        }
    }
    Ok(())
}

/// `--remove-secrets`: variables and paths.
pub(super) fn remove_secrets(spec: &mut Value, index: usize, names: &[String]) -> Result {
    for name in names {
        if name.starts_with('/') {
            let path = folder(name)?;
            if !remove_file(spec, index, path) {
                unmount(spec, index, path);
            }
        } else {
            let of_secret = |entry: &Value| entry["name"] == *name && is_secret_variable(entry);
            list(&mut spec["containers"][index], "env").retain(|entry| !of_secret(entry));
        }
    }
    if !names.is_empty() {
        remove_empty(&mut spec["containers"][index], "env");
    }
    Ok(())
}

/// Removes all variables and files of Secrets.
pub(super) fn clear_secrets(spec: &mut Value, index: usize) {
    let container = &mut spec["containers"][index];
    list(container, "env").retain(|entry| !is_secret_variable(entry));
    remove_empty(container, "env");
    let volumes = spec["volumes"].as_array().cloned().unwrap_or_default();
    for volume in volumes.iter().filter(|volume| !volume["secret"].is_null()) {
        let mounts = spec["containers"][index]["volumeMounts"].as_array().cloned();
        for mount in mounts.unwrap_or_default().iter().filter(|m| m["name"] == volume["name"]) {
            unmount(spec, index, mount["mountPath"].as_str().unwrap_or_default());
        }
    }
}

fn is_secret_variable(entry: &Value) -> bool {
    entry.pointer("/valueFrom/secretKeyRef").is_some()
}

/// An absolute path without a slash at its end.
fn folder(path: &str) -> Result<&str> {
    let trimmed = path.trim_end_matches('/');
    if trimmed.len() > 1 && path.starts_with('/') {
        return Ok(trimmed);
    }
    Err(Failure::usage(format!("{path:?}: write the path of a folder, such as /config")))
}

/// Mounts a new volume, which `volume` makes of its name.
fn mount(spec: &mut Value, index: usize, path: &str, volume: impl FnOnce(&str) -> Value) {
    let name = volume_name(spec, path);
    list(spec, "volumes").push(volume(&name));
    let mounts = list(&mut spec["containers"][index], "volumeMounts");
    mounts.push(json!({ "name": name, "mountPath": path, "readOnly": true }));
}

/// A name that no volume has: the path's.
fn volume_name(spec: &Value, path: &str) -> String {
    const LENGTH_MAX: usize = 50;
    let fitting = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let base: String = path.chars().map(fitting).take(LENGTH_MAX).collect();
    let base = base.trim_matches('-');
    let base = if base.is_empty() { "volume" } else { base };
    let volumes = spec["volumes"].as_array();
    let taken = |name: &str| volumes.is_some_and(|all| all.iter().any(|v| v["name"] == name));
    let numbered = (2_u32..).map(|n| format!("{base}-{n}"));
    let mut names = std::iter::once(base.to_owned()).chain(numbered);
    names.find(|name| !taken(name)).unwrap_or_default()
}

/// Removes a mount, and its volume where nothing else mounts it.
fn unmount(spec: &mut Value, index: usize, path: &str) {
    let container = &mut spec["containers"][index];
    let mounts = list(container, "volumeMounts");
    let at = mounts.iter().position(|mount| {
        mount["mountPath"].as_str().is_some_and(|own| own.trim_end_matches('/') == path)
    });
    let gone = at.map(|at| mounts.remove(at)["name"].clone());
    remove_empty(container, "volumeMounts");
    let Some(gone) = gone else { return };
    let containers = spec["containers"].as_array();
    let used = containers.is_some_and(|all| {
        let mounts = all.iter().filter_map(|one| one["volumeMounts"].as_array()).flatten();
        mounts.into_iter().any(|mount| mount["name"] == gone)
    });
    if !used {
        list(spec, "volumes").retain(|volume| volume["name"] != gone);
        remove_empty(spec, "volumes");
    }
}

/// One key as one file. None if the path names no folder and file; an error if the folder shows another Secret.
fn file(spec: &mut Value, index: usize, path: &str, secret: &str, key: &str) -> Option<Result> {
    let (dir, name) =
        path.rsplit_once('/').filter(|(dir, name)| !dir.is_empty() && !name.is_empty())?;
    let item = json!({ "key": key, "path": name });
    let mounts = spec["containers"][index]["volumeMounts"].as_array();
    let there = mounts.and_then(|all| all.iter().find(|mount| mount["mountPath"] == dir));
    let Some(volume_of_dir) = there.map(|mount| mount["name"].clone()) else {
        mount(
            spec,
            index,
            dir,
            |volume| json!({ "name": volume, "secret": { "secretName": secret, "items": [item] } }),
        );
        return Some(Ok(()));
    };
    let volume = list(spec, "volumes").iter_mut().find(|v| v["name"] == volume_of_dir);
    match volume {
        Some(volume) if volume["secret"]["secretName"] == secret => {
            let items = list(&mut volume["secret"], "items");
            items.retain(|old| old["path"] != name);
            items.push(item);
            Some(Ok(()))
        }
        _ => Some(Err(Failure::usage(format!(
            "{dir} holds the files of another volume already: a folder shows one Secret"
        ))
        .next(format!("/OTHER/{name}={secret}:{key}")))),
    }
}

/// Removes one file of a Secret. False if there is none.
fn remove_file(spec: &mut Value, index: usize, path: &str) -> bool {
    let Some((dir, name)) = path.rsplit_once('/') else { return false };
    let mounts = spec["containers"][index]["volumeMounts"].as_array();
    let there = mounts.and_then(|all| all.iter().find(|mount| mount["mountPath"] == dir));
    let Some(volume_of_dir) = there.map(|mount| mount["name"].clone()) else { return false };
    let volume = list(spec, "volumes").iter_mut().find(|v| v["name"] == volume_of_dir);
    let Some(items) = volume.and_then(|volume| volume.pointer_mut("/secret/items")?.as_array_mut())
    else {
        return false;
    };
    let before = items.len();
    items.retain(|item| item["path"] != name);
    let (removed, empty) = (items.len() < before, items.is_empty());
    if removed && empty {
        unmount(spec, index, dir);
    }
    removed
}
