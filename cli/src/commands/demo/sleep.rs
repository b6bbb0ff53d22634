//! Scale to zero without requests, and waking up at the next one.

use std::path::Path;
use std::time::{Duration, Instant};

use http::HeaderMap;
use kube::api::{Api, ListParams};
use kube::runtime::wait::await_condition;
use rouse_api::podautoscaler::ScaleChange;
use rouse_api::{PodAutoscaler, keys};

use super::models::{Models, PREDICT, predict};
use super::stage::{NAMESPACE, SERVICE, Stage};
use crate::commands::call::REVISION_HEADER;
use crate::commands::serving::{name_of, pods};
use crate::outcome::{Context, Failure, Result, refused};

/// Longest until the last pod is gone.
const IDLE_TIMEOUT: Duration = Duration::from_secs(40);
/// How often the pods are listed for the live line.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// Longest until the autoscaler has written its reason for a scale-up.
const REASON_TIMEOUT: Duration = Duration::from_secs(5);

/// Watches the pods go.
pub(super) async fn to_zero(stage: &Stage) -> Result {
    stage.title("Send nothing, and watch it go to zero");
    stage.by_hand(&format!("kubectl get pods -n {NAMESPACE} -w"));
    let idle = Instant::now();
    let processes = processes(&stage.dir.images());
    for pod in pods(&stage.target, keys::SERVICE, SERVICE).await? {
        stage.say(format!("pod {}", name_of(&pod)));
    }
    let mut said = (usize::MAX, u64::MAX);
    loop {
        let left = pods(&stage.target, keys::SERVICE, SERVICE).await?;
        let seconds = idle.elapsed().as_secs();
        if said != (left.len(), seconds) {
            said = (left.len(), seconds);
            stage.printer.live(format!("   replicas {}   idle {seconds:>2} s", left.len()));
        }
        if left.is_empty() {
            break;
        }
        if idle.elapsed() > IDLE_TIMEOUT {
            stage.printer.live_done();
            return Err(Failure::not_ready(format!(
                "its pods are still there after {} s",
                IDLE_TIMEOUT.as_secs()
            ))
            .next(format!("rouse explain {SERVICE} -n {NAMESPACE}")));
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    stage.printer.live_done();
    stage.by_hand(&format!("kubectl get pods -n {NAMESPACE}"));
    stage.say("no pods");
    for pid in processes {
        let state =
            if Path::new(&format!("/proc/{pid}/exe")).exists() { "still there" } else { "gone" };
        stage.say(format!("process {pid}: {state}"));
    }
    Ok(())
}

/// The model servers: processes whose working directory is in this image store.
fn processes(images: &Path) -> Vec<u32> {
    let images = images.canonicalize().unwrap_or_else(|_| images.to_owned());
    let all = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut found: Vec<u32> = all
        .filter(|entry| {
            std::fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd.starts_with(&images))
        })
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    found.sort_unstable();
    found
}

/// One request to a service without pods, one to a warm pod, and the autoscaler's reasons.
pub(super) async fn wake(stage: &Stage, models: &Models, url: &str) -> Result {
    stage.title("Ask again: the request waits while a pod starts");
    stage.by_hand(&format!(
        "rouse call {SERVICE} {PREDICT} -n {NAMESPACE} -d {}",
        stage.digit_shown()
    ));
    let request = models.one();
    let (waking, _) = predict(url, &request).await?;
    let woken = waking
        .headers
        .get(REVISION_HEADER)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default()
        .to_owned();
    let warm = warm(url, &request, &woken).await?;
    let millis = |took: Duration| took.as_secs_f64() * 1000.0;
    stage.say(format!("waking  {:>8.2} ms  {woken}", millis(waking.took)));
    for (name, what) in [
        ("hold", "held, which is:"),
        ("wake", "  until a pod was made"),
        ("bind", "  until it had a node"),
        ("start", "  until its process had an address"),
        ("ready", "  until it passed its probe"),
        ("app", "the model's own time"),
    ] {
        if let Some(span) = timing(&waking.headers, name) {
            stage.say(format!("        {span:>8.2} ms  {what}"));
        }
    }
    stage.say(format!("warm    {:>8.2} ms  {woken}", millis(warm)));
    reasons(stage, &woken).await
}

/// How long a request to the woken revision takes; the other may still have no pod.
async fn warm(url: &str, request: &serde_json::Value, revision: &str) -> Result<Duration> {
    let mut took = Duration::ZERO;
    for _ in 0..10 {
        let (answer, _) = predict(url, request).await?;
        took = answer.took;
        let same = answer.headers.get(REVISION_HEADER).is_some_and(|v| v == revision);
        if same && timing(&answer.headers, "hold").is_none() {
            break;
        }
    }
    Ok(took)
}

/// Milliseconds of one phase in the Server-Timing headers.
fn timing(headers: &HeaderMap, name: &str) -> Option<f64> {
    let values = headers.get_all("server-timing").iter().filter_map(|v| v.to_str().ok());
    values.flat_map(|v| v.split(',')).find_map(|metric| {
        let (found, duration) = metric.trim().split_once(";dur=")?;
        (found == name).then(|| duration.parse().ok())?
    })
}

async fn reasons(stage: &Stage, revision: &str) -> Result {
    stage.by_hand(&format!("rouse explain {SERVICE} -n {NAMESPACE}"));
    let api: Api<PodAutoscaler> = Api::namespaced(stage.client(), NAMESPACE);
    let woken = |scaler: Option<&PodAutoscaler>| {
        scaler.is_some_and(|s| {
            let all = decisions(s);
            let up = all.iter().position(|d| d.from == 0 && d.to > 0);
            let down = all.iter().position(|d| d.to == 0);
            up.zip(down).is_some_and(|(up, down)| up < down)
        })
    };
    let waited = await_condition(api.clone(), revision, woken);
    if let Ok(result) = tokio::time::timeout(REASON_TIMEOUT, waited).await {
        result.or_fail(|| "the watch of the autoscaler broke".to_owned())?;
    }
    let of_service = ListParams::default().labels(&format!("{}={SERVICE}", keys::SERVICE));
    let scalers = api.list(&of_service).await.map_err(|e| refused(&e, "list pod autoscalers"))?;
    let scaler = scalers.items.iter().find(|s| name_of(*s) == revision);
    let all = scaler.map(decisions).unwrap_or_default();
    for (to, found) in
        [(0, all.iter().find(|d| d.to == 0)), (1, all.iter().find(|d| d.from == 0 && d.to > 0))]
    {
        let why = found.map_or_else(
            || "no reason was written".to_owned(),
            |d| format!("{}: {}", d.reason, d.message),
        );
        stage.say(format!("why {to}: {why}"));
    }
    Ok(())
}

/// Newest first.
fn decisions(scaler: &PodAutoscaler) -> Vec<ScaleChange> {
    scaler.status.as_ref().map(|status| status.decisions.clone()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_are_read_from_all_server_timing_headers() {
        let mut headers = HeaderMap::new();
        headers.append("server-timing", "db;dur=1".parse().unwrap());
        headers.append("server-timing", "hold;dur=9.50, wake;dur=2.00".parse().unwrap());
        assert_eq!(timing(&headers, "wake"), Some(2.0));
        assert_eq!(timing(&headers, "start"), None);
    }
}
