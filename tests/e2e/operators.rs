//! The operator's view: status, health, metrics, traces, the live view, logs.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::Context;
use rouse_tests::{Platform, http, platform, wait};
use serde_json::Value;

use crate::fixtures::{platform as with_image, service};

const LIMIT: Duration = Duration::from_secs(60);

fn get(address: SocketAddr, path: &str) -> anyhow::Result<http::Answer> {
    http::send(address, &address.to_string(), path, None)
}

#[test]
fn every_part_reports_its_health() -> anyhow::Result<()> {
    let platform = Platform::start_with("fake")?;
    let status = wait::until("all parts ready", LIMIT, || {
        let status = platform.status().map_err(|error| error.to_string())?;
        if status["health"]["ready"] == true { Ok(status) } else { Err(status.to_string()) }
    })?;
    let parts = status["health"]["parts"].as_array().context("parts")?;
    let names: Vec<&str> = parts.iter().filter_map(|part| part["name"].as_str()).collect();
    for part in ["api", "autoscaler", "controller", "controllers", "gateway", "node", "store"] {
        assert!(names.contains(&part), "no {part} among {names:?}");
    }
    let admin = platform.admin()?;
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
fn kubectl_deploys_and_metrics_and_top_count_the_requests() -> anyhow::Result<()> {
    let platform = with_image()?;
    let kubectl = platform.kubectl();
    kubectl.apply(&service("counted", &[], &[("autoscaling.knative.dev/min-scale", "1")]))?;
    kubectl.run("wait --for=condition=Ready --timeout=60s ksvc/counted")?;
    for _ in 0..7 {
        assert_eq!(platform.get("counted", "/")?.status, 200);
    }
    assert_eq!(platform.send("nobody.example", "/", None)?.status, 404);
    let metrics = get(platform.admin()?, "/metrics")?;
    let kind = metrics.header("content-type").context("a content type")?;
    assert!(kind.starts_with("application/openmetrics-text"), "{kind}");
    let line = |name: &str, labels: &[&str]| {
        let mut lines = metrics.body.lines().filter(|line| line.starts_with(name));
        lines.find(|line| labels.iter().all(|label| line.contains(label))).map(str::to_owned)
    };
    let revision = "kn_revision_name=\"counted-00001\"";
    let code = "http_response_status_code=\"200\"";
    let served = line("kn_serving_invocation_duration_seconds_count{", &[revision, code])
        .context("no requests counted")?;
    assert!(served.ends_with(" 7"), "{served}");
    for (name, labels) in [
        ("kn_revision_request_active{", &[revision][..]),
        ("kn_revision_pods_count{", &[revision]),
        ("rouse_gateway_requests_unrouted_total{", &["404"]),
        ("apiserver_request_total{", &["verb=", "resource=\"services\""]),
        ("rouse_store_commit_duration_seconds_count", &[]),
        ("rouse_tasks_running{", &["owner=\"controller\""]),
    ] {
        assert!(line(name, labels).is_some(), "no {name} {labels:?} in {}", metrics.body);
    }
    assert!(metrics.body.ends_with("# EOF\n"));
    // The node samples the usage of its containers every ten seconds.
    wait::until("top's row of the revision", LIMIT, || {
        let rows = platform.rouse_ok("top -o json --interval 1").map_err(|e| e.to_string())?;
        let parsed: Value = serde_json::from_str(&rows).map_err(|e| e.to_string())?;
        let row = &parsed[0];
        let memory = row["memory"].as_f64().unwrap_or_default();
        let (revision, pods) = (&row["revision"], row["pods"].as_f64());
        if revision == "counted-00001" && pods == Some(1.0) && memory > 100_000.0 {
            Ok(())
        } else {
            Err(rows)
        }
    })
}

/// A trace collector: its endpoint, and the bodies that are posted to it.
fn collector() -> anyhow::Result<(String, mpsc::Receiver<Vec<u8>>)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let endpoint = format!("http://{}/v1/traces", listener.local_addr()?);
    let (sender, bodies) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut reader = BufReader::new(stream);
            let mut length = 0;
            let mut line = String::new();
            while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
                let lower = line.to_ascii_lowercase();
                if let Some(value) = lower.strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap_or(0);
                }
                line.clear();
            }
            let mut body = vec![0; length];
            if reader.read_exact(&mut body).is_err() || sender.send(body).is_err() {
                return;
            }
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            let _told = reader.get_mut().write_all(answer);
        }
    });
    Ok((endpoint, bodies))
}

#[test]
fn kubectl_turns_traces_on_and_a_cold_start_is_traced_in_phases() -> anyhow::Result<()> {
    let platform = with_image()?;
    let kubectl = platform.kubectl();
    let (endpoint, bodies) = collector()?;
    let settings = serde_json::json!({ "data": {
        "tracing-protocol": "http/protobuf",
        "tracing-endpoint": endpoint,
        "tracing-sampling-rate": "1",
    }});
    kubectl.run(&format!(
        "patch configmap config-observability -n knative-serving --type merge -p {settings}"
    ))?;
    let from_zero = serde_json::json!({ "data": { "allow-zero-initial-scale": "true" } });
    kubectl.run(&format!(
        "patch configmap config-autoscaler -n knative-serving --type merge -p {from_zero}"
    ))?;
    kubectl.apply(&service("traced", &[], &[("autoscaling.knative.dev/initial-scale", "0")]))?;
    kubectl.run("wait --for=condition=Ready --timeout=60s ksvc/traced")?;
    let holds =
        |body: &[u8], text: &str| body.windows(text.len()).any(|window| window == text.as_bytes());
    assert_eq!(platform.get("traced", "/")?.status, 200);
    let traced = wait::until("a trace of the cold start", LIMIT, || {
        let body = bodies.recv_timeout(Duration::from_secs(10)).map_err(|e| e.to_string())?;
        if holds(&body, "wake") { Ok(body) } else { Err("other spans".to_owned()) }
    })?;
    for text in ["traced-00001", "wake", "bind", "start", "ready", "rouse"] {
        assert!(holds(&traced, text), "no {text} among the spans");
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
