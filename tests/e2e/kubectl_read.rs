//! kubectl's reading verbs: what each prints, and how it fails.

use std::io::Read;
use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::Context;
use rouse_tests::kubectl::Kubectl;
use rouse_tests::{Platform, wait};

use crate::fixtures;
use crate::kubectl_write::DEPLOYMENT;

const LABELLED: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: seen, labels: {x: seen}}\ndata: {a: \"1\"}\n";

/// A command that runs until it is ended, with its output in a file.
struct Following(Child, tempfile::NamedTempFile);

impl Following {
    fn start(kubectl: &Kubectl, line: &str) -> anyhow::Result<Self> {
        let file = tempfile::NamedTempFile::new()?;
        let words: Vec<&str> = line.split_whitespace().collect();
        let child = kubectl
            .command(&words)
            .stdin(Stdio::null())
            .stdout(file.reopen()?)
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self(child, file))
    }

    fn says(&self, part: &str) -> anyhow::Result<()> {
        wait::until(part, Duration::from_secs(15), || {
            let mut text = String::new();
            self.1
                .reopen()
                .and_then(|mut f| f.read_to_string(&mut text))
                .map_err(|e| e.to_string())?;
            if text.contains(part) { Ok(()) } else { Err(text) }
        })
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let _killed = self.0.kill();
        let _reaped = self.0.wait();
    }
}

#[test]
fn kubectl_verbs_get_and_describe_show_objects_in_every_form() -> anyhow::Result<()> {
    let platform = Platform::start_with("fake")?;
    let kubectl = platform.kubectl();
    kubectl.apply(LABELLED)?;
    kubectl.apply(DEPLOYMENT)?;
    kubectl.run("rollout status deploy/d --timeout=20s")?;
    kubectl.run("wait pod -l app=d --for=condition=Ready --timeout=20s")?;
    assert!(kubectl.fail("rollout status deploy/none", "")?.contains("NotFound"));
    let said = kubectl.fail("wait cm/seen --for=condition=Never --timeout=1s", "")?;
    assert!(said.contains("timed out"), "{said}");

    let table = kubectl.run("get pods")?;
    assert!(
        table.contains("READY") && table.contains("1/1") && table.contains("Running"),
        "{table}"
    );
    let wide = kubectl.run("get pods -o wide")?;
    assert!(wide.contains("IP") && wide.contains("NODE"), "{wide}");
    let all = kubectl.run("get cm -A")?;
    assert!(all.contains("NAMESPACE") && all.contains("seen"), "{all}");
    assert!(kubectl.run("get cm seen -o yaml")?.contains("\n  name: seen\n"));
    assert_eq!(kubectl.json("get cm seen")?["kind"], "ConfigMap");
    assert_eq!(kubectl.run("get cm seen -o jsonpath={.data.a}")?, "1");
    assert_eq!(kubectl.run("get cm -l x=seen -o name")?, "configmap/seen\n");
    let field = "get cm --field-selector metadata.name=seen -o name";
    assert_eq!(kubectl.run(field)?, "configmap/seen\n");
    assert_eq!(kubectl.run("get pods --field-selector status.phase=Failed -o name")?, "");
    let said = kubectl.fail("get cm --field-selector data.a=1", "")?;
    assert!(said.contains("data.a"), "{said}");
    assert!(kubectl.fail("get cm none", "")?.contains("NotFound"));
    assert!(kubectl.fail("get nonsense", "")?.contains("nonsense"));
    assert!(kubectl.fail("get cm none -w", "")?.contains("NotFound"));

    let pod = kubectl.run("get pods -l app=d -o name")?;
    let described = kubectl.run(&format!("describe {}", pod.trim()))?;
    assert!(described.contains("Controlled By:") && described.contains("Events:"), "{described}");
    let described = kubectl.run("describe deploy d")?;
    assert!(described.contains("1 desired") && described.contains("NewReplicaSet:"), "{described}");
    let described = kubectl.run("describe nodes")?;
    assert!(described.contains("Allocatable:") && described.contains("Ready"), "{described}");
    kubectl.apply(&fixtures::service("shown", &[], &[]))?;
    let described = kubectl.run("describe ksvc shown")?;
    assert!(described.contains("Kind:         Service"), "{described}");
    assert!(kubectl.fail("describe pod none", "")?.contains("NotFound"));

    let following = Following::start(&kubectl, "get cm -w -l x=seen")?;
    following.says("seen")?;
    kubectl.apply(&LABELLED.replace("name: seen", "name: later"))?;
    following.says("later")
}

/// A kubectl with the API's address and a wrong token.
fn stranger(platform: &Platform) -> anyhow::Result<Kubectl> {
    let config = platform.dir().join("stranger");
    let url = platform.api.trim_end_matches('/');
    std::fs::write(
        &config,
        format!(
            "apiVersion: v1\nkind: Config\nclusters: [{{name: c, cluster: {{server: \"{url}\", insecure-skip-tls-verify: true}}}}]\nusers: [{{name: u, user: {{token: wrong}}}}]\ncontexts: [{{name: x, context: {{cluster: c, user: u}}}}]\ncurrent-context: x\n"
        ),
    )?;
    // A home of its own, because kubectl caches discovery by address.
    let home = platform.dir().join("strange-home");
    std::fs::create_dir_all(&home)?;
    Ok(Kubectl::new(&config, &home))
}

#[test]
fn kubectl_verbs_about_the_api_itself_answer() -> anyhow::Result<()> {
    let platform = Platform::start_with("fake")?;
    let kubectl = platform.kubectl();
    let resources = kubectl.run("api-resources")?;
    for kind in ["ConfigMap", "Deployment", "CustomResourceDefinition", "ksvc", "Lease"] {
        assert!(resources.contains(kind), "{kind} in {resources}");
    }
    let versions = kubectl.run("api-versions")?;
    assert!(versions.contains("apps/v1\n") && versions.contains("serving.knative.dev/v1\n"));
    assert!(kubectl.run("version")?.contains("Server Version: v1."));
    assert!(kubectl.run("explain deploy.spec.replicas")?.contains("replicas"));
    assert!(kubectl.fail("explain deploy.spec.nonsense", "")?.contains("nonsense"));

    let get = |path: &str| -> anyhow::Result<serde_json::Value> {
        Ok(serde_json::from_str(&kubectl.run(&format!("get --raw {path}"))?)?)
    };
    assert_eq!(get("/api")?["kind"], "APIVersions");
    assert_eq!(get("/apis")?["kind"], "APIGroupList");
    assert_eq!(get("/apis/apps/v1")?["kind"], "APIResourceList");
    let paths = get("/openapi/v3")?;
    let document = paths["paths"]["apis/apps/v1"]["serverRelativeURL"].as_str().context("a URL")?;
    assert!(get(document)?["components"]["schemas"].is_object());
    assert!(kubectl.fail("get --raw /apis/none/v1", "")?.contains("NotFound"));

    let review = r#"{"apiVersion":"authorization.k8s.io/v1","kind":"SelfSubjectAccessReview","spec":{"resourceAttributes":{"verb":"get","resource":"pods"}}}"#;
    let answer = kubectl.run_with(
        "create --raw /apis/authorization.k8s.io/v1/selfsubjectaccessreviews -f -",
        review,
    )?;
    let answer: serde_json::Value = serde_json::from_str(&answer)?;
    assert_eq!(answer["status"]["allowed"], true, "{answer}");
    // Newer kubectls send this one as protobuf.
    assert_eq!(kubectl.run("auth can-i get pods")?, "yes\n");

    // Nothing listens there.
    let said = kubectl.fail("version --server=https://127.0.0.1:1", "")?;
    assert!(said.contains("127.0.0.1:1") && said.contains("refused"), "{said}");
    let stranger = stranger(&platform)?;
    for line in ["get --raw /api", "api-resources", "api-versions", "version", "get pods"] {
        let said = stranger.fail(line, "")?;
        let is_so =
            ["Unauthorized", "logged in", "provide credentials"].iter().any(|w| said.contains(w));
        assert!(is_so, "{line}: {said}");
    }
    Ok(())
}

#[test]
fn kubectl_verbs_watch_resumes_after_a_restart_and_too_old_is_gone() -> anyhow::Result<()> {
    let mut platform = Platform::start_with("fake")?;
    let kubectl = platform.kubectl();
    kubectl.apply(LABELLED)?;
    let version = kubectl.run("get cm seen -o jsonpath={.metadata.resourceVersion}")?;
    kubectl.apply(&LABELLED.replace("a: \"1\"", "a: \"2\""))?;
    assert!(platform.stop()?.success());
    platform.restart()?;
    let kubectl = platform.kubectl();
    let watch_from = |from: &str| {
        format!(
            "/api/v1/namespaces/default/configmaps?watch=1&timeoutSeconds=2&resourceVersion={from}"
        )
    };
    let events = kubectl.run(&format!("get --raw {}", watch_from(&version)))?;
    assert!(events.contains("MODIFIED") && events.contains("\"a\":\"2\""), "resumed: {events}");
    let now = kubectl.json("get cm")?["metadata"]["resourceVersion"]
        .as_str()
        .context("a version")?
        .to_owned();
    let following = Following::start(
        &kubectl,
        &format!("get --raw {}", watch_from(&now).replace("Seconds=2", "Seconds=20")),
    )?;
    kubectl.apply(&LABELLED.replace("name: seen", "name: after"))?;
    following.says("\"after\"")?;
    // More than the watch history of one resource holds.
    for n in 0..6 {
        let name = format!("name: big{n}");
        let big = LABELLED.replace("name: seen", &name).replace("\"1\"", &"x".repeat(900_000));
        kubectl.run_with("create -f -", &big)?;
    }
    let ran = kubectl.try_run(&["get", "--raw", &watch_from(&version)], "")?;
    let said = format!("{}{}", ran.stdout, ran.stderr);
    assert!(said.contains("too old resource version"), "{said:.300}");
    Ok(())
}

#[test]
fn kubectl_verbs_logs_show_what_a_pod_wrote_and_follow_it() -> anyhow::Result<()> {
    let platform = fixtures::platform()?;
    let kubectl = platform.kubectl();
    kubectl.apply(&fixtures::service("talks", &[], &[]))?;
    kubectl.run("wait --for=condition=Ready --timeout=30s ksvc/talks")?;
    let pod = kubectl.run("get pods -l serving.knative.dev/service=talks -o name")?;
    let pod = pod.trim();
    let following = Following::start(&kubectl, &format!("logs -f {pod}"))?;
    platform.get("talks", "/log/first")?;
    following.says("said first")?;
    platform.get("talks", "/log/second")?;
    following.says("said second")?;
    let last = kubectl.run(&format!("logs --tail=1 {pod}"))?;
    assert_eq!(last.lines().count(), 1, "{last}");
    assert!(kubectl.run(&format!("logs {pod}"))?.contains("said first"));
    assert!(kubectl.fail("logs none", "")?.contains("NotFound"));
    assert!(kubectl.fail("logs -f none", "")?.contains("NotFound"));
    let said = kubectl.fail(&format!("logs {pod} -c none"), "")?;
    assert!(said.contains("container none is not valid"), "{said}");
    for refused in ["exec", "attach"] {
        let command = if refused == "exec" { " -- true" } else { "" };
        let said = kubectl.fail(&format!("{refused} {pod}{command}"), "")?;
        assert!(said.contains(&format!("pods/{refused} is not served by Rouse yet")), "{said}");
    }
    let said = kubectl.fail(&format!("port-forward {pod} 0:8080"), "")?;
    assert!(said.contains("pods/portforward is not served by Rouse yet"), "{said}");
    Ok(())
}
