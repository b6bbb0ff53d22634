//! Requests of other clients, as recorded from them: `gcloud run … --platform=kubernetes`, and kn.
//!
//! Their writes are sent again, with the version, uid and times of the object that is there.

use std::process::{Command, Output};
use std::time::Duration;

use anyhow::Context;
use rouse_tests::kubectl::Kubectl;
use rouse_tests::{Platform, wait};
use serde_json::Value;

use crate::fixtures::platform;

const GCLOUD: &str = include_str!("recorded/gcloud.json");
const KN: &str = include_str!("recorded/kn.json");
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

/// Asks the API with curl, which takes any method, path and media type.
fn curl(platform: &Platform, path: &str, words: &[&str]) -> anyhow::Result<Output> {
    let token = platform.kubectl().run("config view --raw -o jsonpath={.users[0].user.token}")?;
    Command::new("curl")
        .args(["--silent", "--show-error", "--insecure", "--fail-with-body", "--max-time", "30"])
        .args(["--header", &format!("Authorization: Bearer {token}")])
        .args(words)
        .arg(format!("{}{path}", platform.api.trim_end_matches('/')))
        .output()
        .context("start curl")
}

/// Sends one request that kn sent: bytes, path and media type are its own.
fn send_as_kn(platform: &Platform, request: &Value) -> anyhow::Result<()> {
    let field = |name: &str| request[name].as_str().with_context(|| format!("its {name}"));
    let (said, method, path) = (field("said")?, field("method")?, field("path")?);
    let mut body = request["body"].clone();
    if method == "PUT" {
        let current = curl(platform, path, &[])?;
        let current: Value = serde_json::from_slice(&current.stdout)?;
        for field in ["resourceVersion", "uid", "creationTimestamp"] {
            body["metadata"][field] = current["metadata"][field].clone();
        }
    }
    // kn locks an update to the digest that is running, which is another one each time the image is built.
    if let Some(image) = body.pointer_mut("/spec/template/spec/containers/0/image")
        && image.as_str().is_some_and(|image| image.starts_with("test-server@"))
    {
        *image = "test-server".into();
    }
    let media = format!("Content-Type: {}", field("type")?);
    let words = ["--request", method, "--header", &media, "--data-binary", &body.to_string()];
    let answer = curl(platform, path, &words)?;
    let text = String::from_utf8_lossy(&answer.stdout);
    anyhow::ensure!(answer.status.success(), "{said}: {text}");
    Ok(())
}

#[test]
fn what_kn_sends_makes_updates_splits_maps_and_deletes_a_service() -> anyhow::Result<()> {
    let platform = platform()?;
    let kubectl = platform.kubectl();
    let requests: Vec<Value> = serde_json::from_str(KN)?;
    let [create, update, apply, split, map, remap, unmap, delete] = requests.as_slice() else {
        anyhow::bail!("{} requests are recorded", requests.len());
    };
    let latest_is = |want: &str| {
        wait::until(want, Duration::from_secs(30), || {
            let ready = "get ksvc hello -o jsonpath={.status.latestReadyRevisionName}";
            let name = kubectl.run(ready).map_err(|e| e.to_string())?;
            if name == want { Ok(()) } else { Err(name) }
        })?;
        kubectl.run(READY)
    };
    for (request, revision, value) in
        [(create, "hello-00001", "b"), (update, "hello-00002", "c"), (apply, "hello-00003", "d")]
    {
        send_as_kn(&platform, request)?;
        latest_is(revision)?;
        assert_eq!(platform.get("hello", "/env/A")?.body, value);
    }
    send_as_kn(&platform, split)?;
    kubectl.run(READY)?;
    let percents = "get ksvc hello -o jsonpath={.status.traffic[*].percent}";
    assert_eq!(kubectl.run(percents)?, "70 30");
    assert_eq!(platform.get("old-hello", "/env/A")?.body, "b");

    send_as_kn(&platform, map)?;
    send_as_kn(&platform, remap)?;
    let target = "get domainmapping hello.example.com -o jsonpath={.spec.ref.name}";
    assert_eq!(kubectl.run(target)?, "later");
    send_as_kn(&platform, unmap)?;

    // As `--wait` does: the watch goes on from the Service's own version, and ends with its deletion.
    let version = kubectl.run("get ksvc hello -o jsonpath={.metadata.resourceVersion}")?;
    send_as_kn(&platform, delete)?;
    let watch = format!(
        "/apis/serving.knative.dev/v1/namespaces/default/services?fieldSelector=metadata.name%3Dhello\
         &resourceVersion={version}&timeout=10s&timeoutSeconds=10&watch=true"
    );
    let seen = curl(&platform, &watch, &[])?;
    let seen = String::from_utf8_lossy(&seen.stdout);
    let last = seen.lines().last().context("no event")?;
    anyhow::ensure!(serde_json::from_str::<Value>(last)?["type"] == "DELETED", "{seen}");
    Ok(())
}
