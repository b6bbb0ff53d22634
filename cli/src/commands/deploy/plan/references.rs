//! Secrets and ConfigMaps as variables and files.

use serde_json::{Value, json};

use super::changes::{Change, change, set_variable};
use super::json::{list, remove_where};
use super::volumes::{Mounts, folder};
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
        remove_where(container, "envFrom", |old| *old == entry);
        if removed.is_none() {
            list(container, "envFrom").push(entry);
        }
    }
    Ok(())
}

/// `--mount`: files of all keys.
pub(super) fn mounts(spec: &mut Value, index: usize, changes: &[String]) -> Result {
    for text in changes {
        match change("mount", text)? {
            Change::Set(path, source) => {
                let source = Source::parse("mount", source)?;
                Mounts::new(spec, index).put(folder(path)?, |name| source.volume(name));
            }
            Change::Remove(path) => Mounts::new(spec, index).remove(folder(path)?),
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
        let (path, mut mounts) = (folder(target)?, Mounts::new(spec, index));
        let Some(key) = key else {
            let source = Source { is_secret: true, name: secret };
            mounts.put(path, |name| source.volume(name));
            continue;
        };
        let (dir, file) =
            path.rsplit_once('/').filter(|(dir, _)| !dir.is_empty()).ok_or_else(form)?;
        mounts.put_file(dir, file, secret, key)?;
    }
    Ok(())
}

/// `--remove-secrets`: variables and paths.
pub(super) fn remove_secrets(spec: &mut Value, index: usize, names: &[String]) -> Result {
    for name in names {
        if !name.starts_with('/') {
            let gone = |entry: &Value| entry["name"] == *name && is_secret_variable(entry);
            remove_where(&mut spec["containers"][index], "env", gone);
            continue;
        }
        let (path, mut mounts) = (folder(name)?, Mounts::new(spec, index));
        let file = path.rsplit_once('/');
        if !file.is_some_and(|(dir, file)| mounts.remove_file(dir, file)) {
            mounts.remove(path);
        }
    }
    Ok(())
}

/// Removes all variables and files of Secrets.
pub(super) fn clear_secrets(spec: &mut Value, index: usize) {
    remove_where(&mut spec["containers"][index], "env", is_secret_variable);
    Mounts::new(spec, index).remove_secrets();
}

fn is_secret_variable(entry: &Value) -> bool {
    entry.pointer("/valueFrom/secretKeyRef").is_some()
}
