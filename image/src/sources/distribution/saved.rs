//! Logins that `docker login` saved: in clear in `config.json`, or with a credential helper that it names.
//!
//! Clients have saved them under a host, under `https://HOST`, and under the address of an API; all are found by the host.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use serde::Deserialize;
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::login::Login;

/// The key of Docker Hub's login: the address of its first API.
const HUB: &str = "https://index.docker.io/v1/";
/// Longest wait for a helper, which may ask a network service.
const HELPER_TIMEOUT: Duration = Duration::from_secs(20);
/// The user name by which helpers mark an identity token.
const TOKEN_USER: &str = "<token>";

/// The logins for a repository in Docker's `config.json`, the closest first; the helper that it names comes last.
pub(super) async fn saved(docker_config: &Path, registry: &str, repository: &str) -> Vec<Login> {
    let Ok(config) = std::fs::read(docker_config.join("config.json")) else { return Vec::new() };
    let config: Value = match serde_json::from_slice(&config) {
        Ok(config) => config,
        Err(error) => {
            let path = docker_config.join("config.json");
            tracing::warn!(path = %path.display(), %error, "Docker's saved logins cannot be read");
            return Vec::new();
        }
    };
    let mut logins = in_plain(&config, registry, repository);
    if let Some(helper) = helper(&config, registry) {
        match ask(&format!("docker-credential-{helper}"), registry).await {
            Ok(login) => logins.extend(login),
            Err(why) => tracing::warn!(helper, registry, why, "a credential helper has no login"),
        }
    }
    logins
}

/// The logins for a repository that `auths` holds. Its keys are hosts, addresses, hosts with a path, or
/// hosts with `*`, as the kubelet reads them; the closest comes first.
pub(super) fn in_plain(config: &Value, registry: &str, repository: &str) -> Vec<Login> {
    let auths = config.get("auths").and_then(Value::as_object);
    let mut found: Vec<(bool, usize, Login)> = auths
        .into_iter()
        .flatten()
        .filter_map(|(key, saved)| {
            let (pattern, path) = parts(key);
            let fits = matches(pattern, host(registry)) && is_above(path, repository);
            let login = of_entry(saved).filter(|_| fits)?;
            Some((!pattern.contains('*'), path.len(), login))
        })
        .collect();
    found.sort_by_key(|(exact, path, _)| std::cmp::Reverse((*path, *exact)));
    found.into_iter().map(|(_, _, login)| login).collect()
}

fn of_entry(saved: &Value) -> Option<Login> {
    let text = |name: &str| saved.get(name)?.as_str().filter(|text| !text.is_empty());
    if let Some(token) = text("identitytoken") {
        return Some(Login::Identity(token.to_owned()));
    }
    if let Some(token) = text("registrytoken") {
        return Some(Login::Registry(token.to_owned()));
    }
    if let Some(encoded) = text("auth") {
        let decoded = base64::engine::general_purpose::STANDARD.decode(encoded).ok()?;
        let decoded = String::from_utf8(decoded).ok()?;
        let (user, password) = decoded.split_once(':')?;
        // Docker may pad the password with NUL bytes.
        let password = password.trim_end_matches('\0');
        return Some(Login::Password { user: user.to_owned(), password: password.to_owned() });
    }
    let (user, password) = (text("username")?.to_owned(), text("password")?.to_owned());
    Some(Login::Password { user, password })
}

/// The host, with its port, and the path in a key of `auths`. The paths of APIs are none.
fn parts(key: &str) -> (&str, &str) {
    let rest = key.split_once("://").map_or(key, |(_, rest)| rest);
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let path = path.trim_matches('/');
    let path = if matches!(path, "v1" | "v2") { "" } else { path };
    (canonical(host), path)
}

fn host(key: &str) -> &str {
    parts(key).0
}

/// One name for all hosts of Docker Hub.
fn canonical(host: &str) -> &str {
    match host {
        "index.docker.io" | "registry-1.docker.io" => "docker.io",
        host => host,
    }
}

/// Whether a host fits a pattern, in which `*` stands for characters within one label.
fn matches(pattern: &str, host: &str) -> bool {
    let (patterns, labels) = (pattern.split('.'), host.split('.'));
    patterns.clone().count() == labels.clone().count()
        && patterns.zip(labels).all(|(pattern, label)| match pattern.split_once('*') {
            None => pattern == label,
            Some((before, after)) => label
                .strip_prefix(before)
                .is_some_and(|rest| rest.len() >= after.len() && rest.ends_with(after)),
        })
}

/// Whether a path is a repository or a folder above it.
fn is_above(path: &str, repository: &str) -> bool {
    let rest = repository.strip_prefix(path);
    rest.is_some_and(|rest| path.is_empty() || rest.is_empty() || rest.starts_with('/'))
}

/// The helper of a registry, else the default helper.
fn helper<'a>(config: &'a Value, registry: &str) -> Option<&'a str> {
    let of = config.get("credHelpers").and_then(Value::as_object).into_iter().flatten();
    let mut of = of.filter(|(key, _)| host(key) == host(registry));
    let named = of.next().map(|(_, helper)| helper).or(config.get("credsStore"));
    // It becomes part of a program's name, so it may not be a path.
    named?.as_str().filter(|name| !name.is_empty() && !name.contains('/'))
}

/// A helper's answer to `get`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: String,
}

/// Asks a helper's program for the login of a registry; an error says why there is none.
async fn ask(program: &str, registry: &str) -> Result<Option<Login>, String> {
    let key = if registry == "docker.io" { HUB } else { registry };
    let mut child = Command::new(program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("{program}: {error}"))?;
    let asking = async {
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(key.as_bytes()).await?;
        }
        child.wait_with_output().await
    };
    let output = tokio::time::timeout(HELPER_TIMEOUT, asking).await;
    let output = output.map_err(|_over| "it does not answer".to_owned())?;
    let output = output.map_err(|error| error.to_string())?;
    if !output.status.success() {
        // By the protocol the reason is in the output.
        let said = String::from_utf8_lossy(&output.stdout);
        let said = said.trim();
        let unknown = said.contains("credentials not found");
        return if unknown { Ok(None) } else { Err(said.chars().take(200).collect()) };
    }
    let answer: Answer =
        serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())?;
    Ok(Some(if answer.username == TOKEN_USER {
        Login::Identity(answer.secret)
    } else {
        Login::Password { user: answer.username, password: answer.secret }
    }))
}

#[cfg(test)]
mod tests;
