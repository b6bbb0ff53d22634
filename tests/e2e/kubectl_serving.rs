//! The main loop, with real kubectl: apply, call, split, sleep, wake.

use std::time::Duration;

use anyhow::Context;
use rouse_tests::{Platform, wait};

use crate::fixtures::{configured, platform, service};

const READY: &str = "wait --for=condition=Ready --timeout=30s";
const WINDOW: (&str, &str) = ("autoscaling.knative.dev/window", "6s");

fn pods(platform: &Platform, service: &str) -> anyhow::Result<usize> {
    let line = format!("get pods -l serving.knative.dev/service={service} -o name");
    Ok(platform.kubectl().run(&line)?.lines().count())
}

#[test]
fn kubectl_applied_service_is_ready_and_the_very_next_request_succeeds() -> anyhow::Result<()> {
    let platform = platform()?;
    let kubectl = platform.kubectl();
    kubectl.apply(&service("hello", &[("VERSION", "1")], &[]))?;
    kubectl.run(&format!("{READY} ksvc/hello"))?;
    let answer = platform.get("hello", "/")?;
    assert_eq!((answer.status, answer.body.as_str()), (200, "version 1 of hello-00001"));
    let table = kubectl.run("get ksvc hello")?;
    for part in
        ["NAME", "URL", "LATESTCREATED", "LATESTREADY", "READY", "REASON", "hello-00001", "True"]
    {
        assert!(table.contains(part), "{part} in {table}");
    }
    let url = kubectl.run("get ksvc hello -o jsonpath={.status.url}")?;
    assert_eq!(url, format!("http://{}", platform.host("hello")));
    for kind in ["configuration", "route", "revision", "deployment", "podautoscaler"] {
        let names =
            kubectl.run(&format!("get {kind} -l serving.knative.dev/service=hello -o name"))?;
        assert_eq!(names.lines().count(), 1, "{kind}: {names}");
    }
    assert_eq!(platform.get("nobody", "/")?.status, 404);
    kubectl.run("delete ksvc hello --wait --timeout=30s")?;
    wait::until("the end of all that it owned", Duration::from_secs(20), || {
        let left =
            kubectl.run("get cfg,rt,rev,deploy,rs,pods,kpa -o name").map_err(|e| e.to_string())?;
        if left.is_empty() { Ok(()) } else { Err(left) }
    })?;
    assert_eq!(platform.get("hello", "/")?.status, 404);
    Ok(())
}

#[test]
fn kubectl_sees_a_service_sleep_and_a_request_wakes_it() -> anyhow::Result<()> {
    let platform = platform()?;
    let kubectl = platform.kubectl();
    kubectl.apply(&service("sleepy", &[("VERSION", "1")], &[WINDOW]))?;
    kubectl.run(&format!("{READY} ksvc/sleepy"))?;
    assert_eq!(platform.get("sleepy", "/")?.status, 200);
    wait::until("zero pods", Duration::from_secs(40), || match pods(&platform, "sleepy") {
        Ok(0) => Ok(()),
        other => Err(format!("{other:?}")),
    })?;
    kubectl.run(&format!("{READY} ksvc/sleepy"))?;
    let answer = platform.get("sleepy", "/")?;
    assert_eq!((answer.status, answer.body.as_str()), (200, "version 1 of sleepy-00001"));
    assert_eq!(pods(&platform, "sleepy")?, 1);
    let explained = platform.rouse_ok("explain sleepy")?;
    assert!(explained.contains("1 → 0") && explained.contains("0 → 1"), "{explained}");
    Ok(())
}

#[test]
fn kubectl_moves_traffic_between_revisions_and_tags_have_hosts() -> anyhow::Result<()> {
    let platform = platform()?;
    let kubectl = platform.kubectl();
    kubectl.apply(&service("split", &[("VERSION", "1")], &[]))?;
    kubectl.run(&format!("{READY} ksvc/split"))?;
    let two = service("split", &[("VERSION", "2")], &[])
        + "  traffic:\n  - {revisionName: split-00001, percent: 90}\n  - {latestRevision: true, percent: 10, tag: canary}\n";
    kubectl.apply(&two)?;
    kubectl.run(&format!("{READY} ksvc/split"))?;
    let mut new = 0;
    for _ in 0..200 {
        let answer = platform.get("split", "/")?;
        assert_eq!(answer.status, 200);
        new += usize::from(answer.body.starts_with("version 2"));
    }
    assert!(
        (16..=24).contains(&new),
        "10 % of 200, give or take one per thread and hundred: {new}"
    );
    assert!(platform.get("canary-split", "/")?.body.starts_with("version 2"));
    let rolled = platform.rouse_ok("rollback split")?;
    assert!(rolled.contains("after") && rolled.contains("100% split-00001"), "{rolled}");
    for _ in 0..20 {
        assert!(platform.get("split", "/")?.body.starts_with("version 1"));
    }
    Ok(())
}

#[test]
fn kubectl_shows_why_a_service_is_not_ready() -> anyhow::Result<()> {
    let platform = platform()?;
    let kubectl = platform.kubectl();
    let failure = |name: &str| -> Result<String, String> {
        let object = kubectl.json(&format!("get ksvc {name}")).map_err(|e| e.to_string())?;
        let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let ready = conditions
            .iter()
            .find(|c| c["type"] == "ConfigurationsReady")
            .cloned()
            .unwrap_or_default();
        if ready["status"] == "False" {
            Ok(ready["message"].to_string())
        } else {
            Err(object["status"].to_string())
        }
    };
    let missing =
        service("missing", &[], &[]).replace("image: test-server", "image: nobody-built-this:v9");
    kubectl.apply(&missing)?;
    let message =
        wait::until("a missing image to be said", Duration::from_secs(30), || failure("missing"))?;
    assert!(message.contains("nobody-built-this"), "{message}");
    kubectl.apply(&service("leaves", &[("EXIT", "3")], &[]))?;
    let message = wait::until("an exit to be said", Duration::from_secs(30), || failure("leaves"))?;
    assert!(message.contains("leaving with 3"), "{message}");
    let pods = kubectl.run("get pods -l serving.knative.dev/service=leaves")?;
    assert!(pods.contains("CrashLoopBackOff") || pods.contains("Error"), "{pods}");
    Ok(())
}

#[test]
fn kubectl_gets_messages_of_admission_in_knatives_words() -> anyhow::Result<()> {
    let platform = platform()?;
    let kubectl = platform.kubectl();
    let bad = service("bad", &[("PORT", "1")], &[]);
    let said = kubectl.fail("apply -f -", &bad)?;
    assert!(said.contains("validation failed") && said.contains("PORT"), "{said}");
    let unknown =
        service("bad", &[], &[]).replace("containers:", "containerz: []\n      containers:");
    let said = kubectl.fail("apply -f -", &unknown)?;
    assert!(said.contains("unknown field \"spec.template.spec.containerz\""), "{said}");
    let traffic = service("bad", &[], &[]) + "  traffic: [{latestRevision: true, percent: 50}]\n";
    let said = kubectl.fail("apply -f -", &traffic)?;
    assert!(said.contains("Traffic targets sum to 50, want 100"), "{said}");
    Ok(())
}

#[test]
fn kubectl_env_comes_from_config_maps_and_secrets() -> anyhow::Result<()> {
    let platform = platform()?;
    let kubectl = platform.kubectl();
    kubectl.apply(&configured("env"))?;
    kubectl.run(&format!("{READY} ksvc/env"))?;
    let get = |path: &str| platform.get("env", path).map(|a| a.body);
    assert_eq!(get("/env/COLOUR")?, "blue");
    assert_eq!(get("/env/token")?, "s3cret");
    assert_eq!(get("/env/K_SERVICE")?, "env");
    assert_eq!(get("/env/K_CONFIGURATION")?, "env");
    assert_eq!(get("/args")?, "one two");
    get("/log/hello-from-the-pod")?;
    let pod = kubectl.run("get pods -l serving.knative.dev/service=env -o name")?;
    let pod = pod.lines().next().context("a pod")?.to_owned();
    wait::until("the log", Duration::from_secs(5), || {
        let log = kubectl.run(&format!("logs {pod}")).map_err(|e| e.to_string())?;
        if log.contains("said hello-from-the-pod") { Ok(()) } else { Err(log) }
    })
}

/// As Cloud Run exports a service.
const EXPORTED: &str = "apiVersion: serving.knative.dev/v1
kind: Service
metadata:
  name: exported
  namespace: '415104041262'
  labels: {cloud.googleapis.com/location: europe-west1}
  annotations:
    run.googleapis.com/ingress: all
    run.googleapis.com/client-name: gcloud
spec:
  template:
    metadata:
      annotations:
        autoscaling.knative.dev/maxScale: '100'
        run.googleapis.com/startup-cpu-boost: 'true'
    spec:
      containerConcurrency: 80
      timeoutSeconds: 300
      serviceAccountName: 415104041262-compute@developer.gserviceaccount.com
      nodeSelector: {}
      containers:
      - image: test-server
        ports: [{name: http1, containerPort: 8080}]
        resources: {limits: {cpu: 1000m, memory: 512Mi}}
        startupProbe: {timeoutSeconds: 240, periodSeconds: 240, failureThreshold: 1, tcpSocket: {port: 8080}}
  traffic: [{percent: 100, latestRevision: true}]
";

#[test]
fn kubectl_applies_a_service_as_cloud_run_exports_it() -> anyhow::Result<()> {
    let platform = platform()?;
    let kubectl = platform.kubectl();
    let ran = kubectl.try_run(&["apply", "-f", "-"], EXPORTED)?;
    anyhow::ensure!(ran.ok, "{}", ran.stderr);
    for part in ["run.googleapis.com/startup-cpu-boost", "serviceAccountName", "\"415104041262\""] {
        anyhow::ensure!(ran.stderr.contains(part), "no warning of {part}: {}", ran.stderr);
    }
    kubectl.run(&format!("{READY} ksvc/exported -n 415104041262"))?;
    let again = kubectl.apply(EXPORTED)?;
    anyhow::ensure!(again.contains("unchanged") || again.contains("configured"), "{again}");
    let revisions = kubectl.run("get revisions -n 415104041262 -o name")?;
    assert_eq!(revisions.lines().count(), 1, "{revisions}");
    Ok(())
}

/// A manifest without the defaulted fields replaces the object, as `kubectl replace` and kn's `--force` do.
#[test]
fn kubectl_replaces_a_service_by_a_manifest_without_defaults() -> anyhow::Result<()> {
    let platform = platform()?;
    let kubectl = platform.kubectl();
    kubectl.apply(&service("hello", &[("A", "1")], &[]))?;
    kubectl.run(&format!("{READY} ksvc/hello"))?;
    kubectl.run_with("replace -f -", &service("hello", &[("A", "2")], &[]))?;
    let second = "wait --for=jsonpath={.status.latestReadyRevisionName}=hello-00002 --timeout=30s";
    kubectl.run(&format!("{second} ksvc/hello"))?;
    let mut whole = kubectl.json("get ksvc hello")?;
    let spec = whole["spec"]["template"]["spec"].as_object_mut().context("a spec")?;
    spec.remove("enableServiceLinks");
    spec["containers"][0]["env"] = serde_json::json!([{ "name": "A", "value": "3" }]);
    kubectl.run_with("replace -f -", &whole.to_string())?;
    let third = second.replace("00002", "00003");
    kubectl.run(&format!("{third} ksvc/hello"))?;
    kubectl.run(&format!("{READY} ksvc/hello"))?;
    Ok(())
}
