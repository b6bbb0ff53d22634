//! A platform with one Service of the test server, `victim`.

use anyhow::Context;
use rouse_tests::{Platform, memory};

/// One pod, so that what waits is not spread.
const SERVICE: &str = r#"
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: victim}
spec:
  template:
    metadata:
      annotations:
        autoscaling.knative.dev/min-scale: "1"
        autoscaling.knative.dev/max-scale: "1"
    spec:
      containers:
      - image: test-server
"#;

pub(crate) fn platform() -> anyhow::Result<Platform> {
    with_service(Platform::start()?)
}

pub(crate) fn with_service(platform: Platform) -> anyhow::Result<Platform> {
    let server = std::env::current_exe()?.with_file_name("test-server");
    anyhow::ensure!(server.exists(), "build it first: cargo build --release -p rouse-tests");
    platform.build_server(&server)?;
    platform.kubectl().apply(SERVICE)?;
    platform.kubectl().run("wait --for=condition=Ready --timeout=60s ksvc/victim")?;
    Ok(platform)
}

/// By how many MiB the platform grows at most while `work` runs.
pub(crate) fn growth<T>(
    platform: &Platform,
    work: impl FnOnce() -> anyhow::Result<T>,
) -> anyhow::Result<(f64, T)> {
    let before = memory::rss(platform.pid()).context("the platform's memory")?;
    let (peak, result) = memory::peak_rss(platform.pid(), work)?;
    Ok(((peak - before).max(0.0), result?))
}
