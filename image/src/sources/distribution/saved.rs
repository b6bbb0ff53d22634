//! Logins that `docker login` saved: in clear in `config.json`, or with a credential helper that it names.
//!
//! Clients have saved them under a host, under `https://HOST`, and under the address of an API; all are found by the host.
//! Keys may have wildcards and paths, which are matched as the kubelet does.

use std::io::ErrorKind;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use globset::Glob;
use serde::Deserialize;
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::login::Login;
use crate::formats::registries::split_port;

/// The key of Docker Hub's login: the address of its first API.
const HUB: &str = "https://index.docker.io/v1/";
/// Longest wait for a helper, which may ask a network service.
pub(super) const HELPER_TIMEOUT: Duration = Duration::from_secs(20);
/// The user name by which helpers mark an identity token.
const TOKEN_USER: &str = "<token>";

/// Where a login is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Here(Login),
    /// A program, which is run only when the logins before it were refused.
    Helper(Helper),
}

/// The credential helper of a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Helper {
    name: String,
    registry: String,
}

/// The logins for a repository in Docker's `config.json`, the closest first; the helper that it names comes last.
pub(super) fn saved(docker_config: &Path, registry: &str, repository: &str) -> Vec<Source> {
    let Ok(config) = std::fs::read(docker_config.join("config.json")) else { return Vec::new() };
    let config: Value = match serde_json::from_slice(&config) {
        Ok(config) => config,
        Err(error) => {
            let path = docker_config.join("config.json");
            tracing::warn!(path = %path.display(), %error, "Docker's saved logins cannot be read");
            return Vec::new();
        }
    };
    let logins = in_plain(&config, registry, repository).into_iter().map(Source::Here);
    logins.chain(helper(&config, registry, repository).map(Source::Helper)).collect()
}

/// The logins for a repository that `auths` holds, the closest first.
pub(super) fn in_plain(config: &Value, registry: &str, repository: &str) -> Vec<Login> {
    let logins = closest(config.get("auths"), registry, repository);
    logins.into_iter().filter_map(of_entry).collect()
}

/// The values of a map by registries whose keys fit a repository, the closest first: a longer path, then a host without
/// wildcards.
fn closest<'a>(map: Option<&'a Value>, registry: &str, repository: &str) -> Vec<&'a Value> {
    let wanted = Place::of(registry);
    let fitting =
        map.and_then(Value::as_object).into_iter().flatten().filter_map(|(key, value)| {
            let place = Place::of(key);
            let fits = place.fits(&wanted) && is_above(place.path, repository);
            fits.then_some(((place.path.len(), !is_pattern(place.host), place.host.len()), value))
        });
    let mut found: Vec<_> = fitting.collect();
    found.sort_by_key(|(closeness, _)| std::cmp::Reverse(*closeness));
    found.into_iter().map(|(_, value)| value).collect()
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

/// A key of a map by registries: a host or a pattern of hosts, a port, and a folder of repositories.
struct Place<'a> {
    host: &'a str,
    port: &'a str,
    path: &'a str,
}

impl<'a> Place<'a> {
    fn of(key: &'a str) -> Self {
        let rest = key.split_once("://").map_or(key, |(_, rest)| rest);
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let path = path.trim_matches('/');
        // Clients save the addresses of APIs; those are no folders.
        let (first, below) = path.split_once('/').unwrap_or((path, ""));
        let path = if matches!(first, "v1" | "v2") { below } else { path };
        let (host, port) = split_port(authority);
        Self { host: canonical(host), port, path }
    }

    /// Whether this is a registry's host. The port is never a part of a pattern.
    fn fits(&self, registry: &Place<'_>) -> bool {
        let (patterns, labels) = (self.host.split('.'), registry.host.split('.'));
        self.port == registry.port
            && patterns.clone().count() == labels.clone().count()
            && patterns.zip(labels).all(|(pattern, label)| label_fits(pattern, label))
    }
}

fn is_pattern(host: &str) -> bool {
    host.contains(['*', '?', '[']) && !host.starts_with('[')
}

/// Whether a label of a host fits a pattern, which stands for characters within it only.
fn label_fits(pattern: &str, label: &str) -> bool {
    if !is_pattern(pattern) {
        return pattern == label;
    }
    Glob::new(pattern).is_ok_and(|glob| glob.compile_matcher().is_match(label))
}

/// One name for all hosts of Docker Hub.
fn canonical(host: &str) -> &str {
    match host {
        "index.docker.io" | "registry-1.docker.io" => "docker.io",
        host => host,
    }
}

/// Whether a path is a repository or a folder above it.
fn is_above(path: &str, repository: &str) -> bool {
    let rest = repository.strip_prefix(path);
    rest.is_some_and(|rest| path.is_empty() || rest.is_empty() || rest.starts_with('/'))
}

/// The helper of a registry, else the default helper.
fn helper(config: &Value, registry: &str, repository: &str) -> Option<Helper> {
    let own = closest(config.get("credHelpers"), registry, repository);
    let name = own.first().copied().or(config.get("credsStore"))?.as_str()?;
    // It becomes part of a program's name, so it may not be a path.
    let is_name = !name.is_empty() && !name.contains('/');
    is_name.then(|| Helper { name: name.to_owned(), registry: registry.to_owned() })
}

impl Helper {
    /// Runs the program, for at most this long; a failure is logged.
    pub(super) async fn ask(&self, limit: Duration) -> Option<Login> {
        let Self { name, registry } = self;
        match ask(&format!("docker-credential-{name}"), registry, limit).await {
            Ok(login) => login,
            Err(why) => {
                tracing::warn!(helper = name, registry, why, "a credential helper has no login");
                None
            }
        }
    }
}

/// A helper's answer to `get`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: String,
}

/// Asks a helper's program for the login of a registry; an error says why there is none.
async fn ask(program: &str, registry: &str, limit: Duration) -> Result<Option<Login>, String> {
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
            match stdin.write_all(key.as_bytes()).await {
                // It has one login, and does not read for whom.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
                written => written?,
            }
        }
        child.wait_with_output().await
    };
    let output = tokio::time::timeout(limit, asking).await;
    let output = output.map_err(|_over| format!("it does not answer within {limit:?}"))?;
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
