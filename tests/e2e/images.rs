//! `rouse images` as a person types it.

use anyhow::{Context, ensure};
use rouse_tests::Platform;
use serde_json::Value;

use crate::docker;
use crate::fixtures::{platform as with_image, server};

fn listed(platform: &Platform) -> anyhow::Result<Vec<Value>> {
    Ok(serde_json::from_str(&platform.rouse_ok("images -o json")?)?)
}

#[test]
fn images_are_listed_with_their_sizes_and_users_and_unused_ones_are_pruned() -> anyhow::Result<()> {
    let platform = with_image()?;
    platform.rouse_ok("deploy shop --image test-server")?;
    let text = platform.rouse_ok("images")?;
    for word in ["IMAGE", "DIGEST", "SIZE", "USED BY", "MiB", "shop-00001"] {
        ensure!(text.contains(word), "{word} in {text}");
    }
    let before = listed(&platform)?;
    let image = &before[0];
    let digest = image["digest"].as_str().unwrap_or_default();
    ensure!(digest.starts_with("sha256:") && digest.len() == 71, "{image}");
    ensure!(image["usedBy"] == serde_json::json!(["default/shop-00001"]), "{image}");
    ensure!(image["origin"] == "build" && image["image"] == "test-server:latest", "{image}");
    let used = platform.rouse(&["images", "rm", "test-server"])?;
    let said = String::from_utf8_lossy(&used.stderr).into_owned();
    ensure!(used.status.code() == Some(1) && said.contains("by default/shop-00001"), "{said}");
    // Nothing refers to another image; the one that the Revision runs stays.
    let source = tempfile::tempdir()?;
    std::fs::copy(server(), source.path().join("server"))?;
    std::fs::write(source.path().join("other"), "1")?;
    platform.rouse_ok(&format!("build {} --image other", source.path().display()))?;
    ensure!(listed(&platform)?.len() == 2);
    let young: Value = serde_json::from_str(&platform.rouse_ok("images prune -o json")?)?;
    ensure!(young["removed"] == serde_json::json!([]), "just made: {young}");
    let dry = platform.rouse_ok("images prune --older-than 0s --dry-run")?;
    ensure!(dry.contains("other:latest") && !dry.contains("test-server"), "{dry}");
    ensure!(listed(&platform)?.len() == 2, "a dry run removes nothing");
    let gone: Value =
        serde_json::from_str(&platform.rouse_ok("images prune --older-than 0s -o json")?)?;
    ensure!(gone["removed"].as_array().map(Vec::len) == Some(1), "{gone}");
    ensure!(gone["bytes"].as_u64() > Some(0), "{gone}");
    let after = listed(&platform)?;
    ensure!(after.len() == 1 && after[0]["digest"] == image["digest"], "{after:?}");
    platform.rouse_ok("call shop")?;
    Ok(())
}

#[test]
fn an_archive_is_imported_deployed_and_removed() -> anyhow::Result<()> {
    let (from, platform) = (with_image()?, Platform::start()?);
    let temp = tempfile::tempdir()?;
    let archive = temp.path().join("image.tar");
    let packed = std::process::Command::new("tar")
        .arg("-C")
        .arg(from.dir().join("images"))
        .arg("-cf")
        .arg(&archive)
        .args(["oci-layout", "index.json", "blobs"])
        .status()?;
    ensure!(packed.success());
    let said = platform.rouse_ok(&format!("images import {}", archive.display()))?;
    ensure!(said.contains("test-server"), "{said}");
    platform.rouse_ok("deploy brought --image test-server")?;
    ensure!(platform.rouse_ok("call brought /env/K_SERVICE")? == "brought");
    platform.rouse_ok("delete brought")?;
    platform.rouse_ok("images rm test-server --force")?;
    ensure!(listed(&platform)?.is_empty());
    let none = platform.rouse(&["images", "import", "/nowhere.tar"])?;
    ensure!(none.status.code() == Some(1));
    Ok(())
}

/// Loads the test server into the engine, as a local build would: from no registry.
fn into_engine(platform: &Platform, name: &str, version: &str) -> anyhow::Result<()> {
    let listed = listed(platform)?;
    let digest = listed[0]["digest"].as_str().context("a digest")?;
    let rootfs = platform.dir().join("images/rootfs").join(digest.trim_start_matches("sha256:"));
    let temp = tempfile::tempdir()?;
    let tar = temp.path().join("rootfs.tar");
    let packed = std::process::Command::new("tar")
        .arg("-C")
        .arg(rootfs)
        .arg("-cf")
        .arg(&tar)
        .arg(".")
        .status()?;
    ensure!(packed.success());
    let tar = tar.display().to_string();
    let change = format!("ENV VERSION={version}");
    docker::docker(&[
        "import",
        "--change",
        "ENTRYPOINT [\"/app/test-server\"]",
        "--change",
        &change,
        &tar,
        name,
    ])?;
    Ok(())
}

#[test]
fn docker_engine_images_are_found_and_pinned_by_processes() -> anyhow::Result<()> {
    let engine = crate::fixtures::engine()?;
    let platform = Platform::start_with_env("process", &[("DOCKER_HOST", &engine)])?;
    crate::fixtures::build(&platform)?;
    let name = "rouse-test-hello:dev";
    into_engine(&platform, name, "1")?;
    platform.rouse_ok(&format!("deploy hello --image {name}"))?;
    ensure!(platform.rouse_ok("call hello")? == "version 1 of hello-00001");
    let revision = platform.kubectl().json("get revision hello-00001")?;
    let pinned = revision["status"]["containerStatuses"][0]["imageDigest"].to_string();
    ensure!(pinned.contains("rouse-test-hello@sha256:"), "{pinned}");
    // A newer build of the same tag is another revision's; the first keeps its own.
    into_engine(&platform, name, "2")?;
    platform.rouse_ok(&format!("deploy hello --image {name} --no-traffic --tag next"))?;
    ensure!(platform.rouse_ok("call hello --tag next")? == "version 2 of hello-00002");
    ensure!(platform.rouse_ok("call hello")? == "version 1 of hello-00001");
    // Without the engine's image, the copy in the store is used.
    docker::docker(&["rmi", "--force", name])?;
    platform.rouse_ok(&format!("deploy again --image {name}"))?;
    ensure!(platform.rouse_ok("call again")? == "version 2 of again-00001");
    Ok(())
}
