//! Pods as containers of a real Docker Engine, which `ROUSE_TEST_DOCKER` names.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::TcpListener;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};
use rouse_tests::{Platform, wait};
use serde_json::Value;

use crate::fixtures::{build, configured, engine, platform_with, service};
use crate::functions::MAIN;

const READY: &str = "wait --for=condition=Ready --timeout=60s";

/// A platform whose pods are containers.
fn platform() -> anyhow::Result<Platform> {
    platform_with("docker")
}

/// The stdout of a docker command.
pub(crate) fn docker(words: &[&str]) -> anyhow::Result<String> {
    let output = Command::new("docker").args(words).env("DOCKER_HOST", engine()?).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Containers of the engine, ended ones too, whose names or labels mention `what`.
pub(crate) fn containers(what: &str) -> Result<usize, String> {
    let all = docker(&["ps", "--all", "--no-trunc", "--format", "{{.Names}} {{.Labels}}"])
        .map_err(|e| e.to_string())?;
    Ok(all.lines().filter(|line| line.contains(what)).count())
}

pub(crate) fn no_container(what: &str) -> anyhow::Result<()> {
    wait::until("the end of the container", Duration::from_secs(40), || match containers(what) {
        Ok(0) => Ok(()),
        other => Err(format!("{other:?}")),
    })
}

/// The status of a service's only container, once `is_so`.
fn container_status(
    platform: &Platform,
    service: &str,
    is_so: impl Fn(&Value) -> bool,
) -> anyhow::Result<Value> {
    let line = format!("get pods -l serving.knative.dev/service={service}");
    wait::until("the container's status", Duration::from_secs(30), || {
        let pods = platform.kubectl().json(&line).map_err(|e| e.to_string())?;
        let status = pods["items"][0]["status"]["containerStatuses"][0].clone();
        if is_so(&status) { Ok(status) } else { Err(status.to_string()) }
    })
}

#[test]
fn docker_runs_a_built_image_as_a_container_and_removes_it() -> anyhow::Result<()> {
    let platform = platform()?;
    // A short grace period: process 1 of a container does not end by SIGTERM without a handler.
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
    no_container("boxed-00001")
}

#[test]
fn docker_kubectl_an_image_is_in_the_engine_before_its_first_pod() -> anyhow::Result<()> {
    let platform = platform()?;
    let kubectl = platform.kubectl();
    let allow = r#"{"data":{"allow-zero-initial-scale":"true"}}"#;
    kubectl
        .run(&format!("patch cm config-autoscaler -n knative-serving --type merge -p {allow}"))?;
    let asleep = service("asleep", &[], &[("autoscaling.knative.dev/initial-scale", "0")]);
    wait::until("the setting", Duration::from_secs(10), || {
        kubectl.apply(&asleep).map_err(|e| e.to_string())
    })?;
    kubectl.run(&format!("{READY} ksvc/asleep"))?;
    assert_eq!(containers("asleep-00001").map_err(anyhow::Error::msg)?, 0);
    let path = "{.status.containerStatuses[0].imageDigest}";
    let pinned = kubectl.run(&format!("get revision asleep-00001 -o jsonpath={path}"))?;
    let digest = pinned.rsplit(':').next().context("a digest")?;
    let images = docker(&["images", "--format", "{{.Repository}}:{{.Tag}}"])?;
    assert!(images.lines().any(|image| image.ends_with(digest)), "{pinned} in {images}");
    Ok(())
}

#[test]
fn docker_enforces_a_memory_limit_and_says_oom_killed() -> anyhow::Result<()> {
    let platform = platform()?;
    platform.rouse_ok("deploy tight --image test-server --memory 64Mi")?;
    let answer = platform.get("tight", "/bloat/200")?;
    assert!(answer.status >= 500, "{answer:?}");
    let ended = "jsonpath={.items[0].status.containerStatuses[0].lastState.terminated.reason}";
    wait::until("OOMKilled", Duration::from_secs(20), || {
        let line = format!("get pods -l serving.knative.dev/service=tight -o {ended}");
        let reason = platform.kubectl().run(&line).map_err(|e| e.to_string())?;
        if reason == "OOMKilled" { Ok(()) } else { Err(reason) }
    })?;
    wait::until("an answer after the restart", Duration::from_secs(30), || {
        let answer = platform.get("tight", "/").map_err(|e| e.to_string())?;
        if answer.status == 200 { Ok(()) } else { Err(answer.body) }
    })
}

#[test]
fn docker_containers_do_not_outlive_a_killed_platform() -> anyhow::Result<()> {
    engine()?;
    let temp = tempfile::tempdir()?;
    let mut platform = Platform::start_in(&temp.path().join("data"), "docker")?;
    build(&platform)?;
    platform.rouse_ok("deploy mortal --image test-server --env VERSION=1")?;
    assert_eq!(containers("mortal").map_err(anyhow::Error::msg)?, 1);
    platform.kill()?;
    no_container("mortal")?;
    platform.restart()?;
    assert_eq!(platform.get("mortal", "/")?.body, "version 1 of mortal-00001");
    assert_eq!(containers("mortal").map_err(anyhow::Error::msg)?, 1, "one pod, one container");
    Ok(())
}

#[test]
fn docker_says_how_a_program_ended_and_tries_again_later() -> anyhow::Result<()> {
    let platform = platform()?;
    platform.rouse_ok("deploy leaves --image test-server --env EXIT=3 --no-wait")?;
    let status = container_status(&platform, "leaves", |status| {
        status["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    })?;
    let ended = &status["lastState"]["terminated"];
    assert_eq!((&ended["reason"], &ended["exitCode"]), (&"Error".into(), &3.into()), "{status}");
    assert!(
        ended["containerID"].as_str().is_some_and(|id| id.starts_with("docker://")),
        "{status}"
    );
    Ok(())
}

#[test]
fn docker_refuses_a_python_image_of_this_host_and_says_what_to_do() -> anyhow::Result<()> {
    engine()?;
    let platform = Platform::start_with("docker")?;
    let source = tempfile::tempdir()?;
    std::fs::write(source.path().join("main.py"), MAIN)?;
    platform.rouse_ok(&format!("build {} --image adder", source.path().display()))?;
    let output = platform.rouse(&["deploy", "adder", "--image", "adder"])?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("--base IMAGE") && said.contains("--runtime process"), "{said}");
    let conditions = platform.kubectl().run("get revision adder-00001 -o jsonpath={.status}")?;
    assert!(conditions.contains("cannot run in a container"), "{conditions}");
    Ok(())
}

/// Sends `/sleep` to a service, and returns when it has arrived; the thread gives the answer's status.
fn in_flight(
    platform: &Platform,
    service: &str,
    ms: u32,
) -> anyhow::Result<std::thread::JoinHandle<anyhow::Result<u16>>> {
    let (address, host) = (platform.http, platform.host(service));
    let slow = std::thread::spawn(move || {
        Ok(rouse_tests::http::send(address, &host, &format!("/sleep/{ms}"), None)?.status)
    });
    wait::until("two requests at once", Duration::from_secs(10), || {
        let peak = platform.get(service, "/peak").map_err(|e| e.to_string())?.body;
        if peak == "2" { Ok(()) } else { Err(peak) }
    })?;
    Ok(slow)
}

#[test]
fn docker_requests_in_flight_finish_when_their_pod_is_deleted() -> anyhow::Result<()> {
    let platform = platform()?;
    platform.rouse_ok("deploy deleted --image test-server --timeout 5")?;
    let answer = in_flight(&platform, "deleted", 3000)?;
    platform.rouse_ok("delete deleted")?;
    assert_eq!(answer.join().map_err(|_| anyhow::anyhow!("it panicked"))??, 200, "deleted");
    Ok(())
}

#[test]
fn docker_kubectl_given_settings_and_secrets_reach_the_container() -> anyhow::Result<()> {
    let platform = platform()?;
    let kubectl = platform.kubectl();
    kubectl.apply(&configured("env"))?;
    kubectl.run(&format!("{READY} ksvc/env"))?;
    for (path, value) in [
        ("/env/COLOUR", "blue"),
        ("/env/token", "s3cret"),
        ("/env/K_SERVICE", "env"),
        ("/env/PORT", "8080"),
        ("/args", "one two"),
    ] {
        assert_eq!(platform.get("env", path)?.body, value, "{path}");
    }
    Ok(())
}

/// Another program's server at a pod's former address; open until it is dropped.
fn stranger(address: &str) -> anyhow::Result<TcpListener> {
    let free = || TcpListener::bind(address).map_err(|e| e.to_string());
    let listener = wait::until("the end of the pod's socket", Duration::from_secs(5), free)?;
    let theirs = listener.try_clone()?;
    std::thread::spawn(move || {
        for mut client in theirs.incoming().flatten() {
            let answer = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\na stranger";
            let _gone = client.write_all(answer.as_bytes());
        }
    });
    Ok(listener)
}

#[test]
fn docker_runs_the_image_that_ran_as_a_process_and_no_request_goes_to_its_old_address()
-> anyhow::Result<()> {
    engine()?;
    let temp = tempfile::tempdir()?;
    let dir = temp.path().join("data");
    let mut platform = Platform::start_in(&dir, "process")?;
    build(&platform)?;
    platform.rouse_ok("deploy same --image test-server --env VERSION=1")?;
    assert_eq!(platform.get("same", "/")?.body, "version 1 of same-00001");
    let image = platform.kubectl().json("get revision same-00001")?["status"]["containerStatuses"]
        [0]["imageDigest"]
        .clone();
    let address = platform
        .kubectl()
        .run("get pods -o jsonpath={.items[0].metadata.annotations.rouse\\.dev/address}")?;
    let address: BTreeMap<String, String> = serde_json::from_str(&address)?;
    platform.kill()?;
    let _stranger = stranger(address.values().next().context("the pod's address")?)?;
    let platform = Platform::start_in(&dir, "docker")?;
    let answer = platform.get("same", "/")?;
    assert_eq!(answer.body, "version 1 of same-00001", "{}", platform.log());
    assert_eq!(containers("same-00001").map_err(anyhow::Error::msg)?, 1);
    let now = platform.kubectl().json("get revision same-00001")?;
    assert_eq!(now["status"]["containerStatuses"][0]["imageDigest"], image);
    Ok(())
}
