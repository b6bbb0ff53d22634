//! The operator's view: status, health, debug pages, logs.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Context;
use rouse_tests::{Platform, http, platform, wait};
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(60);

fn status(platform: &Platform) -> anyhow::Result<Value> {
    Ok(serde_json::from_str(&platform.rouse_ok("status -o json")?)?)
}

fn admin(platform: &Platform) -> anyhow::Result<SocketAddr> {
    let status = status(platform)?;
    let url = status["admin"].as_str().context("status names no admin port")?;
    Ok(url.trim_start_matches("http://").parse()?)
}

fn get(address: SocketAddr, path: &str) -> anyhow::Result<http::Answer> {
    http::send(address, &address.to_string(), path, None)
}

#[test]
fn every_part_says_how_it_does() -> anyhow::Result<()> {
    let platform = Platform::start_with("fake")?;
    let status = wait::until("all parts ready", LIMIT, || {
        let status = status(&platform).map_err(|error| error.to_string())?;
        if status["health"]["ready"] == true { Ok(status) } else { Err(status.to_string()) }
    })?;
    let parts = status["health"]["parts"].as_array().context("parts")?;
    let names: Vec<&str> = parts.iter().filter_map(|part| part["name"].as_str()).collect();
    for part in ["api", "autoscaler", "controller", "controllers", "gateway", "node", "store"] {
        assert!(names.contains(&part), "no {part} among {names:?}");
    }
    let admin = admin(&platform)?;
    assert!(admin.ip().is_loopback());
    let ready = get(admin, "/readyz?verbose")?;
    assert!(ready.status == 200 && ready.body.contains("[+]store ok"), "{}", ready.body);
    assert_eq!(get(admin, "/healthz")?.body, "ok\n");
    let index = get(admin, "/debug/")?.body;
    for page in ["routes", "revisions", "autoscaler", "tasks", "pods", "store"] {
        assert!(index.contains(&format!("/debug/{page}\"")), "no {page} in {index}");
        let answer = get(admin, &format!("/debug/{page}"))?;
        let json: Result<Value, _> = serde_json::from_str(&answer.body);
        assert!(answer.status == 200 && json.is_ok(), "{page}: {}", answer.body);
    }
    Ok(())
}

#[test]
fn logs_are_json_when_asked_for() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut child = Command::new(platform::binary())
        .args(["up", "--ephemeral", "--runtime", "fake", "--log-format", "json"])
        .args(["--api-port", "0", "--http-port", "0", "--admin-port", "0", "--data-dir"])
        .arg(folder.path().join("data"))
        .env("RUST_LOG", "debug")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    let stderr = child.stderr.take().context("stderr")?;
    let line = BufReader::new(stderr).lines().next().context("nothing was logged")??;
    child.kill()?;
    child.wait()?;
    let entry: Value = serde_json::from_str(&line).with_context(|| line.clone())?;
    for field in ["timestamp", "level", "target", "message"] {
        assert!(entry[field].is_string(), "no {field} in {line}");
    }
    Ok(())
}
