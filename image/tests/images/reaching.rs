//! How registries are reached: logins one after the other, mirrors, no TLS, certificates of their own.

use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use rouse_image::{Error, Logins, Reference, Registries, RegistryOptions, Store, silent};
use serde_json::json;

use crate::registry::Registry;

fn open(dir: &Path, registries: Registries) -> Store {
    let options = RegistryOptions {
        resolve_timeout: Duration::from_secs(20),
        docker_config: Some(dir.join("docker")),
        docker_engine: None,
        registries,
        ..RegistryOptions::default()
    };
    Store::open_with(dir.join("images"), options).unwrap()
}

/// The configuration in a file with this text.
fn configured(dir: &Path, text: &str) -> Registries {
    let file = dir.join("registries.conf");
    std::fs::write(&file, text).unwrap();
    Registries::read(&file).unwrap()
}

fn reference(text: &str) -> Reference {
    text.parse().unwrap()
}

fn logins(auths: &serde_json::Value) -> Logins {
    let mut logins = Logins::default();
    logins.add(".dockerconfigjson", json!({ "auths": auths }).to_string().as_bytes()).unwrap();
    logins
}

#[tokio::test]
async fn each_login_is_tried_until_one_opens_the_image() {
    for tokens in [false, true] {
        let registry = Registry::start().await;
        let pushed = registry.push("team/app", "v1", &[&[("f", "1")]]);
        let host = registry.host();
        if tokens {
            registry.give_tokens();
            registry.require_token("team/app");
        } else {
            registry.require_login("team/app", "ann", "secret");
        }
        let auths = json!({
            format!("{host}/team"): { "username": "bob", "password": "old" },
            host.clone(): { "username": "ann", "password": "secret" },
        });
        let dir = tempfile::tempdir().unwrap();
        let name = reference(&registry.name("team/app:v1"));
        let store = open(dir.path(), Registries::default());
        let refused = store.resolve(&name).await.unwrap_err();
        assert!(matches!(refused, Error::Unauthorized { .. }), "{refused}");
        let told = refused.to_string();
        assert!(told.contains("docker login") && told.contains("imagePullSecrets"), "{told}");
        let store = store.with_logins(logins(&auths));
        assert_eq!(store.resolve(&name).await.unwrap().digest.as_str(), pushed, "{tokens}");
        store.pull(&name, &silent()).await.unwrap();
    }
}

#[tokio::test]
async fn identity_tokens_are_exchanged_and_registry_tokens_are_sent() {
    let registry = Registry::start().await;
    registry.push("team/app", "v1", &[&[("f", "1")]]);
    registry.give_tokens();
    registry.require_token("team/app");
    let name = reference(&registry.name("team/app:v1"));
    for (login, opens) in [
        (json!({ "identitytoken": "lasting" }), true),
        (json!({ "identitytoken": "gone" }), false),
        (json!({ "registrytoken": "good" }), true),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let auths = json!({ registry.host(): login });
        let store = open(dir.path(), Registries::default()).with_logins(logins(&auths));
        assert_eq!(store.resolve(&name).await.is_ok(), opens, "{auths}");
    }
}

#[tokio::test]
async fn a_login_that_is_no_longer_valid_does_not_hide_what_is_public() {
    let registry = Registry::start().await;
    registry.push("public", "v1", &[&[("f", "1")]]);
    registry.push("private", "v1", &[&[("f", "1")]]);
    registry.give_tokens();
    registry.require_token("private");
    let dir = tempfile::tempdir().unwrap();
    let auths = json!({ registry.host(): { "username": "ann", "password": "old" } });
    let store = open(dir.path(), Registries::default()).with_logins(logins(&auths));
    store.resolve(&reference(&registry.name("public:v1"))).await.unwrap();
    store.resolve(&reference(&registry.name("private:v1"))).await.unwrap_err();
}

#[tokio::test]
async fn a_mirror_is_asked_first_and_its_registry_when_the_mirror_fails() {
    let (mirror, origin) = (Registry::start().await, Registry::start().await);
    let mirrored = mirror.push("hub/team/app", "v1", &[&[("f", "mirror")]]);
    let original = origin.push("team/app", "v1", &[&[("f", "origin")]]);
    origin.push("team/other", "v1", &[&[("f", "other")]]);
    let dir = tempfile::tempdir().unwrap();
    let text = format!(
        "[[registry]]\nprefix = \"registry.example\"\nlocation = \"{}\"\n\
         [[registry.mirror]]\nlocation = \"{}/hub\"\n",
        origin.host(),
        mirror.host()
    );
    let store = open(dir.path(), configured(dir.path(), &text));
    let resolved = store.resolve(&reference("registry.example/team/app:v1")).await.unwrap();
    assert_eq!(resolved.digest.as_str(), mirrored);
    assert_eq!(resolved.pinned, format!("registry.example/team/app@{mirrored}"));
    let image = store.pull(&reference(&resolved.pinned), &silent()).await.unwrap();
    assert_eq!(image.digest.as_str(), mirrored);
    // What the mirror does not have, and all of a mirror that is broken or gone.
    store.pull(&reference("registry.example/team/other:v1"), &silent()).await.unwrap();
    let name = reference("registry.example/team/app:v1");
    mirror.answer_all(Some(503));
    assert_eq!(store.resolve(&name).await.unwrap().digest.as_str(), original);
    mirror.stop().await;
    assert_eq!(store.resolve(&name).await.unwrap().digest.as_str(), original);
    // The registry's error counts.
    let error = store.resolve(&reference("registry.example/none")).await.unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "{error}");
    let blocked =
        configured(dir.path(), "[[registry]]\nprefix = \"registry.example\"\nblocked = true\n");
    let error = open(dir.path(), blocked).resolve(&reference("registry.example/none")).await;
    assert!(matches!(error, Err(Error::Blocked { .. })), "{error:?}");
}

/// A registry that takes connections and says nothing.
async fn silent_registry() -> tokio::net::TcpListener {
    tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap()
}

#[tokio::test]
async fn a_mirror_that_hangs_leaves_time_for_the_next_and_the_registry() {
    let (hanging, origin) = (silent_registry().await, Registry::start().await);
    let pushed = origin.push("team/app", "v1", &[&[("f", "origin")]]);
    let dir = tempfile::tempdir().unwrap();
    let hanging = hanging.local_addr().unwrap();
    let text = format!(
        "[[registry]]\nprefix = \"registry.example\"\nlocation = \"{}\"\n\
         [[registry.mirror]]\nlocation = \"{hanging}/a\"\n\
         [[registry.mirror]]\nlocation = \"{hanging}/b\"\n",
        origin.host(),
    );
    let store = open(dir.path(), configured(dir.path(), &text));
    let store = store.asking(Logins::default(), Duration::from_secs(6));
    let resolved = store.resolve(&reference("registry.example/team/app:v1")).await.unwrap();
    assert_eq!(resolved.digest.as_str(), pushed);
}

/// Set in the process that finds credential helpers.
const WITH_HELPERS: &str = "TEST_WITH_HELPERS";

/// Runs a test of this file again, in a process that finds a program `docker-credential-NAME`, which writes down that it
/// runs in the file `ran` beside it.
fn with_helper(test: &str, name: &str, script: &str) {
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join(format!("docker-credential-{name}"));
    let script = format!("#!/bin/sh\necho ran >> {}/ran\n{script}\n", dir.path().display());
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", dir.path().display(), std::env::var("PATH").unwrap());
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test])
        .env("PATH", path)
        .env(WITH_HELPERS, dir.path())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && told.contains("1 passed"), "{told}");
}

#[tokio::test]
async fn a_helper_runs_only_when_no_other_login_opens_the_image() {
    let Some(helpers) = std::env::var_os(WITH_HELPERS) else {
        let test = "reaching::a_helper_runs_only_when_no_other_login_opens_the_image";
        let script = "echo '{\"Username\":\"ann\",\"Secret\":\"secret\"}'";
        return with_helper(test, "test", script);
    };
    let runs = || std::fs::read_to_string(Path::new(&helpers).join("ran")).unwrap_or_default();
    let registry = Registry::start().await;
    registry.push("public/app", "v1", &[&[("f", "1")]]);
    registry.push("team/app", "v1", &[&[("f", "1")]]);
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("docker")).unwrap();
    std::fs::write(dir.path().join("docker/config.json"), r#"{"credsStore":"test"}"#).unwrap();
    let store = open(dir.path(), Registries::default());
    store.resolve(&reference(&registry.name("public/app:v1"))).await.unwrap();
    assert_eq!(runs(), "", "the registry asks for no login");
    registry.require_login("team/app", "ann", "secret");
    let name = reference(&registry.name("team/app:v1"));
    let auths = json!({ registry.host(): { "username": "ann", "password": "secret" } });
    store.with_logins(logins(&auths)).resolve(&name).await.unwrap();
    assert_eq!(runs(), "", "the login of the request opens it");
    store.resolve(&name).await.unwrap();
    assert_eq!(runs(), "ran\n");
}

#[tokio::test]
async fn a_helper_that_hangs_leaves_time_to_ask_without_a_login() {
    if std::env::var_os(WITH_HELPERS).is_none() {
        let test = "reaching::a_helper_that_hangs_leaves_time_to_ask_without_a_login";
        return with_helper(test, "hang", "exec sleep 600");
    }
    let registry = Registry::start().await;
    registry.push("public/app", "v1", &[&[("f", "1")]]);
    registry.push("private/app", "v1", &[&[("f", "1")]]);
    registry.give_tokens();
    registry.require_token("private/app");
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("docker")).unwrap();
    std::fs::write(dir.path().join("docker/config.json"), r#"{"credsStore":"hang"}"#).unwrap();
    let store = open(dir.path(), Registries::default());
    let store = store.asking(Logins::default(), Duration::from_secs(4));
    store.resolve(&reference(&registry.name("public/app:v1"))).await.unwrap();
}

#[tokio::test]
async fn a_registry_on_this_machine_may_have_a_certificate_of_its_own() {
    let (registry, _) = Registry::start_encrypted().await;
    let pushed = registry.push("team/app", "v1", &[&[("f", "1")]]);
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), Registries::default());
    let name = reference(&registry.name("team/app:v1"));
    assert_eq!(store.resolve(&name).await.unwrap().digest.as_str(), pushed);
    store.pull(&name, &silent()).await.unwrap();
}

/// An address that leads to this machine, although it is not one of loopback: registries there count as elsewhere.
const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

#[tokio::test]
async fn a_registry_elsewhere_is_trusted_by_configuration_alone() {
    let (encrypted, authority) = Registry::start_encrypted_at(ELSEWHERE).await;
    let plain = Registry::start_at(ELSEWHERE).await;
    for (registry, with_authority) in [(&encrypted, true), (&plain, false)] {
        let pushed = registry.push("team/app", "v1", &[&[("f", "1")]]);
        let name = reference(&registry.name("team/app:v1"));
        let dir = tempfile::tempdir().unwrap();
        let error = open(dir.path(), Registries::default()).resolve(&name).await.unwrap_err();
        assert!(matches!(error, Error::Untrusted { .. }), "{error}");
        assert!(error.to_string().contains("--insecure-registry"), "{error}");

        let mut insecure = Registries::default();
        insecure.allow_insecure(&registry.host()).unwrap();
        let resolved = open(dir.path(), insecure).resolve(&name).await.unwrap();
        assert_eq!(resolved.digest.as_str(), pushed);

        let text = format!("[[registry]]\nlocation = \"{}\"\n", registry.host());
        let registries = configured(dir.path(), &format!("{text}insecure = true\n"));
        open(dir.path(), registries).pull(&name, &silent()).await.unwrap();

        if with_authority {
            let dir = tempfile::tempdir().unwrap();
            let folder = dir.path().join("certs.d").join(registry.host());
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("ca.crt"), &authority).unwrap();
            let registries = configured(dir.path(), &text);
            open(dir.path(), registries).pull(&name, &silent()).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_registry_that_is_overloaded_or_gone_is_a_passing_failure_and_a_missing_image_is_not() {
    let registry = Registry::start().await;
    let name = reference(&registry.name("team/app:v1"));
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), Registries::default());
    for (status, temporary) in [(Some(503), true), (Some(429), true), (None, false)] {
        registry.answer_all(status);
        let error = store.resolve(&name).await.unwrap_err();
        assert_eq!(error.is_temporary(), temporary, "{status:?} {error}");
    }
    registry.stop().await;
    assert!(store.resolve(&name).await.unwrap_err().is_temporary());
}
