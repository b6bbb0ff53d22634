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
/// The user name that marks an identity token, which Rouse does not use.
const TOKEN_USER: &str = "<token>";

/// The login for a registry: from Docker's `config.json`, or from the helper that it names.
pub(super) async fn saved(docker_config: &Path, registry: &str) -> Option<Login> {
    let config = std::fs::read(docker_config.join("config.json")).ok()?;
    let config: Value = match serde_json::from_slice(&config) {
        Ok(config) => config,
        Err(error) => {
            let path = docker_config.join("config.json");
            tracing::warn!(path = %path.display(), %error, "Docker's saved logins cannot be read");
            return None;
        }
    };
    if let Some(login) = in_plain(&config, registry) {
        return Some(login);
    }
    let helper = helper(&config, registry)?;
    match ask(&format!("docker-credential-{helper}"), registry).await {
        Ok(login) => login,
        Err(why) => {
            tracing::warn!(helper, registry, why, "a credential helper has no login");
            None
        }
    }
}

pub(super) fn in_plain(config: &Value, registry: &str) -> Option<Login> {
    let auths = config.get("auths")?.as_object()?;
    // The exact key goes before other spellings.
    let exact = auths.get(registry);
    let others =
        auths.iter().filter(|(key, _)| host(key) == host(registry)).map(|(_, saved)| saved);
    exact.into_iter().chain(others).find_map(of_entry)
}

fn of_entry(saved: &Value) -> Option<Login> {
    let text = |name: &str| saved.get(name)?.as_str().filter(|text| !text.is_empty());
    if let Some(encoded) = text("auth") {
        let decoded = base64::engine::general_purpose::STANDARD.decode(encoded).ok()?;
        let decoded = String::from_utf8(decoded).ok()?;
        let (user, password) = decoded.split_once(':')?;
        // Docker may pad the password with NUL bytes.
        let password = password.trim_end_matches('\0');
        return Some(Login { user: user.to_owned(), password: password.to_owned() });
    }
    Some(Login { user: text("username")?.to_owned(), password: text("password")?.to_owned() })
}

/// The host in a key of `auths`, with its port; one name for all hosts of Docker Hub.
fn host(key: &str) -> &str {
    let rest = key.split_once("://").map_or(key, |(_, rest)| rest);
    match rest.split('/').next().unwrap_or(rest) {
        "index.docker.io" | "registry-1.docker.io" => "docker.io",
        host => host,
    }
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
    if answer.username == TOKEN_USER {
        return Err("it keeps an identity token, which is not used: log in with a password or an access token".to_owned());
    }
    Ok(Some(Login { user: answer.username, password: answer.secret }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn logins_are_found_under_any_spelling_of_their_registry() {
        let ann = json!({ "auth": "YW5uOnNlY3JldA==" });
        let named = json!({ "username": "ann", "password": "secret" });
        for (key, saved, registry, found) in [
            ("https://index.docker.io/v1/", &ann, "docker.io", true),
            ("docker.io", &ann, "docker.io", true),
            ("ghcr.io", &ann, "ghcr.io", true),
            ("https://ghcr.io", &ann, "ghcr.io", true),
            ("https://ghcr.io/v2/", &named, "ghcr.io", true),
            ("http://localhost:5000", &named, "localhost:5000", true),
            ("localhost:5001", &named, "localhost:5000", false),
            ("https://index.docker.io/v1/", &ann, "ghcr.io", false),
            ("ghcr.io", &json!({ "auth": "" }), "ghcr.io", false),
            ("ghcr.io", &json!({ "username": "ann" }), "ghcr.io", false),
            ("ghcr.io", &json!({}), "ghcr.io", false),
        ] {
            let login = in_plain(&json!({ "auths": { key: saved } }), registry);
            let login = login.map(|login| (login.user, login.password));
            let expected = found.then(|| ("ann".to_owned(), "secret".to_owned()));
            assert_eq!(login, expected, "{key} {registry}");
        }
    }

    #[test]
    fn a_helper_of_the_registry_comes_before_the_default() {
        let config = json!({ "credsStore": "pass", "credHelpers": { "https://ghcr.io": "gh" } });
        assert_eq!(helper(&config, "ghcr.io"), Some("gh"));
        assert_eq!(helper(&config, "docker.io"), Some("pass"));
        assert_eq!(helper(&json!({ "credsStore": "../evil" }), "docker.io"), None);
        assert_eq!(helper(&json!({}), "docker.io"), None);
    }

    #[tokio::test]
    async fn a_helper_is_asked_by_its_protocol() {
        use std::os::unix::fs::PermissionsExt as _;

        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("docker-credential-test");
        let script = r#"#!/bin/sh
read -r registry || true
case "$1 $registry" in
"get ghcr.io") echo '{"ServerURL":"ghcr.io","Username":"ann","Secret":"secret"}' ;;
"get https://index.docker.io/v1/") echo '{"Username":"<token>","Secret":"x"}' ;;
"get quay.io") echo "credentials not found in native keychain"; exit 1 ;;
*) echo "the keychain is locked"; exit 1 ;;
esac
"#;
        std::fs::write(&program, script).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let program = program.to_str().unwrap();
        let asked = async |registry| {
            let login = ask(program, registry).await;
            login.map(|login| login.map(|login| (login.user, login.password)))
        };
        let ann = ("ann".to_owned(), "secret".to_owned());
        assert_eq!(asked("ghcr.io").await, Ok(Some(ann)));
        assert_eq!(asked("quay.io").await, Ok(None));
        assert_eq!(asked("gcr.io").await, Err("the keychain is locked".to_owned()));
        assert!(asked("docker.io").await.unwrap_err().contains("identity token"));
        assert!(ask("/nowhere/helper", "ghcr.io").await.is_err());
    }
}
