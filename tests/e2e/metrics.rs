//! A real Prometheus scrapes the admin port.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use rouse_tests::{Platform, http, wait};
use serde_json::Value;

use crate::fixtures::{platform, service};

/// Longest until Prometheus has scraped twice, on a machine that does other things too.
const SCRAPE_TIMEOUT: Duration = Duration::from_secs(60);

/// A Prometheus of the test's own. Ends with it.
struct Prometheus {
    child: Child,
    address: SocketAddr,
}

impl Prometheus {
    /// Scrapes the admin port of `platform` every second.
    fn start(platform: &Platform) -> anyhow::Result<Self> {
        let target = platform.admin()?;
        let folder = platform.dir().join("prometheus");
        fs::create_dir_all(&folder)?;
        let config = folder.join("prometheus.yml");
        fs::write(
            &config,
            format!(
                "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\n\
                 scrape_configs:\n- job_name: rouse\n  static_configs: [{{targets: [\"{target}\"]}}]\n"
            ),
        )?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let log = fs::File::create(folder.join("log"))?;
        let program = std::env::var("ROUSE_TEST_PROMETHEUS").unwrap_or("prometheus".to_owned());
        let child = Command::new(&program)
            .arg("--config.file")
            .arg(&config)
            .arg("--storage.tsdb.path")
            .arg(folder.join("data"))
            .args(["--web.listen-address", &address.to_string()])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("start {program}"))?;
        Ok(Self { child, address })
    }

    /// The samples that a selector finds now.
    fn query(&self, selector: &str) -> Result<Vec<Value>, String> {
        let path = format!("/api/v1/query?query={selector}");
        let answer = http::send(self.address, "prometheus", &path, None)
            .map_err(|error| format!("{error:#}"))?;
        let answer: Value = serde_json::from_str(&answer.body).map_err(|e| e.to_string())?;
        answer["data"]["result"].as_array().cloned().ok_or_else(|| answer.to_string())
    }

    /// The first sample of a selector for which `good` holds.
    fn sample(&self, selector: &str, good: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
        wait::until(selector, SCRAPE_TIMEOUT, || {
            let samples = self.query(selector)?;
            let found = samples.iter().find(|sample| good(sample)).cloned();
            found.ok_or_else(|| Value::from(samples).to_string())
        })
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn value(sample: &Value) -> f64 {
    sample["value"][1].as_str().and_then(|text| text.parse().ok()).unwrap_or(f64::NAN)
}

#[test]
fn prometheus_scrapes_requests_and_parts_under_their_names() -> anyhow::Result<()> {
    let platform = platform()?;
    platform.kubectl().apply(&service("scraped", &[], &[]))?;
    platform.kubectl().run("wait --for=condition=Ready --timeout=60s ksvc/scraped")?;
    for _ in 0..3 {
        ensure!(platform.get("scraped", "/")?.status == 200);
    }
    let prometheus = Prometheus::start(&platform)?;
    prometheus
        .sample("up", |sample| sample["metric"]["job"] == "rouse" && sample["value"][1] == "1")?;
    let requests = prometheus.sample("kn_serving_invocation_duration_seconds_count", |sample| {
        let labels = &sample["metric"];
        labels["kn_service_name"] == "scraped" && labels["k8s_namespace_name"] == "default"
    })?;
    ensure!(value(&requests) == 3.0, "each request is counted once: {requests}");
    prometheus.sample("rouse_part_ready", |sample| sample["value"][1] == "1")?;
    let not_ready = prometheus.query("rouse_part_ready==0").map_err(anyhow::Error::msg)?;
    ensure!(not_ready.is_empty(), "{not_ready:?}");
    Ok(())
}
