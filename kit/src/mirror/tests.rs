//! Against a scripted API server, on paused time.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use futures::{FutureExt, StreamExt, stream};
use http::{Request, Response};
use http_body_util::StreamBody;
use http_body_util::combinators::BoxBody;
use hyper::body::Frame;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Client;
use kube::client::Body;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use super::*;

/// What the server answers to one request.
enum Answer {
    List(Vec<Value>),
    /// These events, and then nothing more.
    Watch(Vec<Value>),
    /// These events, and then the end of the connection.
    WatchEnds(Vec<Value>),
    Fails(u16),
}

use Answer::{Fails, List, Watch, WatchEnds};

/// Answers requests in order; none are expected beyond the last.
struct Server {
    answers: Mutex<VecDeque<Answer>>,
    /// When each request came, after the first, and whether it was a watch.
    asked: Mutex<Vec<(Duration, bool)>>,
    began: Instant,
}

impl Server {
    fn new(answers: Vec<Answer>) -> Arc<Self> {
        let (answers, asked) = (Mutex::new(answers.into()), Mutex::default());
        Arc::new(Self { answers, asked, began: Instant::now() })
    }

    fn api(self: &Arc<Self>) -> Api<ConfigMap> {
        let server = Arc::clone(self);
        let service = tower::service_fn(move |request: Request<Body>| {
            let answer = server.answer(&request);
            async move { Ok::<_, Infallible>(answer) }
        });
        Api::all(Client::new(service, "default"))
    }

    fn answer(&self, request: &Request<Body>) -> Response<BoxBody<Bytes, Infallible>> {
        let is_watch = request.uri().query().is_some_and(|query| query.contains("watch=true"));
        self.asked.lock().push((self.began.elapsed(), is_watch));
        let answer = self.answers.lock().pop_front().expect("no more requests are expected");
        let line = |event: Value| Ok(Frame::data(Bytes::from(format!("{event}\n"))));
        match answer {
            List(items) => {
                assert!(!is_watch, "a list is expected");
                let list = json!({
                    "apiVersion": "v1", "kind": "ConfigMapList",
                    "metadata": { "resourceVersion": "100" }, "items": items,
                });
                respond(200, stream::iter([line(list)]))
            }
            Watch(events) => {
                assert!(is_watch, "a watch is expected");
                respond(200, stream::iter(events.into_iter().map(line)).chain(stream::pending()))
            }
            WatchEnds(events) => {
                assert!(is_watch, "a watch is expected");
                respond(200, stream::iter(events.into_iter().map(line).collect::<Vec<_>>()))
            }
            Fails(code) => {
                let status = json!({
                    "apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Failure",
                    "message": "no", "reason": "ServiceUnavailable", "code": code,
                });
                respond(code, stream::iter([line(status)]))
            }
        }
    }
}

fn respond(
    code: u16,
    body: impl Stream<Item = Result<Frame<Bytes>, Infallible>> + Send + Sync + 'static,
) -> Response<BoxBody<Bytes, Infallible>> {
    Response::builder().status(code).body(BoxBody::new(StreamBody::new(body))).unwrap()
}

/// A ConfigMap of this version, with `value` as its data; its UID follows from its name.
fn object(name: &str, version: u32, value: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": { "name": name, "namespace": "shop", "uid": format!("uid-{name}"),
                      "resourceVersion": version.to_string() },
        "data": { "value": value },
    })
}

fn reborn(name: &str, version: u32, value: &str) -> Value {
    let mut object = object(name, version, value);
    object["metadata"]["uid"] = "another".into();
    object
}

fn event(kind: &str, object: Value) -> Value {
    json!({ "type": kind, "object": object })
}

/// The error of a watch whose resource version is too old.
fn expired() -> Value {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "too old resource version", "reason": "Expired", "code": 410,
    });
    event("ERROR", status)
}

fn value(object: &ConfigMap) -> &str {
    object.data.as_ref().map_or("", |data| data["value"].as_str())
}

fn line(change: &Change<ConfigMap>) -> String {
    match change {
        Change::Added { key, new } => format!("+ {key} {}", value(new)),
        Change::Changed { key, old, new } => format!("~ {key} {} {}", value(old), value(new)),
        Change::Gone { key, old } => format!("- {key} {}", value(old)),
        Change::InSync => "in sync".to_owned(),
    }
}

/// Every change until there is none for a minute: longer than any pause, shorter than kube lets a watch
/// be silent.
async fn changes(mirror: &mut Mirror<ConfigMap>) -> Vec<String> {
    let mut lines = Vec::new();
    while let Ok(change) = timeout(Duration::from_secs(60), mirror.next()).await {
        lines.push(line(&change));
        assert!(lines.len() < 100, "it goes on and on: {lines:?}");
    }
    lines
}

#[track_caller]
fn names(store: &Store<ConfigMap>) -> Vec<String> {
    store.all().iter().filter_map(|object| object.metadata.name.clone()).collect()
}

#[tokio::test(start_paused = true)]
async fn what_is_listed_and_watched_is_told_once_and_in_order() {
    let server = Server::new(vec![
        List(vec![object("a", 1, "one"), object("b", 2, "one")]),
        Watch(vec![
            event("ADDED", object("c", 101, "one")),
            event("MODIFIED", object("a", 102, "two")),
            event("DELETED", object("b", 103, "one")),
            event("DELETED", object("never-seen", 104, "one")),
        ]),
    ]);
    let mut mirror = Mirror::new(server.api(), Config::default());
    let store = mirror.store();
    assert!(store.in_sync().now_or_never().is_none());
    assert_eq!(
        changes(&mut mirror).await,
        [
            "+ shop/a one",
            "+ shop/b one",
            "in sync",
            "+ shop/c one",
            "~ shop/a one two",
            "- shop/b one"
        ]
    );
    assert!(store.in_sync().now_or_never().is_some());
    assert_eq!(names(&store), ["a", "c"]);
    assert_eq!(store.get("shop", "a").as_deref().map(value), Some("two"));
    assert_eq!(store.get("shop", "b"), None);
    assert_eq!(store.get("other", "a"), None);
}

#[tokio::test(start_paused = true)]
async fn a_new_list_tells_what_happened_while_no_watch_ran() {
    let server = Server::new(vec![
        List(vec![
            object("changes", 1, "one"),
            object("goes", 2, "one"),
            object("is-replaced", 3, "one"),
            object("stays", 4, "one"),
        ]),
        WatchEnds(vec![expired()]),
        List(vec![
            object("changes", 111, "two"),
            object("comes", 112, "one"),
            reborn("is-replaced", 113, "two"),
            object("stays", 4, "one"),
        ]),
        Watch(Vec::new()),
    ]);
    let mut mirror = Mirror::new(server.api(), Config::default());
    assert_eq!(
        changes(&mut mirror).await,
        [
            "+ shop/changes one",
            "+ shop/goes one",
            "+ shop/is-replaced one",
            "+ shop/stays one",
            "in sync",
            "~ shop/changes one two",
            "+ shop/comes one",
            "- shop/is-replaced one",
            "+ shop/is-replaced two",
            "- shop/goes one",
        ]
    );
    assert_eq!(names(&mirror.store()), ["changes", "comes", "is-replaced", "stays"]);
}

#[tokio::test(start_paused = true)]
async fn a_list_that_breaks_off_takes_nothing_for_gone() {
    let server = Server::new(vec![
        List(vec![object("a", 1, "one")]),
        WatchEnds(vec![expired()]),
        Fails(503),
        List(vec![object("a", 1, "one")]),
        Watch(Vec::new()),
    ]);
    let mut mirror = Mirror::new(server.api(), Config::default());
    assert_eq!(changes(&mut mirror).await, ["+ shop/a one", "in sync"]);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_fails_is_asked_ever_slower_until_it_answers() {
    let mut answers: Vec<Answer> = (0..9).map(|_| Fails(503)).collect();
    answers.extend([List(vec![object("a", 1, "one")]), Watch(Vec::new())]);
    let server = Server::new(answers);
    let mut mirror = Mirror::new(server.api(), Config::default());
    let mut outage = mirror.outage();
    let failing = timeout(Duration::from_secs(8), mirror.next()).await;
    assert!(failing.is_err(), "{failing:?}");
    let told = outage.borrow_and_update().clone().expect("it fails");
    assert_eq!((told.kind.as_str(), told.since - server.began), ("ConfigMap", Duration::ZERO));
    assert_eq!(changes(&mut mirror).await, ["+ shop/a one", "in sync"]);
    assert_eq!(*outage.borrow_and_update(), None);
    let at: Vec<u128> = server.asked.lock().iter().map(|(at, _)| at.as_millis()).collect();
    let pauses: Vec<u128> = at.windows(2).map(|pair| pair[1] - pair[0]).collect();
    // Tokio's timer is a millisecond late at times.
    let about: Vec<u128> = pauses.iter().map(|pause| pause / 10 * 10).collect();
    assert_eq!(about, [50, 100, 200, 400, 800, 1600, 3200, 5000, 5000, 0]);
}

#[tokio::test(start_paused = true)]
async fn lists_come_ever_slower_where_every_watch_after_them_fails() {
    let mut answers: Vec<Answer> = (0..8)
        .flat_map(|_| [List(vec![object("a", 1, "one")]), WatchEnds(vec![expired()])])
        .collect();
    answers.extend([List(vec![object("a", 1, "one")]), Watch(Vec::new())]);
    let server = Server::new(answers);
    let mut mirror = Mirror::new(server.api(), Config::default());
    assert_eq!(changes(&mut mirror).await, ["+ shop/a one", "in sync"]);
    let lists: Vec<u128> = server
        .asked
        .lock()
        .iter()
        .filter(|(_, watch)| !watch)
        .map(|(at, _)| at.as_millis())
        .collect();
    let pauses = lists.windows(2).map(|pair| pair[1] - pair[0]);
    assert!(pauses.clone().max() >= Some(3200), "{:?}", pauses.collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_mirror_keeps_only_what_is_read() {
    let server = Server::new(vec![
        List(vec![object("a", 1, "one"), object("b", 2, "")]),
        Watch(vec![
            event("MODIFIED", object("a", 101, "four")),
            event("MODIFIED", object("b", 102, "x")),
            event("MODIFIED", object("a", 103, "")),
        ]),
    ]);
    let length = |object: ConfigMap| Some(value(&object).len()).filter(|length| *length > 0);
    let mirror = Mirror::of(server.api(), Config::default(), length);
    let store = mirror.store();
    let told: Vec<Change<usize>> = mirror.into_stream().take(5).collect().await;
    let key = |name: &str| ObjectKey::new("shop", name);
    assert_eq!(
        told,
        [
            Change::Added { key: key("a"), new: Arc::new(3) },
            Change::InSync,
            Change::Changed { key: key("a"), old: Arc::new(3), new: Arc::new(4) },
            Change::Added { key: key("b"), new: Arc::new(1) },
            Change::Gone { key: key("a"), old: Arc::new(4) },
        ]
    );
    assert_eq!(store.all(), [Arc::new(1)]);
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_a_change_may_be_given_up_at_any_time() {
    let server = Server::new(vec![
        Fails(503),
        List(vec![object("a", 1, "one"), object("b", 2, "one")]),
        Watch(vec![event("MODIFIED", object("a", 101, "two"))]),
    ]);
    let mut mirror = Mirror::new(server.api(), Config::default());
    let mut told = Vec::new();
    for _ in 0..1000 {
        match timeout(Duration::from_millis(1), mirror.next()).await {
            Ok(change) => told.push(line(&change)),
            Err(_) if told.len() == 4 => break,
            Err(_) => {}
        }
    }
    assert_eq!(told, ["+ shop/a one", "+ shop/b one", "in sync", "~ shop/a one two"]);
}

#[test]
fn a_store_is_asked_by_key_by_namespace_or_for_all() {
    let in_namespace = |namespace: &str, name: &str| {
        let mut object: ConfigMap = serde_json::from_value(object(name, 1, name)).unwrap();
        object.metadata.namespace = Some(namespace.to_owned());
        object
    };
    let objects = [
        in_namespace("b", "y"),
        in_namespace("a", "z"),
        in_namespace("b", "x"),
        in_namespace("c", "x"),
    ];
    let store: Store<ConfigMap> = objects.into_iter().collect();
    assert!(store.in_sync().now_or_never().is_some() && store.len() == 4 && !store.is_empty());
    assert_eq!(names(&store), ["z", "x", "y", "x"], "by namespace, then by name");
    let found = |objects: Vec<Arc<ConfigMap>>| -> Vec<String> {
        objects.iter().map(|object| ObjectKey::of(&object.metadata).to_string()).collect()
    };
    assert_eq!(found(store.filter(|object| value(object) == "x")), ["b/x", "c/x"]);
    assert_eq!(found(store.filter_in("b", |_| true)), ["b/x", "b/y"]);
    assert!(store.filter_in("d", |_| true).is_empty());
}
