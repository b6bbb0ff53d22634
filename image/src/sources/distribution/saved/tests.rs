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
        ("*.example.com", &ann_, "a.example.com", true),
        ("*.example.com", &ann_, "example.com", false),
        ("*.example.com", &ann_, "a.b.example.com", false),
        ("*.example.com", &ann_, "a.example.com:5000", false),
        ("*.example.com:5000", &ann_, "a.example.com:5000", true),
        ("*.example.com/team", &ann_, "a.example.com", true),
        ("*.example.com/other", &ann_, "a.example.com", false),
        ("registry.*", &ann_, "registry.lan", true),
        ("registry.*", &ann_, "registry.lan:5000", false),
        ("registry*", &ann_, "registry:5000", false),
        ("registry:*", &ann_, "registry:5000", false),
        ("*e*.example.com", &ann_, "registry.example.com", true),
        ("reg?.example.com", &ann_, "reg1.example.com", true),
        ("reg[12].example.com", &ann_, "reg1.example.com", true),
        ("reg[12].example.com", &ann_, "reg3.example.com", false),
        ("https://ghcr.io/v2/team/", &ann_, "ghcr.io", true),
        ("https://ghcr.io/v2/other/", &ann_, "ghcr.io", false),
        ("[::1]:5000", &ann_, "[::1]:5000", true),
        ("[::1]", &ann_, "[::1]:5000", false),
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
    let config = json!({ "credsStore": "pass", "credHelpers": {
        "https://ghcr.io": "gh", "ghcr.io/team": "team", "*.dkr.ecr.*.amazonaws.com": "ecr-login",
    } });
    let named = |config: &Value, registry, repository| {
        helper(config, registry, repository).map(|helper| helper.name)
    };
    for (registry, repository, name) in [
        ("ghcr.io", "a/app", "gh"),
        ("ghcr.io", "team/app", "team"),
        ("ghcr.io", "teams/app", "gh"),
        ("1.dkr.ecr.eu-west-1.amazonaws.com", "app", "ecr-login"),
        ("docker.io", "library/nginx", "pass"),
    ] {
        assert_eq!(named(&config, registry, repository).as_deref(), Some(name), "{registry}");
    }
    assert_eq!(named(&json!({ "credsStore": "../evil" }), "docker.io", "a"), None);
    assert_eq!(named(&json!({}), "docker.io", "a"), None);
}

#[test]
fn a_helper_comes_after_the_logins_in_clear() {
    let dir = tempfile::tempdir().unwrap();
    let config = json!({
        "auths": { "ghcr.io": { "username": "ann", "password": "secret" } }, "credsStore": "pass",
    });
    std::fs::write(dir.path().join("config.json"), config.to_string()).unwrap();
    let helper = Helper { name: "pass".to_owned(), registry: "ghcr.io".to_owned() };
    let expected = [Source::Here(ann()), Source::Helper(helper)];
    assert_eq!(saved(dir.path(), "ghcr.io", "team/app"), expected);
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
"get slow.io") exec sleep 600 ;;
"get quay.io") echo "credentials not found in native keychain"; exit 1 ;;
*) echo "the keychain is locked"; exit 1 ;;
esac
"#;
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let program = program.to_str().unwrap();
    let asked = async |registry| ask(program, registry, HELPER_TIMEOUT).await;
    assert_eq!(asked("ghcr.io").await, Ok(Some(ann())));
    assert_eq!(asked("quay.io").await, Ok(None));
    assert_eq!(asked("gcr.io").await, Err("the keychain is locked".to_owned()));
    assert_eq!(asked("docker.io").await, Ok(Some(Login::Identity("x".to_owned()))));
    assert!(ask("/nowhere/helper", "ghcr.io", HELPER_TIMEOUT).await.is_err());
    let hangs = ask(program, "slow.io", Duration::from_millis(50)).await.unwrap_err();
    assert_eq!(hangs, "it does not answer within 50ms");
}
