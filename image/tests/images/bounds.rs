//! Answers of registries beyond their limits are refused, in time, and with the next step.

use std::io::Write;
use std::time::Duration;

use rouse_image::{Bound, Digest, Error, Reference, RegistryOptions, Store, silent};
use serde_json::json;

use crate::hostile::{Answer, Hostile};
use crate::registry::image;

const NOW: Duration = Duration::ZERO;
const MIB: usize = 1 << 20;

fn store(dir: &tempfile::TempDir) -> Store {
    let options = RegistryOptions {
        document_timeout: Duration::from_secs(2),
        stall_timeout: Duration::from_millis(400),
        docker_config: None,
        ..RegistryOptions::default()
    };
    Store::open_with(dir.path().join("images"), options).unwrap()
}

/// Pulls an image that must be refused; returns the limit that it exceeded. Nothing of it is left.
async fn refused(registry: &Hostile) -> Bound {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir);
    let name: Reference = registry.name("team/app:v1").parse().unwrap();
    let silent = silent();
    let pulling = store.pull(&name, &silent);
    let pulled = tokio::time::timeout(Duration::from_secs(60), pulling).await;
    let error = pulled.expect("it ends").expect_err("it is refused");
    let told = error.to_string();
    let Error::Exceeded { bound, .. } = error else { panic!("no limit: {told}") };
    // Which image, what was exceeded, what to do.
    assert!(told.contains("team/app:v1"), "{told}");
    assert!(told.contains(&bound.to_string()) && told.ends_with(bound.remedy()), "{told}");
    for folder in ["tmp", "rootfs", "blobs/sha256"] {
        let left = std::fs::read_dir(store.dir().join(folder)).unwrap().count();
        assert_eq!(left, 0, "{folder}: {told}");
    }
    assert!(store.list().unwrap().is_empty());
    bound
}

fn descriptor(media_type: &str, bytes: &[u8]) -> serde_json::Value {
    json!({
        "mediaType": format!("application/vnd.oci.image.{media_type}"),
        "digest": Digest::of(bytes), "size": bytes.len(),
    })
}

/// Serves the manifest of an image with this configuration and these layers.
fn serve(registry: &Hostile, config: &serde_json::Value, layers: &[serde_json::Value]) {
    let manifest = json!({"schemaVersion": 2, "config": config, "layers": layers});
    registry.says("team/app/manifests/v1", Answer::ok(manifest.to_string()));
}

fn config(registry: &Hostile) -> serde_json::Value {
    let config = json!({
        "architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []},
    });
    let config = config.to_string().into_bytes();
    blob(registry, &config);
    descriptor("config.v1+json", &config)
}

fn blob(registry: &Hostile, bytes: &[u8]) {
    registry.says(format!("team/app/blobs/{}", Digest::of(bytes)), Answer::ok(bytes));
}

#[tokio::test]
async fn a_manifest_index_or_configuration_has_8_mib_and_no_more() {
    let spaces = vec![b' '; MIB];
    let manifest = |max| Bound::Document { what: "manifest", max };
    let max = 8 << 20;

    let registry = Hostile::start().await;
    registry.says("team/app/manifests/v1", Answer::endless("200 OK", b"{", &spaces, NOW));
    assert_eq!(refused(&registry).await, manifest(max));
    assert!(registry.sent() < 32 << 20, "{} bytes were taken", registry.sent());
    registry.says("team/app/manifests/v1", Answer::announcing(1 << 40));
    assert_eq!(refused(&registry).await, manifest(max));

    // By way of an index.
    let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let mut entry = descriptor("manifest.v1+json", b"x");
    entry["platform"] = json!({"os": "linux", "architecture": arch});
    let index = json!({"schemaVersion": 2, "manifests": [entry]});
    registry.says("team/app/manifests/v1", Answer::ok(index.to_string()));
    let path = format!("team/app/manifests/{}", Digest::of(b"x"));
    registry.says(path, Answer::endless("200 OK", b"{", &spaces, NOW));
    assert_eq!(refused(&registry).await, manifest(max));

    let mut config = descriptor("config.v1+json", b"x");
    config["size"] = json!(max + 1);
    serve(&registry, &config, &[]);
    assert_eq!(refused(&registry).await, Bound::Document { what: "configuration", max });
}

#[tokio::test]
async fn resolving_a_tag_reads_no_more_of_a_manifest_either() {
    let registry = Hostile::start().await;
    // Without a digest in the answer to HEAD, the manifest is read.
    registry.says("team/app/manifests/v1", Answer::endless("200 OK", b"{", &vec![b' '; MIB], NOW));
    let dir = tempfile::tempdir().unwrap();
    let name: Reference = registry.name("team/app:v1").parse().unwrap();
    let error = store(&dir).resolve(&name).await.unwrap_err();
    assert!(matches!(error, Error::Exceeded { bound: Bound::Document { .. }, .. }), "{error}");
}

#[tokio::test]
async fn a_refusal_is_read_to_64_kib() {
    let registry = Hostile::start().await;
    let status = "500 Internal Server Error";
    registry.says("team/app/manifests/v1", Answer::endless(status, b"no", &vec![b'!'; MIB], NOW));
    let dir = tempfile::tempdir().unwrap();
    let name: Reference = registry.name("team/app:v1").parse().unwrap();
    let error = store(&dir).pull(&name, &silent()).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error}");
    assert!(error.to_string().len() < 1000, "{error}");
    assert!(registry.sent() < 32 << 20, "{} bytes were taken", registry.sent());
}

#[tokio::test]
async fn a_token_has_a_mib_and_no_more() {
    let registry = Hostile::start().await;
    let realm = format!("www-authenticate: Bearer realm=\"http://{}/token\"\r\n", registry.address);
    registry.says("", Answer::new("401 Unauthorized", &realm, ""));
    registry.says("token", Answer::endless("200 OK", b"{", &vec![b' '; MIB], NOW));
    assert_eq!(refused(&registry).await, Bound::Document { what: "token", max: 1 << 20 });
    assert!(registry.sent() < 32 << 20, "{} bytes were taken", registry.sent());
}

#[tokio::test]
async fn a_registry_that_drips_is_given_up() {
    let registry = Hostile::start().await;
    let drip = Duration::from_millis(20);
    registry.says("team/app/manifests/v1", Answer::endless("200 OK", b"{", b" ", drip));
    assert_eq!(refused(&registry).await, Bound::DocumentTime { what: "manifest", seconds: 2 });

    let mut layer = descriptor("layer.v1.tar", b"layer");
    layer["size"] = json!(1 << 30);
    let path = format!("team/app/blobs/{}", Digest::of(b"layer"));
    registry.says(path, Answer::endless("200 OK", b"", b"x", drip));
    // As the configuration, because what came before a slow layer is kept.
    let config = layer.clone();
    serve(&registry, &json!({"mediaType": "x", "digest": config["digest"], "size": 100}), &[]);
    let blob = Digest::of(b"layer");
    assert_eq!(refused(&registry).await, Bound::LayerTime { blob, seconds: 0 });
}

#[tokio::test]
async fn a_layer_has_the_size_that_is_announced() {
    let registry = Hostile::start().await;
    let config = config(&registry);
    let layer = image::layer(&[("f", "1")]);
    let path = format!("team/app/blobs/{}", Digest::of(&layer));
    serve(&registry, &config, &[descriptor("layer.v1.tar", &layer)]);
    let bound = Bound::LongerThanAnnounced { blob: Digest::of(&layer), size: layer.len() as u64 };
    registry.says(&path, Answer::endless("200 OK", &layer, &vec![0; MIB], NOW));
    assert_eq!(refused(&registry).await, bound);
    assert!(registry.sent() < 32 << 20, "{} bytes were taken", registry.sent());
    registry.says(&path, Answer::announcing(layer.len() as u64 + 1));
    assert_eq!(refused(&registry).await, bound);
}

#[tokio::test]
async fn what_a_manifest_announces_is_judged_before_it_is_fetched() {
    let registry = Hostile::start().await;
    let config = config(&registry);
    let sized = |size: u64| {
        let mut layer = descriptor("layer.v1.tar", b"never sent");
        layer["size"] = json!(size);
        layer
    };
    serve(&registry, &config, &[sized(40 << 30), sized(40 << 30)]);
    assert_eq!(refused(&registry).await, Bound::Download { max: 64 << 30 });
    serve(&registry, &config, &[sized(u64::MAX), sized(u64::MAX)]);
    assert_eq!(refused(&registry).await, Bound::Download { max: 64 << 30 });
    serve(&registry, &config, &vec![sized(1); 513]);
    assert_eq!(refused(&registry).await, Bound::Layers { layers: 513, max: 512 });
}

#[tokio::test]
async fn redirects_end() {
    let registry = Hostile::start().await;
    registry.says("team/app/manifests/v1", Answer::redirect("/v2/round"));
    registry.says("round", Answer::redirect("/v2/round"));
    assert_eq!(refused(&registry).await, Bound::Redirects { max: 5 });
}

#[tokio::test]
async fn a_small_layer_that_becomes_large_is_refused_before_it_is_written() {
    let registry = Hostile::start().await;
    let config = config(&registry);
    let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(
        Vec::new(),
        flate2::Compression::default(),
    ));
    let mut header = tar::Header::new_gnu();
    header.set_size(300 << 20);
    header.set_mode(0o644);
    tar.append_data(&mut header, "zeros", std::io::Read::take(std::io::repeat(0), 300 << 20))
        .unwrap();
    let mut gz = tar.into_inner().unwrap();
    gz.flush().unwrap();
    let layer = gz.finish().unwrap();
    blob(&registry, &layer);
    serve(&registry, &config, &[descriptor("layer.v1.tar+gzip", &layer)]);
    assert_eq!(refused(&registry).await, Bound::Ratio { times: 200 });
}
