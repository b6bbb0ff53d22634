//! Resolving and pulling, against a registry on loopback that speaks the pull half of the
//! distribution protocol.

use std::sync::Arc;
use std::time::Duration;

use crate::registry::{Registry, image};
use parking_lot::Mutex;
use rouse_image::{Error, Logins, Progress, Reference, RegistryOptions, Store, silent};

fn store(dir: &tempfile::TempDir) -> Store {
    let options = RegistryOptions {
        resolve_timeout: Duration::from_millis(500),
        docker_config: Some(dir.path().join("docker")),
        ..RegistryOptions::default()
    };
    Store::open_with(dir.path().join("images"), options).unwrap()
}

fn reference(text: &str) -> Reference {
    text.parse().unwrap()
}

#[tokio::test]
async fn a_tag_is_pulled_unpacked_and_found_by_tag_and_digest() {
    let registry = Registry::start().await;
    let pushed =
        registry.push("team/digits", "v1", &[&[("app/model", "one")], &[("app/serve", "two")]]);
    let (dir, name) = (tempfile::tempdir().unwrap(), reference(&registry.name("team/digits:v1")));
    let store = store(&dir);
    let resolved = store.resolve(&name).await.unwrap();
    assert_eq!((resolved.digest.as_str(), resolved.in_store), (pushed.as_str(), false));
    assert_eq!(resolved.pinned, registry.name(&format!("team/digits@{pushed}")));

    let heard = Arc::new(Mutex::new(Vec::new()));
    let hears = heard.clone();
    let image = store.pull(&name, &(Arc::new(move |p| hears.lock().push(p)) as _)).await.unwrap();
    assert_eq!(image.digest.as_str(), pushed);
    assert_eq!(image.argv(&[], &[]), ["/app/serve", "--quick"]);
    assert_eq!((image.exposed_ports.as_slice(), image.user.as_str()), (&[8080][..], "1000"));
    let rootfs = store.rootfs(&image.digest).unwrap();
    assert_eq!(std::fs::read_to_string(rootfs.join("app/model")).unwrap(), "one");
    assert_eq!(std::fs::read_to_string(rootfs.join("app/serve")).unwrap(), "two");
    let layers_done =
        |p: &Progress| matches!(p, Progress::Layer { done, total, .. } if done == total);
    assert_eq!(
        heard.lock().iter().filter(|p| layers_done(p)).count(),
        3,
        "two layers and the configuration"
    );

    assert_eq!(store.find(&name).unwrap().unwrap().digest, image.digest);
    let pinned = reference(&resolved.pinned);
    assert_eq!(store.find(&pinned).unwrap().unwrap().digest, image.digest);
    assert!(store.resolve(&pinned).await.unwrap().in_store);
}

#[tokio::test]
async fn the_variant_for_this_machine_is_taken_from_an_index() {
    let registry = Registry::start().await;
    let here = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let index = registry.push_index("multi", "latest", &[("mips", "no"), (here, "yes")]);
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir);
    let name = reference(&registry.name("multi"));
    assert_eq!(store.resolve(&name).await.unwrap().digest.as_str(), index);
    let image = store.pull(&name, &silent()).await.unwrap();
    assert_ne!(image.digest.as_str(), index);
    // A Revision is pinned to the index; it must lead to the unpacked variant.
    let pinned = index.parse().unwrap();
    let rootfs = store.rootfs(&pinned).unwrap();
    assert_eq!(std::fs::read_to_string(rootfs.join("arch")).unwrap(), "yes");

    registry.push_index("foreign", "latest", &[("mips", "no"), ("s390x", "no")]);
    let error = store.pull(&reference(&registry.name("foreign")), &silent()).await.unwrap_err();
    assert!(error.to_string().contains("linux/mips, linux/s390x"), "{error}");
}

#[tokio::test]
async fn layers_that_are_here_are_not_fetched_again() {
    let registry = Registry::start().await;
    registry.push("a", "latest", &[&[("base", "b")], &[("own", "a")]]);
    registry.push("b", "latest", &[&[("base", "b")], &[("own", "b")]]);
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir);
    store.pull(&reference(&registry.name("a")), &silent()).await.unwrap();
    let before = registry.blobs_sent();
    store.pull(&reference(&registry.name("b")), &silent()).await.unwrap();
    // Its own layer; the base and the (equal) configuration are not fetched again.
    let layers = registry.blobs_sent() - before;
    assert!((1..=2).contains(&layers), "{layers}");
    let pulled = store.ensure(&reference(&registry.name("b")), &silent()).await.unwrap();
    assert_eq!(registry.blobs_sent() - before, layers, "{}", pulled.digest);
}

#[tokio::test]
async fn a_moved_tag_is_noticed_and_the_copy_answers_when_the_registry_is_gone() {
    let registry = Registry::start().await;
    let first = registry.push("moving", "latest", &[&[("f", "1")]]);
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir);
    let name = reference(&registry.name("moving"));
    store.pull(&name, &silent()).await.unwrap();
    let second = registry.push("moving", "latest", &[&[("f", "2")]]);
    assert_eq!(store.resolve(&name).await.unwrap().digest.as_str(), second);
    registry.stop().await;
    assert_eq!(store.resolve(&name).await.unwrap().digest.as_str(), first);
}

#[tokio::test]
async fn errors_say_what_happened_and_what_to_do() {
    let registry = Registry::start().await;
    registry.push("private", "latest", &[&[("f", "1")]]);
    registry.require_login("private", "ann", "secret");
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir);
    let resolve = async |name: String| store.resolve(&reference(&name)).await.unwrap_err();

    let error = resolve(registry.name("missing:v9")).await;
    assert!(matches!(error, Error::NotFound { .. }), "{error:?}");
    assert!(error.to_string().contains("missing:v9\" was not found"), "{error}");

    let error = resolve(registry.name("private")).await;
    assert!(matches!(error, Error::Unauthorized { .. }), "{error:?}");
    assert!(error.to_string().contains("docker login"), "{error}");

    let name = registry.name("any");
    registry.stop().await;
    let error = resolve(name).await;
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
    assert!(error.to_string().contains("refused"), "{error}");
}

#[tokio::test]
async fn a_saved_login_opens_a_private_image() {
    let registry = Registry::start().await;
    registry.push("private", "latest", &[&[("f", "1")]]);
    registry.require_login("private", "ann", "secret");
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("docker")).unwrap();
    // "ann:secret"
    let config =
        format!(r#"{{"auths": {{"{}": {{"auth": "YW5uOnNlY3JldA=="}}}}}}"#, registry.host());
    std::fs::write(dir.path().join("docker/config.json"), config).unwrap();
    store(&dir).pull(&reference(&registry.name("private")), &silent()).await.unwrap();
}

#[tokio::test]
async fn a_login_that_comes_with_the_request_opens_a_private_image() {
    let registry = Registry::start().await;
    let pushed = registry.push("private", "latest", &[&[("f", "1")]]);
    registry.require_login("private", "ann", "secret");
    let host = registry.host();
    let old = format!(r#"{{"https://{host}/v1/": {{"auth": "YW5uOnNlY3JldA=="}}}}"#);
    let new = format!(
        r#"{{"auths": {{"https://{host}": {{"username": "ann", "password": "secret"}}}}}}"#
    );
    for (name, content) in [(".dockercfg", old), (".dockerconfigjson", new)] {
        let dir = tempfile::tempdir().unwrap();
        let (store, mut logins) = (store(&dir), Logins::default());
        logins.add("tls.crt", b"of another kind").unwrap();
        assert!(logins.is_empty() && logins.add(name, b"{").is_err());
        logins.add(name, content.as_bytes()).unwrap();
        let reference = reference(&registry.name("private"));
        assert!(matches!(store.resolve(&reference).await, Err(Error::Unauthorized { .. })));
        let store = store.with_logins(logins);
        assert_eq!(store.resolve(&reference).await.unwrap().digest.as_str(), pushed, "{name}");
        store.pull(&reference, &silent()).await.unwrap();
    }
}

#[tokio::test]
async fn a_registry_that_says_nothing_is_given_up() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let name = format!("{}/slow", listener.local_addr().unwrap());
    let error = store(&dir).resolve(&reference(&name)).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
    assert!(error.to_string().contains("no answer within"), "{error}");
}

#[tokio::test]
async fn a_blob_that_is_not_what_its_digest_says_is_not_kept() {
    let registry = Registry::start().await;
    registry.push("bad", "latest", &[&[("f", "1")]]);
    registry.corrupt_layers("bad");
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir);
    let name = reference(&registry.name("bad"));
    store.pull(&name, &silent()).await.unwrap_err();
    assert!(store.find(&name).unwrap().is_none());
    assert!(store.list().unwrap().is_empty());
    let blobs = std::fs::read_dir(store.dir().join("tmp")).unwrap().count();
    assert_eq!(blobs, 0, "nothing half-written stays");
}

#[tokio::test]
async fn a_pulled_image_loads_into_docker_as_an_archive() {
    let registry = Registry::start().await;
    registry.push("a", "latest", &[&[("f", "1")]]);
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir);
    let image_ = store.pull(&reference(&registry.name("a")), &silent()).await.unwrap();
    let mut chunks = store.docker_archive(&image_.digest).unwrap();
    let mut archive = Vec::new();
    while let Some(chunk) = chunks.recv().await {
        archive.extend_from_slice(&chunk.unwrap());
    }
    let files = image::files(&archive);
    let manifest: serde_json::Value = serde_json::from_slice(&files["manifest.json"]).unwrap();
    assert_eq!(manifest[0]["RepoTags"][0], image_.docker_tag());
    assert!(files.contains_key(manifest[0]["Config"].as_str().unwrap()));
    assert!(files.contains_key(manifest[0]["Layers"][0].as_str().unwrap()));
}
