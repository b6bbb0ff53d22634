//! The container that serves, and the pod around it.

use serde_json::{Value, json};

use super::changes::variables;
use super::json::{list, member, remove_where};
use super::references;
use crate::args::{Deploy, Environment, Port, Resources, items, quantity};
use crate::outcome::{Failure, Result};

/// Changes the pod's specification by what the flags name.
pub(super) fn apply(spec: &mut Value, args: &Deploy, image: Option<&str>) -> Result {
    if let Some(seconds) = args.resources.timeout {
        spec["timeoutSeconds"] = seconds.into();
    }
    if let Some(limit) = args.scaling.concurrency_limit {
        spec["containerConcurrency"] = limit.into();
    }
    let program = &args.program;
    if let Some(account) = &program.service_account {
        spec["serviceAccountName"] = account.as_str().into();
    }
    if let Some(secret) = &program.pull_secret {
        spec["imagePullSecrets"] = json!([{ "name": secret }]);
    }
    let Some(index) = serving_container(spec) else {
        return Err(Failure::new("the service has no container to change"));
    };
    let container = &mut spec["containers"][index];
    if let Some(image) = image {
        container["image"] = image.into();
    }
    port(container, program.port.as_ref(), program.use_http2);
    if !program.command.is_empty() {
        container["command"] = json!(program.command);
    }
    if let Some(list) = &program.args {
        container["args"] = json!(items(std::slice::from_ref(list)));
    } else if !program.arg.is_empty() {
        container["args"] = json!(program.arg);
    }
    if let Some(user) = program.user {
        member(container, "securityContext")["runAsUser"] = user.into();
    }
    resources(container, &args.resources)?;
    environment(container, &args.environment)?;
    files(spec, index, &args.environment)
}

/// The index of the container with a port, else of the first.
fn serving_container(spec: &Value) -> Option<usize> {
    let containers = spec["containers"].as_array().filter(|all| !all.is_empty())?;
    Some(containers.iter().position(|c| c.get("ports").is_some()).unwrap_or(0))
}

fn port(container: &mut Value, port: Option<&Port>, use_http2: bool) {
    if let Some(Port { number, name }) = port {
        container["ports"] = match name {
            Some(name) => json!([{ "containerPort": number, "name": name }]),
            None => json!([{ "containerPort": number }]),
        };
    }
    if use_http2 {
        let ports = list(container, "ports");
        if ports.is_empty() {
            ports.push(json!({}));
        }
        ports[0]["name"] = "h2c".into();
        if ports[0]["containerPort"].is_null() {
            ports[0]["containerPort"] = DEFAULT_PORT.into();
        }
    }
}

/// The port of a container that names none, as for Knative.
const DEFAULT_PORT: u16 = 8080;

fn resources(container: &mut Value, wanted: &Resources) -> Result {
    for (name, quantity) in [("cpu", &wanted.cpu), ("memory", &wanted.memory)] {
        if let Some(quantity) = quantity {
            member(member(container, "resources"), "limits")[name] = quantity.as_str().into();
        }
    }
    for (flag, field, lists) in
        [("limit", "limits", &wanted.limit), ("request", "requests", &wanted.request)]
    {
        for item in items(lists) {
            let pair = item.split_once('=').filter(|(name, _)| !name.is_empty());
            let (name, text) = pair.ok_or_else(|| {
                Failure::usage(format!("--{flag} {item:?}: write cpu=500m or memory=256Mi"))
            })?;
            let text = quantity(text)
                .map_err(|right| Failure::usage(format!("--{flag} {item:?}: {right}")))?;
            member(member(container, "resources"), field)[name] = text.into();
        }
    }
    Ok(())
}

fn environment(container: &mut Value, wanted: &Environment) -> Result {
    if wanted.clear_env_vars || !wanted.set_env_vars.is_empty() {
        // Those of Secrets have flags of their own.
        remove_where(container, "env", |entry| entry["valueFrom"].is_null());
    }
    let removed: Vec<_> = items(&wanted.remove_env_vars).iter().map(|n| format!("{n}-")).collect();
    for (flag, changes) in [
        ("remove-env-vars", &removed),
        ("set-env-vars", &items(&wanted.set_env_vars)),
        ("update-env-vars", &items(&wanted.update_env_vars)),
        ("env", &wanted.env),
    ] {
        variables(container, flag, changes)?;
    }
    references::env_from(container, &wanted.env_from)
}

fn files(spec: &mut Value, index: usize, wanted: &Environment) -> Result {
    if wanted.clear_secrets || !wanted.set_secrets.is_empty() {
        references::clear_secrets(spec, index);
    }
    references::remove_secrets(spec, index, &items(&wanted.remove_secrets))?;
    // Before single files, which must not be hidden by a whole folder.
    references::mounts(spec, index, &wanted.mount)?;
    references::secrets(spec, index, "set-secrets", &items(&wanted.set_secrets))?;
    references::secrets(spec, index, "update-secrets", &items(&wanted.update_secrets))
}
