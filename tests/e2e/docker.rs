//! Pods as containers of a real Docker Engine, which `ROUSE_TEST_DOCKER` names.

use std::process::Command;
use std::time::Duration;

use anyhow::Context;
use rouse_tests::{Platform, wait};

use crate::fixtures::build;

/// A platform whose pods are containers. Without an engine the test fails: a skipped check shows nothing.
fn platform() -> anyhow::Result<Platform> {
    std::env::var("ROUSE_TEST_DOCKER")
        .context("ROUSE_TEST_DOCKER names no Docker engine; tests/run starts one")?;
    let platform = Platform::start_with("docker")?;
    build(&platform)?;
    Ok(platform)
}

/// What the engine says.
fn docker(words: &[&str]) -> anyhow::Result<String> {
    let host = std::env::var("ROUSE_TEST_DOCKER")?;
    let output = Command::new("docker").args(words).env("DOCKER_HOST", host).output()?;
    anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Containers of the engine whose names or labels mention `what`.
fn containers(what: &str) -> Result<usize, String> {
    let all = docker(&["ps", "--all", "--no-trunc", "--format", "{{.Names}} {{.Labels}}"])
        .map_err(|e| e.to_string())?;
    Ok(all.lines().filter(|line| line.contains(what)).count())
}

#[test]
fn docker_runs_a_built_image_as_a_container_and_takes_it_away() -> anyhow::Result<()> {
    let platform = platform()?;
    // Its grace period: the first program of a container does not end by SIGTERM unless it wants to.
    platform.rouse_ok(
        "deploy boxed --image test-server --env VERSION=1 --env COLOUR=blue --timeout 5",
    )?;
    assert_eq!(platform.rouse_ok("call boxed")?, "version 1 of boxed-00001");
    assert_eq!(platform.rouse_ok("call boxed /env/COLOUR")?, "blue");
    assert_eq!(containers("boxed-00001").map_err(anyhow::Error::msg)?, 1);
    platform.rouse_ok("call boxed /log/from-the-box")?;
    wait::until("the log", Duration::from_secs(10), || {
        let log = platform.rouse_ok("logs boxed").map_err(|e| e.to_string())?;
        if log.contains("said from-the-box") { Ok(()) } else { Err(log) }
    })?;
    platform.rouse_ok("delete boxed")?;
    wait::until("the end of the container", Duration::from_secs(30), || {
        match containers("boxed-00001") {
            Ok(0) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
}

#[test]
fn docker_enforces_a_memory_limit_and_says_oom_killed() -> anyhow::Result<()> {
    let platform = platform()?;
    platform.rouse_ok("deploy tight --image test-server --memory 64Mi")?;
    let answer = platform.get("tight", "/bloat/200")?;
    assert!(answer.status >= 500, "{answer:?}");
    wait::until("OOMKilled", Duration::from_secs(20), || {
        let pods = platform
            .kubectl()
            .run("get pods -l serving.knative.dev/service=tight -o json")
            .map_err(|e| e.to_string())?;
        if pods.contains("OOMKilled") { Ok(()) } else { Err(pods) }
    })?;
    wait::until("an answer after the restart", Duration::from_secs(30), || {
        let answer = platform.get("tight", "/").map_err(|e| e.to_string())?;
        if answer.status == 200 { Ok(()) } else { Err(answer.body) }
    })
}

#[test]
fn docker_containers_do_not_outlive_a_killed_platform() -> anyhow::Result<()> {
    std::env::var("ROUSE_TEST_DOCKER").context("ROUSE_TEST_DOCKER names no Docker engine")?;
    let temp = tempfile::tempdir()?;
    let mut platform = Platform::start_in(&temp.path().join("data"), "docker")?;
    build(&platform)?;
    platform.rouse_ok("deploy mortal --image test-server --env VERSION=1")?;
    platform.kill()?;
    wait::until("the end of the container", Duration::from_secs(30), || {
        match docker(&["ps", "--format", "{{.Names}}"]) {
            Ok(names) if !names.contains("mortal") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })?;
    platform.restart()?;
    assert_eq!(platform.get("mortal", "/")?.body, "version 1 of mortal-00001");
    Ok(())
}
