//! `kubectl apply` to Ready, from kubectl's exec; one Service, and 20 at once.

use std::time::{Duration, Instant};

use rouse_tests::{Platform, wait};

use crate::setup::{Wanted, platform, service};
use crate::stats::Samples;

pub(crate) fn run(wanted: &Wanted) -> anyhow::Result<()> {
    let platform = platform()?;
    // Discovery is cached by kubectl after its first call, as for any user.
    platform.kubectl().run("get ksvc")?;
    let mut one = Samples::default();
    for n in 0..wanted.runs {
        let name = format!("one-{n}");
        let started = Instant::now();
        platform.kubectl().apply(&service(&name, ""))?;
        ready(&platform, std::slice::from_ref(&name))?;
        one.add_ms(started.elapsed());
        platform.kubectl().run(&format!("delete ksvc {name}"))?;
    }
    one.print("kubectl apply of one Service, exec to Ready", "ms");
    let mut twenty = Samples::default();
    for run in 0..wanted.runs {
        let names: Vec<String> = (0..20).map(|n| format!("many-{run}-{n}")).collect();
        let all: String = names.iter().map(|name| service(name, "")).collect();
        let started = Instant::now();
        platform.kubectl().apply(&all)?;
        ready(&platform, &names)?;
        twenty.add_ms(started.elapsed());
        platform.kubectl().run(&format!("delete ksvc {}", names.join(" ")))?;
    }
    twenty.print("kubectl apply of 20 Services, exec to all Ready", "ms");
    Ok(())
}

/// Waits until all are Ready, by the API itself, which costs less than another kubectl.
fn ready(platform: &Platform, names: &[String]) -> anyhow::Result<()> {
    let mut api = crate::api::Client::connect(platform)?;
    wait::until("Ready", Duration::from_secs(60), || {
        let list = api
            .get("/apis/serving.knative.dev/v1/namespaces/default/services")
            .map_err(|e| e.to_string())?;
        let is_ready = |item: &serde_json::Value| {
            let conditions = item["status"]["conditions"].as_array().cloned().unwrap_or_default();
            conditions.iter().any(|c| c["type"] == "Ready" && c["status"] == "True")
        };
        let items = list["items"].as_array().cloned().unwrap_or_default();
        let done =
            items.iter().filter(|i| is_ready(i)).filter_map(|i| i["metadata"]["name"].as_str());
        let count = done.filter(|name| names.iter().any(|n| n == name)).count();
        if count == names.len() { Ok(()) } else { Err(format!("{count} of {}", names.len())) }
    })
}
