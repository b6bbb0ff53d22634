//! Metrics, debug pages, the request log, traces.

use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use parking_lot::Mutex;
use rouse_kit::traces::Destination;
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::harness::{
    HOST, Pod, REVISION, SOON, Spec, Stage, get, one_pod, pod_at, read, says, server, spawn, stage,
    text,
};

const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// The lines of the scrape that begin with `name`, with Knative's labels shortened to `…`.
fn scrape(stage: &Stage, name: &str) -> Vec<String> {
    let own = format!(
        "k8s_namespace_name=\"default\",kn_service_name=\"hello\",\
         kn_configuration_name=\"config\",kn_revision_name=\"{REVISION}\""
    );
    let text = stage.component.metrics.encode();
    let lines = text.lines().filter(|line| line.starts_with(name));
    lines.map(|line| line.replace(&own, "…")).collect()
}

fn page(stage: &Stage, name: &str) -> Value {
    stage.component.debug.render(name).expect("it is there").expect("no panic")
}

/// Turns the request log on, and waits until requests are logged.
async fn logged(stage: &mut Stage, template: &str) {
    let object = json!({ "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": { "name": "config-observability", "namespace": "knative-serving",
            "resourceVersion": "9" },
        "data": { "logging.enable-request-log": "true",
            "logging.request-log-template": template } });
    stage.api.put("configmaps", object).await;
    let first = async {
        while stage.log.try_recv().is_err() {
            assert_eq!(stage.get().await.0, 200);
        }
    };
    timeout(SOON, first).await.expect("it is followed");
}

#[tokio::test]
async fn requests_are_counted_by_revision_code_and_protocol() {
    let stage = one_pod(Spec::default(), says("hello").await).await;
    for _ in 0..3 {
        assert_eq!(stage.get().await.0, 200);
    }
    stage.until(|stats| stats.in_flight == 0).await;
    let labels = "{…,http_response_status_code=\"200\",network_protocol_version=\"1.1\"}";
    let counts = scrape(&stage, "kn_serving_invocation_duration_seconds_count");
    assert_eq!(counts, [format!("kn_serving_invocation_duration_seconds_count{labels} 3")]);
    let all = "kn_serving_invocation_duration_seconds_bucket{le=\"+Inf\",";
    assert!(scrape(&stage, all).iter().all(|line| line.ends_with(" 3")));
    for (name, count) in [("concurrency", 0), ("active", 0), ("queued", 0)] {
        let name = format!("kn_revision_request_{name}");
        assert_eq!(scrape(&stage, &name), [format!("{name}{{…}} {count}")]);
    }
}

#[tokio::test]
async fn errors_and_clients_that_go_away_are_counted_too() {
    let stage = stage(Spec { queue_limit: 1, ..Spec::default() }).await;
    let mut client = stage.client().await;
    let waiting = spawn(async move { client.send(get("/")).await });
    stage.until(|stats| stats.queued == 1).await;
    assert_eq!(scrape(&stage, "kn_revision_request_queued"), ["kn_revision_request_queued{…} 1"]);
    assert_eq!(stage.get().await.0, 503);
    waiting.abort();
    stage.until(|stats| stats.queued == 0).await;
    let unknown = Request::get("/").header("host", "nobody.localhost").body(Full::default());
    let answer = stage.client().await.send(unknown.expect("a request")).await.expect("an answer");
    assert_eq!(answer.status(), 404);

    // The record of a client that went away is written a moment after its place is given up.
    let counts = || scrape(&stage, "kn_serving_invocation_duration_seconds_count");
    let both = async {
        while counts().len() < 2 {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, both).await.expect("both are counted");
    let with = |code: u16| {
        format!(
            "kn_serving_invocation_duration_seconds_count{{…,http_response_status_code=\"{code}\",\
             network_protocol_version=\"1.1\"}} 1"
        )
    };
    assert_eq!(counts(), [with(499), with(503)]);
    let unrouted = scrape(&stage, "rouse_gateway_requests_unrouted_total");
    assert!(unrouted[1].contains("404") && unrouted[1].ends_with(" 1"), "{unrouted:?}");
}

#[tokio::test]
async fn the_series_of_a_deleted_revision_go_with_it() {
    let stage = one_pod(Spec::default(), says("hello").await).await;
    assert_eq!(stage.get().await.0, 200);
    assert!(!scrape(&stage, "kn_revision_request_active").is_empty());
    stage.api.delete("revisions", Spec::default().revision(REVISION)).await;
    let gone = async {
        while stage.component.metrics.encode().contains(REVISION) {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, gone).await.expect("nothing names it");
}

#[tokio::test]
async fn a_cold_start_is_counted_once_by_its_phases() {
    let stage = stage(Spec { concurrency: 0, ..Spec::default() }).await;
    let mut waiting = Vec::new();
    for _ in 0..3 {
        let mut client = stage.client().await;
        waiting.push(spawn(async move { client.send(get("/")).await }));
    }
    stage.until(|stats| stats.queued == 3).await;
    stage.pod("p", pod_at(says("hello").await)).await;
    for answer in waiting {
        assert_eq!(answer.await.expect("no panic").expect("an answer").status(), 200);
    }
    let counts = scrape(&stage, "rouse_cold_start_phase_seconds_count");
    let want = ["wake", "bind", "start", "ready"]
        .map(|phase| format!("rouse_cold_start_phase_seconds_count{{…,phase=\"{phase}\"}} 1"));
    assert_eq!(counts, want);
}

#[tokio::test]
async fn the_debug_pages_say_how_hosts_are_routed_and_revisions_stand() {
    let stage = stage(Spec { concurrency: 2, queue_limit: 7, ..Spec::default() }).await;
    let ready = pod_at(says("hello").await);
    stage.pod("ready", ready).await;
    let probe = json!({ "exec": { "command": ["true"] } });
    stage.pod("waits", Pod { probe, ..pod_at(([127, 0, 0, 1], 9).into()) }).await;
    stage.until(|stats| stats.pods == 1).await;
    let pods = async {
        while page(&stage, "revisions")[0]["pods"].as_array().is_none_or(|pods| pods.len() < 2) {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, pods).await.expect("both are known");
    let revision = page(&stage, "revisions")[0].clone();
    assert_eq!(revision["name"], REVISION);
    assert_eq!((&revision["slots"], &revision["limits"]["queueLimit"]), (&json!(2), &json!(7)));
    let pods: Vec<_> = revision["pods"].as_array().expect("pods").iter().collect();
    assert_eq!((&pods[0]["name"], &pods[0]["state"]), (&json!("ready"), &json!("Usable")));
    assert_eq!((&pods[1]["name"], &pods[1]["state"]), (&json!("waits"), &json!("AwaitReady")));
    let routes = page(&stage, "routes");
    assert_eq!(routes["hosts"][0]["host"], HOST);
    assert_eq!(routes["hosts"][0]["split"], json!([{ "revision": REVISION, "percent": 100 }]));
    assert_eq!(routes["served"][0]["version"], 1);
}

#[tokio::test]
async fn a_line_is_written_for_each_request_once_it_is_asked_for() {
    let mut stage = one_pod(Spec::default(), says("hello").await).await;
    assert_eq!(stage.get().await.0, 200);
    assert!(stage.log.try_recv().is_err(), "off unless asked for");
    let template = "{{.Request.RequestURI}} {{.Response.Code}} {{.Response.Size}} \
                    {{.Revision.Service}}/{{.Revision.Name}} {{.Revision.PodName}}";
    logged(&mut stage, template).await;
    let answer = stage.client().await.send(get("/last?n=1")).await.expect("an answer");
    assert_eq!(read(answer).await.1, "hello");
    let wanted = format!("/last?n=1 200 5 hello/{REVISION} p\n");
    let seen = async {
        while let Some(lines) = stage.log.recv().await {
            if lines.ends_with(&wanted) {
                break;
            }
        }
    };
    timeout(SOON, seen).await.expect("the line of the last request is written");
}

/// Says which traceparent it saw.
async fn traced(request: Request<hyper::body::Incoming>) -> crate::harness::Reply {
    let value = request.headers().get("traceparent").map(|value| value.to_str().expect("text"));
    text(value.unwrap_or("none").to_owned())
}

fn with_parent() -> Request<Full<Bytes>> {
    let mut request = get("/");
    request.headers_mut().insert("traceparent", TRACEPARENT.parse().expect("a value"));
    request
}

#[tokio::test]
async fn a_traceparent_passes_untouched_while_nothing_is_traced() {
    let stage = one_pod(Spec::default(), server(traced).await).await;
    let answer = stage.client().await.send(with_parent()).await.expect("an answer");
    assert_eq!(read(answer).await.1, TRACEPARENT);
    assert_eq!(stage.get().await.1, "none");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trace_is_continued_and_a_cold_starts_phases_are_its_spans() {
    let exported = Arc::new(Mutex::new(Vec::new()));
    let collected = Arc::clone(&exported);
    let collector = server(move |request| {
        let collected = Arc::clone(&collected);
        async move {
            let body = request.into_body().collect().await.expect("a whole body").to_bytes();
            collected.lock().extend_from_slice(&body);
            text("")
        }
    })
    .await;
    let stage = stage(Spec::default()).await;
    let traces = stage.component.traces.clone();
    let endpoint = format!("http://{collector}/v1/traces");
    traces.export(&Destination::Otlp { endpoint }, 0.0, &Handle::current()).expect("an exporter");

    let mut client = stage.client().await;
    let waiting = spawn(async move { client.send(with_parent()).await });
    stage.until(|stats| stats.queued == 1).await;
    stage.pod("p", pod_at(server(traced).await)).await;
    let answer = waiting.await.expect("no panic").expect("an answer");
    let seen = read(answer).await.1;
    let (trace, own) = (&TRACEPARENT[..36], &TRACEPARENT[36..52]);
    assert!(seen.starts_with(trace) && seen.ends_with("-01"), "{seen}");
    assert!(!seen.contains(own), "the pod's parent is the gateway's span");
    stage.until(|stats| stats.in_flight == 0).await;
    // Exports the spans that are still buffered.
    tokio::task::spawn_blocking(move || traces.stop()).await.expect("no panic");
    let exported = exported.lock();
    let holds = |text: &str| exported.windows(text.len()).any(|part| part == text.as_bytes());
    for text in
        ["GET hello", "queue", "wake", "bind", "start", "ready", REVISION, "k8s.pod.name", HOST]
    {
        assert!(holds(text), "no {text} in what was exported");
    }
}
