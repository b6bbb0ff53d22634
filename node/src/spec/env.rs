//! A container's environment, and `$(NAME)` in its command and arguments.
//!
//! Upstream: pkg/kubelet/kubelet_pods.go (`makeEnvironmentVariables`), with its wording.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, EnvVarSource, Pod};

use super::downward;
use super::hosts::hostname;
use super::sources::{Sources, Wanted};

pub(crate) fn wanted(container: &Container) -> Wanted {
    let mut wanted = Wanted::default();
    for from in container.env_from.iter().flatten() {
        wanted.config_maps.extend(from.config_map_ref.iter().map(|from| from.name.clone()));
        wanted.secrets.extend(from.secret_ref.iter().map(|from| from.name.clone()));
    }
    for from in container.env.iter().flatten().filter_map(|var| var.value_from.as_ref()) {
        wanted.config_maps.extend(from.config_map_key_ref.iter().map(|from| from.name.clone()));
        wanted.secrets.extend(from.secret_key_ref.iter().map(|from| from.name.clone()));
    }
    wanted
}

/// The pod's host name and the API's address, then the variables in the order of the spec (those of `envFrom` first), or what is
/// missing.
/// `overrides` win over the spec, and are what `$(NAME)` expands to.
pub(crate) fn resolve(
    pod: &Pod,
    container: &Container,
    sources: &Sources,
    overrides: &BTreeMap<String, String>,
) -> Result<Vec<(String, String)>, String> {
    let mut vars = Vars::default();
    // As container runtimes set it from the host name, which processes of the host do not have.
    if let Some(name) = &pod.metadata.name {
        vars.set("HOSTNAME".to_owned(), hostname(name));
    }
    if let Some(api) = sources.api {
        vars.set("KUBERNETES_SERVICE_HOST".to_owned(), api.ip().to_string());
        vars.set("KUBERNETES_SERVICE_PORT".to_owned(), api.port().to_string());
    }
    for from in container.env_from.iter().flatten() {
        let prefix = from.prefix.as_deref().unwrap_or_default();
        let optional = |optional: Option<bool>| optional.unwrap_or(false);
        if let Some(from) = &from.config_map_ref {
            match sources.config_maps.get(&from.name) {
                Some(map) => vars.extend(prefix, map.data.iter().flatten()),
                None if optional(from.optional) => {}
                None => return Err(format!("configmap {:?} not found", from.name)),
            }
        }
        if let Some(from) = &from.secret_ref {
            match sources.secrets.get(&from.name) {
                Some(secret) => {
                    let text = secret.data.iter().flatten().map(|(key, value)| {
                        (key.clone(), String::from_utf8_lossy(&value.0).into_owned())
                    });
                    let text: BTreeMap<String, String> = text.collect();
                    vars.extend(prefix, &text);
                }
                None if optional(from.optional) => {}
                None => return Err(format!("secret {:?} not found", from.name)),
            }
        }
    }
    for var in container.env.iter().flatten() {
        let value = match (overrides.get(&var.name), &var.value_from) {
            (Some(value), _) => Some(value.clone()),
            (None, Some(from)) => value_from(pod, container, sources, from)?,
            (None, None) => {
                Some(expand(var.value.as_deref().unwrap_or_default(), |name| vars.get(name)))
            }
        };
        if let Some(value) = value {
            vars.set(var.name.clone(), value);
        }
    }
    for (name, value) in overrides {
        vars.set(name.clone(), value.clone());
    }
    Ok(vars.list)
}

#[derive(Default)]
struct Vars {
    list: Vec<(String, String)>,
}

impl Vars {
    fn get(&self, name: &str) -> Option<String> {
        self.list.iter().find(|(have, _)| have == name).map(|(_, value)| value.clone())
    }

    fn set(&mut self, name: String, value: String) {
        match self.list.iter_mut().find(|(have, _)| *have == name) {
            Some((_, have)) => *have = value,
            None => self.list.push((name, value)),
        }
    }

    fn extend<'a>(
        &mut self,
        prefix: &str,
        values: impl IntoIterator<Item = (&'a String, &'a String)>,
    ) {
        for (key, value) in values {
            let name = format!("{prefix}{key}");
            // A name that no environment can hold is skipped, as upstream.
            if !name.is_empty() && !name.contains(['=', '\0']) {
                self.set(name, value.clone());
            }
        }
    }
}

/// `Ok(None)`: an optional source that does not exist.
fn value_from(
    pod: &Pod,
    container: &Container,
    sources: &Sources,
    from: &EnvVarSource,
) -> Result<Option<String>, String> {
    let namespace = &sources.namespace;
    if let Some(from) = &from.config_map_key_ref {
        let optional = from.optional.unwrap_or(false);
        let Some(map) = sources.config_maps.get(&from.name) else {
            return absent(optional, || format!("configmap {:?} not found", from.name));
        };
        let value = map.data.as_ref().and_then(|data| data.get(&from.key)).cloned();
        return match value {
            Some(value) => Ok(Some(value)),
            None => absent(optional, || {
                format!("couldn't find key {} in ConfigMap {namespace}/{}", from.key, from.name)
            }),
        };
    }
    if let Some(from) = &from.secret_key_ref {
        let optional = from.optional.unwrap_or(false);
        let Some(secret) = sources.secrets.get(&from.name) else {
            return absent(optional, || format!("secret {:?} not found", from.name));
        };
        let value = secret.data.as_ref().and_then(|data| data.get(&from.key));
        return match value {
            Some(value) => Ok(Some(String::from_utf8_lossy(&value.0).into_owned())),
            None => absent(optional, || {
                format!("couldn't find key {} in Secret {namespace}/{}", from.key, from.name)
            }),
        };
    }
    if let Some(from) = &from.field_ref {
        return downward::field(pod, sources, from).map(Some);
    }
    if let Some(from) = &from.resource_field_ref {
        return downward::resource(container, from).map(Some);
    }
    Err("a variable's valueFrom names no source that this node knows".to_owned())
}

fn absent(optional: bool, message: impl Fn() -> String) -> Result<Option<String>, String> {
    if optional { Ok(None) } else { Err(message()) }
}

/// `$(NAME)` becomes the value if there is one and stays as it is if not; `$$` is a `$`.
pub(crate) fn expand(text: &str, value: impl Fn(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(dollar) = rest.find('$') {
        out.push_str(&rest[..dollar]);
        rest = &rest[dollar + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some((name, after)) =
            rest.strip_prefix('(').and_then(|inner| inner.split_once(')'))
        {
            match value(name) {
                Some(value) => out.push_str(&value),
                None => out.push_str(&format!("$({name})")),
            }
            rest = after;
        } else {
            out.push('$');
        }
    }
    out.push_str(rest);
    out
}

/// A command or argument list with its variables filled in.
pub(crate) fn expand_all(list: Option<&Vec<String>>, vars: &[(String, String)]) -> Vec<String> {
    let value =
        |name: &str| vars.iter().find(|(have, _)| have == name).map(|(_, value)| value.clone());
    list.into_iter().flatten().map(|text| expand(text, value)).collect()
}

#[cfg(test)]
mod tests;
