//! Requests of other clients, as recorded from them: `gcloud run … --platform=kubernetes`.
//!
//! Their writes are sent again, with the version, uid and times of the object that is there.

use std::time::Duration;

use anyhow::Context;
use rouse_tests::kubectl::Kubectl;
use rouse_tests::wait;
use serde_json::Value;

use crate::fixtures::platform;

const GCLOUD: &str = include_str!("recorded/gcloud.json");
const READY: &str = "wait --for=condition=Ready --timeout=30s ksvc/hello";

/// Sends one recorded request.
fn send(kubectl: &Kubectl, request: &Value) -> anyhow::Result<()> {
    let said = request["said"].as_str().context("the command that sent it")?;
    let path = request["path"].as_str().context("its path")?;
    let verb = match request["method"].as_str() {
        Some("POST") => "create",
        Some("PUT") => "replace",
        Some("DELETE") => {
            let ran = kubectl.try_run(&["delete", "--raw", path], "")?;
            anyhow::ensure!(ran.ok, "{said}: {}", ran.stderr);
            return Ok(());
        }
        other => anyhow::bail!("{said} sends {other:?}"),
    };
    let mut body = request["body"].clone();
    if verb == "replace" {
        let current: Value = serde_json::from_str(&kubectl.run("get ksvc hello -o json")?)?;
        for field in ["resourceVersion", "uid", "creationTimestamp"] {
            body["metadata"][field] = current["metadata"][field].clone();
        }
        for field in ["serving.knative.dev/creator", "serving.knative.dev/lastModifier"] {
            body["metadata"]["annotations"][field] =
                current["metadata"]["annotations"][field].clone();
        }
    }
    let ran = kubectl.try_run(&[verb, "--raw", path, "-f", "-"], &body.to_string())?;
    anyhow::ensure!(ran.ok, "{said}: {}{}", ran.stdout, ran.stderr);
    Ok(())
}

#[test]
fn kubectl_sends_what_gcloud_sends_and_each_command_comes_to_its_end() -> anyhow::Result<()> {
    let platform = platform()?;
    let kubectl = platform.kubectl();
    let requests: Vec<Value> = serde_json::from_str(GCLOUD)?;
    let [deploy, update, split, tag, delete] = requests.as_slice() else {
        anyhow::bail!("{} requests are recorded", requests.len());
    };
    send(&kubectl, deploy)?;
    kubectl.run(READY)?;
    assert_eq!(platform.get("hello", "/env/A")?.body, "b");
    let template = "get ksvc hello -o jsonpath={.spec.template.spec.containerConcurrency}";
    assert_eq!(kubectl.run(template)?, "20");

    send(&kubectl, update)?;
    wait::until("the second Revision", Duration::from_secs(30), || {
        let ready = "get ksvc hello -o jsonpath={.status.latestReadyRevisionName}";
        let name = kubectl.run(ready).map_err(|e| e.to_string())?;
        if name == "hello-00002" { Ok(()) } else { Err(name) }
    })?;
    kubectl.run(READY)?;
    assert_eq!(platform.get("hello", "/env/A")?.body, "c");

    send(&kubectl, split)?;
    kubectl.run(READY)?;
    let percents = "get ksvc hello -o jsonpath={.status.traffic[*].percent}";
    assert_eq!(kubectl.run(percents)?, "40 60");
    send(&kubectl, tag)?;
    kubectl.run(READY)?;
    assert_eq!(platform.get("old-hello", "/env/A")?.body, "b");

    send(&kubectl, delete)?;
    wait::until("the end of the Service", Duration::from_secs(30), || {
        let left = kubectl.run("get ksvc -o name").map_err(|e| e.to_string())?;
        if left.is_empty() { Ok(()) } else { Err(left) }
    })
}
