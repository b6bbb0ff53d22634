//! The image that test pods run, and Services of it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context;
use rouse_tests::{Platform, platform};

/// Name of the image in the local store.
pub(crate) const IMAGE: &str = "test-server";

/// The test server's executable.
pub(crate) fn server() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_test-server"))
}

/// Builds the test server's image into the platform's store.
pub(crate) fn build(platform: &Platform) -> anyhow::Result<()> {
    platform.build_server(&server())
}

/// The engine's address. Without one the test fails: a skipped check shows nothing.
pub(crate) fn engine() -> anyhow::Result<String> {
    std::env::var("ROUSE_TEST_DOCKER")
        .context("ROUSE_TEST_DOCKER names no Docker engine; tests/run starts one")
}

/// A platform with `process` pods whose store holds the test server.
pub(crate) fn platform() -> anyhow::Result<Platform> {
    platform_with("process")
}

/// The same with pods of that runtime.
pub(crate) fn platform_with(runtime: &str) -> anyhow::Result<Platform> {
    if runtime == "docker" {
        engine()?;
    }
    let platform = Platform::start_with(runtime)?;
    build(&platform)?;
    Ok(platform)
}

/// Stops the platform of a data directory that was started in the background, also when the test fails.
pub(crate) struct Ended<'a>(pub(crate) &'a Path);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        let mut down = Command::new(platform::binary());
        down.arg("down").arg("--data-dir").arg(self.0).env_remove("KUBECONFIG");
        // None may run any more.
        let _gone = down.stdin(Stdio::null()).output();
    }
}

/// A Knative Service of the test server; `annotations` and `env` as `key: value` lines.
pub(crate) fn service(name: &str, env: &[(&str, &str)], annotations: &[(&str, &str)]) -> String {
    let env: String =
        env.iter().map(|(k, v)| format!("\n        - {{name: {k}, value: \"{v}\"}}")).collect();
    let annotations: String =
        annotations.iter().map(|(k, v)| format!("\n        {k}: \"{v}\"")).collect();
    let env = if env.is_empty() { String::new() } else { format!("\n        env:{env}") };
    let annotations = if annotations.is_empty() {
        String::new()
    } else {
        format!("\n    metadata:\n      annotations:{annotations}")
    };
    format!(
        "apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {{name: {name}}}\nspec:\n  template:{annotations}\n    spec:\n      containers:\n      - image: {IMAGE}{env}\n"
    )
}

/// A Service with arguments, a variable from a ConfigMap and others from a Secret, and those two.
pub(crate) fn configured(name: &str) -> String {
    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {colour: blue}\n---\n\
     apiVersion: v1\nkind: Secret\nmetadata: {name: keys}\nstringData: {token: s3cret}\n---\n"
        .to_owned()
        + &service(name, &[], &[])
        + "        env:\n        - {name: COLOUR, valueFrom: {configMapKeyRef: {name: settings, key: colour}}}\n        envFrom:\n        - {secretRef: {name: keys}}\n        args: [one, two]\n"
}
