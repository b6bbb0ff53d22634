//! 1.3 and 6.2: probes of every kind, and what they decide.

use std::time::{Duration, Instant};

use anyhow::ensure;
use rouse_tests::wait;
use serde_json::{Value, json};

use crate::Case;
use crate::cluster::{EVERY, READY, Space, condition};
use crate::manifests::{env, scaled, service};

pub(crate) const CASES: &[Case] = &[
    ("s1_3::a_program_that_listens_late_is_awaited", tcp),
    ("s1_3::a_readiness_probe_by_http", http),
    ("s1_3::a_readiness_probe_by_http_with_a_period", http_period),
    ("s1_3::a_readiness_probe_by_a_command", exec),
    ("s1_3::a_readiness_probe_by_grpc", grpc),
    ("s1_3::a_failing_liveness_probe_restarts_the_container", liveness),
    ("s1_3::liveness_waits_for_a_startup_probe", startup),
    ("s1_3::a_startup_probe_that_never_passes_restarts_the_container", startup_failed),
    ("s6_2::a_pod_that_is_no_longer_ready_gets_no_requests", ejected),
    ("s6_2::probes_call_themselves_kube_probe", user_agent),
];

const LATE_MS: &str = "1500";

/// The Service is Ready only after its program is, and the very next request is answered.
fn awaited(
    space: &Space<'_>,
    late: &str,
    mut container: Value,
    more: &[(&str, &str)],
) -> anyhow::Result<()> {
    let all = [&[(late, LATE_MS), ("VERSION", "1")], more].concat();
    container["env"] = env(&all)["env"].take();
    let started = Instant::now();
    let ksvc = space.deploy(&service(space, "hello", container))?;
    let answer = space.call(&ksvc, "/")?;
    ensure!(answer.status == 200, "{answer:?}");
    ensure!(started.elapsed() >= Duration::from_millis(1500), "after {:?}", started.elapsed());
    Ok(())
}

fn tcp(space: &Space<'_>) -> anyhow::Result<()> {
    awaited(space, "START_MS", json!({}), &[])
}

fn http(space: &Space<'_>) -> anyhow::Result<()> {
    let probe = json!({ "httpGet": { "path": "/ready" } });
    awaited(space, "READY_MS", json!({ "readinessProbe": probe }), &[])
}

fn http_period(space: &Space<'_>) -> anyhow::Result<()> {
    let probe =
        json!({ "httpGet": { "path": "/ready" }, "periodSeconds": 1, "failureThreshold": 9 });
    awaited(space, "READY_MS", json!({ "readinessProbe": probe }), &[])
}

/// A command that asks the container's own server.
fn command() -> Value {
    json!({ "exec": { "command": ["/app/test-server", "get", "/ready"] }, "periodSeconds": 1, "failureThreshold": 9 })
}

fn exec(space: &Space<'_>) -> anyhow::Result<()> {
    awaited(space, "READY_MS", json!({ "readinessProbe": command() }), &[])
}

fn grpc(space: &Space<'_>) -> anyhow::Result<()> {
    let container = json!({ "ports": [{ "name": "h2c", "containerPort": 8080 }],
        "readinessProbe": { "grpc": { "port": 8080 }, "periodSeconds": 1, "failureThreshold": 9 } });
    awaited(space, "READY_MS", container, &[("H2C", "1")])
}

/// How often the only container of the Service was started again.
fn restarts(space: &Space<'_>) -> Result<i64, String> {
    let pods = space.pods("hello").map_err(|error| format!("{error:#}"))?;
    let [pod] = &pods[..] else { return Err(format!("{pods:?}")) };
    let status = &pod["status"]["containerStatuses"][0];
    status["restartCount"].as_i64().ok_or_else(|| status.to_string())
}

fn until_restarted(space: &Space<'_>) -> anyhow::Result<()> {
    wait::until_every(EVERY, "a restart", READY, || match restarts(space) {
        Ok(1..) => Ok(()),
        other => Err(format!("{other:?}")),
    })
}

fn liveness(space: &Space<'_>) -> anyhow::Result<()> {
    let probe = json!({ "httpGet": { "path": "/ready" }, "periodSeconds": 1, "failureThreshold": 1,
        "terminationGracePeriodSeconds": 1 });
    let ksvc = space.deploy(&service(space, "hello", json!({ "livenessProbe": probe })))?;
    assert_eq!(restarts(space).map_err(anyhow::Error::msg)?, 0);
    assert_eq!(space.body(&ksvc, "/fail")?, "fail");
    until_restarted(space)?;
    // Healthy again, as a new process is.
    assert_eq!(space.body(&ksvc, "/ready")?, "ready");
    wait::holds("one restart", Duration::from_secs(3), || {
        let count = restarts(space).map_err(anyhow::Error::msg)?;
        ensure!(count == 1, "{count} restarts");
        Ok(())
    })
}

fn startup(space: &Space<'_>) -> anyhow::Result<()> {
    let at_once =
        json!({ "httpGet": { "path": "/ready" }, "periodSeconds": 1, "failureThreshold": 1 });
    let patient =
        json!({ "httpGet": { "path": "/ready" }, "periodSeconds": 1, "failureThreshold": 20 });
    let mut container = env(&[("READY_MS", "3500")]);
    container["livenessProbe"] = at_once;
    container["startupProbe"] = patient;
    let ksvc = space.deploy(&service(space, "hello", container))?;
    assert_eq!(space.body(&ksvc, "/ready")?, "ready");
    assert_eq!(restarts(space).map_err(anyhow::Error::msg)?, 0);
    Ok(())
}

fn startup_failed(space: &Space<'_>) -> anyhow::Result<()> {
    let probe = json!({ "httpGet": { "path": "/ready" }, "periodSeconds": 1, "failureThreshold": 2,
        "terminationGracePeriodSeconds": 1 });
    let mut container = env(&[("READY_MS", "600000")]);
    container["startupProbe"] = probe;
    space.create("ksvc", &service(space, "hello", container))?;
    until_restarted(space)
}

fn ejected(space: &Space<'_>) -> anyhow::Result<()> {
    let probe = json!({ "httpGet": { "path": "/ready" }, "periodSeconds": 1, "timeoutSeconds": 5, "failureThreshold": 2 });
    let notes = [("min-scale", "2"), ("max-scale", "2")];
    let ksvc = space.deploy(&scaled(space, "hello", json!({ "readinessProbe": probe }), &notes))?;
    assert_eq!(space.body(&ksvc, "/fail")?, "fail", "one of both fails from now on");
    wait::until_every(EVERY, "one Ready pod", READY, || {
        let pods = space.pods("hello").map_err(|error| format!("{error:#}"))?;
        match pods.iter().filter(|pod| condition(pod, "Ready")["status"] == "True").count() {
            1 => Ok(()),
            count => Err(format!("{count} are ready")),
        }
    })?;
    // The gateway hears of it as its clients do. The one that fails would say so.
    wait::until_every(EVERY, "forty answers of the other", READY, || {
        for _ in 0..40 {
            let answer = space.body(&ksvc, "/ready").map_err(|error| format!("{error:#}"))?;
            if answer != "ready" {
                return Err(answer);
            }
        }
        Ok(())
    })
}

fn user_agent(space: &Space<'_>) -> anyhow::Result<()> {
    let probe = json!({ "httpGet": { "path": "/ready" } });
    let ksvc = space.deploy(&service(space, "hello", json!({ "readinessProbe": probe })))?;
    let by = space.body(&ksvc, "/probed")?;
    ensure!(by.starts_with("kube-probe/"), "{by:?}");
    Ok(())
}
