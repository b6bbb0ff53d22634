//! The programs that cold starts are measured with: the test server and both examples.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Context;
use rouse_tests::{Platform, wait};

use crate::setup::server;

const DIGITS: &str = "/v1/models/digits";
const PREDICT: &str = "/v1/models/digits:predict";

/// A Service that runs, and the request to measure it with.
pub(crate) struct Program {
    pub(crate) what: &'static str,
    pub(crate) name: &'static str,
    pub(crate) path: &'static str,
    pub(crate) body: Option<String>,
    /// Where its source was put; removed at the end.
    _source: Option<tempfile::TempDir>,
}

pub(crate) fn test_server(platform: &Platform) -> anyhow::Result<Program> {
    build(platform, &server()?, "cold")?;
    deploy(platform, "cold", "")?;
    Ok(Program { what: "test server", name: "cold", path: "/", body: None, _source: None })
}

/// The test server with the files of a service account of its own.
pub(crate) fn with_token(platform: &Platform) -> anyhow::Result<Program> {
    build(platform, &server()?, "cold")?;
    platform.kubectl().run("create serviceaccount robot")?;
    apply(platform, "robot", "serviceAccountName: robot\n      containers: [{image: cold}]")?;
    Ok(Program {
        what: "test server, with a token",
        name: "robot",
        path: "/",
        body: None,
        _source: None,
    })
}

/// The test server with a sidecar, an init container and three volumes.
pub(crate) fn pod(platform: &Platform) -> anyhow::Result<Program> {
    build(platform, &server()?, "cold")?;
    let kubectl = platform.kubectl();
    kubectl.apply(
        "apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {colour: blue}
---
apiVersion: v1
kind: Secret
metadata: {name: keys}
stringData: {token: s3cret}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: config-features, namespace: knative-serving}
data: {kubernetes.podspec-init-containers: enabled}
",
    )?;
    let spec = "initContainers:
      - image: cold
        command: [/bin/sh, -c, 'cat /etc/shop/colour > /shared/first']
        volumeMounts: &mounts
        - {name: shared, mountPath: /shared}
        - {name: settings, mountPath: /etc/shop}
        - {name: keys, mountPath: /etc/keys}
      containers:
      - image: cold
        ports: [{containerPort: 8080}]
        volumeMounts: *mounts
      - image: cold
        command: [/bin/sh, -c, 'exec sleep 600']
        volumeMounts: *mounts
      volumes:
      - {name: shared, emptyDir: {}}
      - {name: settings, configMap: {name: settings}}
      - {name: keys, secret: {secretName: keys}}";
    // The setting is followed.
    wait::until("the feature", Duration::from_secs(20), || {
        apply(platform, "full", spec).map_err(|error| error.to_string())
    })?;
    Ok(Program {
        what: "test server, sidecar, init container, 3 volumes",
        name: "full",
        path: "/",
        body: None,
        _source: None,
    })
}

/// `examples/digits`, as its README deploys it.
pub(crate) fn digits(platform: &Platform) -> anyhow::Result<Program> {
    let program = std::env::current_exe()?.with_file_name("digits");
    anyhow::ensure!(
        program.exists(),
        "{} is missing: cargo build --release -p rouse-digits",
        program.display()
    );
    let source = tempfile::tempdir()?;
    run(Command::new(&program).arg("train").arg(source.path()))?;
    std::fs::copy(&program, source.path().join("digits"))?;
    build(platform, source.path(), "digits")?;
    deploy(platform, "digits", "args: [serve, --model, /app/v1.json]")?;
    Ok(predicting("examples/digits", "digits", source)?)
}

/// `examples/sklearn-function`, as its README deploys it.
pub(crate) fn function(platform: &Platform) -> anyhow::Result<Program> {
    let source = tempfile::tempdir()?;
    for file in ["main.py", "requirements.txt", "train.py"] {
        std::fs::copy(examples().join("sklearn-function").join(file), source.path().join(file))?;
    }
    let venv = tempfile::tempdir()?;
    run(Command::new("python3").args(["-m", "venv"]).arg(venv.path()))
        .context("python3 with pip and venv is needed: apt install python3-pip python3-venv")?;
    let python = venv.path().join("bin/python");
    let requirements = source.path().join("requirements.txt");
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "-r"]).arg(requirements))?;
    run(Command::new(&python).arg(source.path().join("train.py")))?;
    build(platform, source.path(), "sklearn-digits")?;
    deploy(platform, "sklearn-digits", "")?;
    Ok(predicting("examples/sklearn-function", "sklearn-digits", source)?)
}

fn predicting(
    what: &'static str,
    name: &'static str,
    source: tempfile::TempDir,
) -> std::io::Result<Program> {
    let body = std::fs::read_to_string(examples().join("digits/request.json"))?;
    Ok(Program { what, name, path: PREDICT, body: Some(body), _source: Some(source) })
}

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("examples")
}

fn build(platform: &Platform, source: &Path, image: &str) -> anyhow::Result<()> {
    platform.rouse_ok(&format!("build {} --image {image}", source.display())).map(drop)
}

/// Applies a Service with the shortest window, and waits for its first pod.
fn apply(platform: &Platform, name: &str, spec: &str) -> anyhow::Result<()> {
    platform.kubectl().apply(&format!(
        "apiVersion: serving.knative.dev/v1
kind: Service
metadata: {{name: {name}}}
spec:
  template:
    metadata:
      annotations: {{autoscaling.knative.dev/window: \"6s\"}}
    spec:
      {spec}
"
    ))?;
    platform.kubectl().run(&format!("wait --for=condition=Ready --timeout=60s ksvc/{name}"))?;
    Ok(())
}

/// A Service of one container, which waits for its model if it has one.
fn deploy(platform: &Platform, name: &str, args: &str) -> anyhow::Result<()> {
    let probe = if name == "cold" {
        String::new()
    } else {
        format!("readinessProbe: {{httpGet: {{path: {DIGITS}}}}}")
    };
    let spec = format!("containers:\n      - image: {name}\n        {args}\n        {probe}");
    apply(platform, name, &spec)
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    anyhow::ensure!(
        output.status.success(),
        "{command:?} ended with {}: {}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}
