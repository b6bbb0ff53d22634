//! Answers of the admin port, by state.

use http_body_util::BodyExt;
use jiff::Timestamp;
use prometheus_client::metrics::counter::Counter;

use super::*;
use crate::Process as Whole;
use crate::life::Clock;

async fn get(admin: &Admin, target: &str, accept: &str) -> (u16, String) {
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    let mut headers = HeaderMap::new();
    headers.insert(header::ACCEPT, accept.parse().unwrap());
    let response = admin.answer(&Method::GET, path, query, &headers);
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

fn whole() -> Whole {
    Whole::new(Clock::starting_at(Timestamp::UNIX_EPOCH))
}

#[tokio::test(start_paused = true)]
async fn readiness_is_told_part_by_part() {
    let whole = whole();
    let admin = whole.admin();
    let (store, node) = (whole.health.part("store"), whole.health.part("node"));
    store.ready();
    let (status, text) = get(&admin, "/readyz", "*/*").await;
    assert_eq!(status, 503);
    assert_eq!(text, "[-]node not ready: starting\n[+]store ok\nnot ready\n");
    node.ready();
    assert_eq!(get(&admin, "/readyz", "*/*").await, (200, "ok\n".to_owned()));
    let (_, verbose) = get(&admin, "/readyz?verbose", "*/*").await;
    assert_eq!(verbose, "[+]node ok\n[+]store ok\nready\n");
    let (_, text) = get(&admin, "/readyz", "application/json").await;
    let status: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&status["ready"], &status["parts"][0]["name"]), (&json!(true), &json!("node")));
}

#[tokio::test(start_paused = true)]
async fn a_task_that_is_down_is_not_ready_and_the_end_is_not_healthy() {
    let whole = whole();
    let admin = whole.admin();
    let component = whole.component("controllers", Shutdown::new());
    assert_eq!(get(&admin, "/healthz", "*/*").await.0, 200);
    component.tasks.restarting("scheduler", || async { panic!("no node") });
    tokio::task::yield_now().await;
    let (status, text) = get(&admin, "/readyz", "*/*").await;
    assert_eq!(status, 503);
    assert!(text.contains("[-]controllers/scheduler is down: panicked: no node\n"), "{text}");
    assert_eq!(get(&admin, "/healthz", "*/*").await.0, 200, "it is started again");
    component.tasks.vital("store-writer", async {});
    tokio::task::yield_now().await;
    let (status, text) = get(&admin, "/healthz", "*/*").await;
    assert_eq!((status, text.as_str()), (500, "controllers: the task \"store-writer\" ended\n"));
}

#[tokio::test]
async fn metrics_are_openmetrics_and_end_as_such() {
    let whole = whole();
    let admin = whole.admin();
    let answered: Counter = Counter::default();
    whole.metrics.register("rouse_questions", "Questions answered", answered.clone());
    answered.inc_by(42);
    whole.health.part("store").ready();
    let (status, text) = get(&admin, "/metrics", "*/*").await;
    assert_eq!(status, 200);
    assert!(text.contains("\nrouse_questions_total 42\n"), "{text}");
    assert!(text.contains("rouse_part_ready{part=\"store\"} 1\n"), "{text}");
    assert!(text.contains("process_resident_memory_bytes "), "{text}");
    assert!(text.ends_with("# EOF\n"), "{text}");
}

#[tokio::test]
async fn pages_are_listed_and_a_broken_one_breaks_alone() {
    let whole = whole();
    let admin = whole.admin();
    whole.debug.page("routes", "hosts and their shares", || json!({ "a.example": [] }));
    whole.debug.page("broken", "nothing", || panic!("no table"));
    let (_, index) = get(&admin, "/debug/", "*/*").await;
    assert!(index.contains("href=\"/debug/routes\"") && index.contains("hosts and their shares"));
    assert_eq!(
        get(&admin, "/debug/routes", "*/*").await,
        (200, "{\n  \"a.example\": []\n}\n".to_owned())
    );
    assert_eq!(get(&admin, "/debug/broken", "*/*").await, (500, "panicked: no table\n".to_owned()));
    let (status, text) = get(&admin, "/debug/nothing", "*/*").await;
    assert!(status == 404 && text.contains("/debug/ lists"), "{text}");
    let refused = admin.answer(&Method::POST, "/metrics", None, &HeaderMap::new());
    assert_eq!(refused.status(), StatusCode::METHOD_NOT_ALLOWED);
}
