//! Saved logins: by registry, by path, and from helpers.

use serde_json::json;

use super::*;

fn ann() -> Login {
    Login::Password { user: "ann".to_owned(), password: "secret".to_owned() }
}

#[test]
fn logins_are_found_under_any_spelling_of_their_registry() {
    let ann_ = json!({ "auth": "YW5uOnNlY3JldA==" });
    let named = json!({ "username": "ann", "password": "secret" });
    for (key, saved, registry, found) in [
        ("https://index.docker.io/v1/", &ann_, "docker.io", true),
        ("docker.io", &ann_, "docker.io", true),
        ("ghcr.io", &ann_, "ghcr.io", true),
        ("https://ghcr.io", &ann_, "ghcr.io", true),
        ("https://ghcr.io/v2/", &named, "ghcr.io", true),
        ("http://localhost:5000", &named, "localhost:5000", true),
        ("localhost:5001", &named, "localhost:5000", false),
        ("https://index.docker.io/v1/", &ann_, "ghcr.io", false),
        ("ghcr.io/team", &ann_, "ghcr.io", true),
        ("ghcr.io/tea", &ann_, "ghcr.io", false),
        ("ghcr.io/team/app", &ann_, "ghcr.io", true),
        ("ghcr.io/team/app/more", &ann_, "ghcr.io", false),
        ("*.dkr.ecr.*.amazonaws.com", &ann_, "1.dkr.ecr.eu-west-1.amazonaws.com", true),
        ("*.amazonaws.com", &ann_, "1.dkr.ecr.eu-west-1.amazonaws.com", false),
        ("reg*.example.com:5000", &ann_, "registry.example.com:5000", true),
        ("reg*.example.com:5000", &ann_, "registry.example.com:50", false),
        ("ghcr.io", &json!({ "auth": "" }), "ghcr.io", false),
        ("ghcr.io", &json!({ "username": "ann" }), "ghcr.io", false),
        ("ghcr.io", &json!({}), "ghcr.io", false),
    ] {
        let logins = in_plain(&json!({ "auths": { key: saved } }), registry, "team/app");
        let expected = if found { vec![ann()] } else { vec![] };
        assert_eq!(logins, expected, "{key} {registry}");
    }
}

#[test]
fn the_closest_login_comes_first() {
    let named = |user: &str| json!({ "username": user, "password": "p" });
    let config = json!({ "auths": {
        "*.io": named("any"), "ghcr.io": named("host"), "ghcr.io/team": named("team"),
        "ghcr.io/team/app": { "identitytoken": "app" }, "ghcr.io/other": named("other"),
    } });
    let users: Vec<String> = in_plain(&config, "ghcr.io", "team/app")
        .into_iter()
        .map(|login| match login {
            Login::Password { user, .. } => user,
            Login::Identity(token) | Login::Registry(token) => token,
        })
        .collect();
    assert_eq!(users, ["app", "team", "host", "any"]);
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
    assert_eq!(ask(program, "ghcr.io").await, Ok(Some(ann())));
    assert_eq!(ask(program, "quay.io").await, Ok(None));
    assert_eq!(ask(program, "gcr.io").await, Err("the keychain is locked".to_owned()));
    assert_eq!(ask(program, "docker.io").await, Ok(Some(Login::Identity("x".to_owned()))));
    assert!(ask("/nowhere/helper", "ghcr.io").await.is_err());
}
