//! Volumes of a pod, and the folders where its serving container shows them.

use serde_json::{Value, json};

use super::json::{list, remove_where};
use crate::outcome::{Failure, Result};

/// Most characters of a path in the name of its volume.
const NAME_MAX: usize = 50;

/// A pod's specification, of which one container's mounts change.
pub(super) struct Mounts<'a> {
    spec: &'a mut Value,
    index: usize,
}

impl<'a> Mounts<'a> {
    pub(super) fn new(spec: &'a mut Value, index: usize) -> Self {
        Self { spec, index }
    }

    fn container(&mut self) -> &mut Value {
        &mut self.spec["containers"][self.index]
    }

    fn all(&self) -> &[Value] {
        let mounts = self.spec["containers"][self.index]["volumeMounts"].as_array();
        mounts.map(Vec::as_slice).unwrap_or_default()
    }

    fn at(&self, path: &str) -> Option<&Value> {
        self.all().iter().find(|mount| is_at(mount, path))
    }

    fn volume_at(&mut self, path: &str) -> Option<&mut Value> {
        let name = self.at(path)?["name"].clone();
        let volumes = self.spec.get_mut("volumes")?.as_array_mut()?;
        volumes.iter_mut().find(|volume| volume["name"] == name)
    }

    /// Mounts a new volume, which `volume` makes of its name, in place of what is there, unless that is the same.
    pub(super) fn put(&mut self, path: &str, volume: impl Fn(&str) -> Value) {
        let is_same = |old: &mut Value| *old == volume(old["name"].as_str().unwrap_or_default());
        if self.volume_at(path).is_some_and(is_same) {
            return;
        }
        self.remove(path);
        let name = volume_name(self.spec, path);
        list(self.spec, "volumes").push(volume(&name));
        let mount = json!({ "name": name, "mountPath": path, "readOnly": true });
        list(self.container(), "volumeMounts").push(mount);
    }

    /// Removes a mount, and its volume where nothing else mounts it.
    pub(super) fn remove(&mut self, path: &str) {
        let Some(name) = self.at(path).map(|mount| mount["name"].clone()) else { return };
        remove_where(self.container(), "volumeMounts", |mount| is_at(mount, path));
        let containers = self.spec["containers"].as_array().into_iter().flatten();
        let mut mounts = containers.filter_map(|one| one["volumeMounts"].as_array()).flatten();
        if mounts.all(|mount| mount["name"] != name) {
            remove_where(self.spec, "volumes", |volume| volume["name"] == name);
        }
    }

    /// Removes all mounts of Secrets.
    pub(super) fn remove_secrets(&mut self) {
        let volumes = self.spec["volumes"].as_array().into_iter().flatten();
        let secrets: Vec<&Value> = volumes.filter(|volume| !volume["secret"].is_null()).collect();
        let of_secret =
            |mount: &&Value| secrets.iter().any(|secret| secret["name"] == mount["name"]);
        let paths = self.all().iter().filter(of_secret).filter_map(|m| m["mountPath"].as_str());
        for path in paths.map(|path| trimmed(path).to_owned()).collect::<Vec<_>>() {
            self.remove(&path);
        }
    }

    /// Shows one key of a Secret as one file, beside other files of that Secret. An error if the folder shows something
    /// else, which would then be hidden.
    pub(super) fn put_file(&mut self, dir: &str, file: &str, secret: &str, key: &str) -> Result {
        let item = json!({ "key": key, "path": file });
        let Some(mount) = self.at(dir) else {
            self.put(
                dir,
                |name| json!({ "name": name, "secret": { "secretName": secret, "items": [item] } }),
            );
            return Ok(());
        };
        let refused = |why: String| {
            Err(Failure::usage(format!("{dir} {why}"))
                .next(format!("/OTHER/{file}={secret}:{key}")))
        };
        if !mount["subPath"].is_null() {
            return refused("shows a part of a volume, to which no file can be added".to_owned());
        }
        let source = self.volume_at(dir).map(|volume| &mut volume["secret"]);
        let Some(source) = source.filter(|source| source["secretName"] == secret) else {
            return refused(
                "holds the files of another volume already: a folder shows one Secret".to_owned(),
            );
        };
        let items = source.get_mut("items").and_then(Value::as_array_mut);
        let Some(items) = items.filter(|items| !items.is_empty()) else {
            if file == key {
                return Ok(());
            }
            return refused(format!(
                "shows the whole Secret {secret} already, each key under its own name"
            ));
        };
        items.retain(|old| old["path"] != file);
        items.push(item);
        Ok(())
    }

    /// Removes one file of a Secret. False if there is none.
    pub(super) fn remove_file(&mut self, dir: &str, file: &str) -> bool {
        let volume = self.volume_at(dir);
        let Some(items) = volume.and_then(|v| v.pointer_mut("/secret/items")?.as_array_mut())
        else {
            return false;
        };
        let before = items.len();
        items.retain(|item| item["path"] != file);
        let (removed, empty) = (items.len() < before, items.is_empty());
        if removed && empty {
            self.remove(dir);
        }
        removed
    }
}

fn is_at(mount: &Value, path: &str) -> bool {
    mount["mountPath"].as_str().is_some_and(|own| trimmed(own) == path)
}

fn trimmed(path: &str) -> &str {
    path.trim_end_matches('/')
}

/// An absolute path without a slash at its end.
pub(super) fn folder(path: &str) -> Result<&str> {
    let trimmed = trimmed(path);
    if trimmed.len() > 1 && path.starts_with('/') {
        return Ok(trimmed);
    }
    Err(Failure::usage(format!("{path:?}: write the path of a folder, such as /config")))
}

/// A name that no volume has: the path's.
fn volume_name(spec: &Value, path: &str) -> String {
    let fitting = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let base: String = path.chars().map(fitting).take(NAME_MAX).collect();
    let base = base.trim_matches('-');
    let base = if base.is_empty() { "volume" } else { base };
    let volumes = spec["volumes"].as_array();
    let taken = |name: &str| volumes.is_some_and(|all| all.iter().any(|v| v["name"] == name));
    let numbered = (2_u32..).map(|n| format!("{base}-{n}"));
    let mut names = std::iter::once(base.to_owned()).chain(numbered);
    names.find(|name| !taken(name)).unwrap_or_default()
}
