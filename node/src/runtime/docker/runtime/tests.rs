//! An engine that is silent, breaks off, and has containers that it did not report.

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rouse_kit::Component;
use serde_json::{Value, json};
use tokio::net::UnixListener;

use super::*;
use crate::logs::Logs;
use crate::runtime::docker::wait;

/// One answer of the engine.
enum Answer {
    Is(u16, Value),
    /// Output of a container: stdout in the engine's frames.
    Output(&'static [&'static str]),
    /// The connection ends.
    BreaksOff,
}

type Script = dyn Fn(&Method, &str) -> Answer + Send + Sync;

/// An engine that answers by this script, at the returned address.
fn engine_of(dir: &tempfile::TempDir, script: Arc<Script>) -> String {
    let socket: PathBuf = dir.path().join("docker.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let script = Arc::clone(&script);
            let service = service_fn(move |request: Request<Incoming>| {
                let path = request.uri().path();
                // The version of the API comes first.
                let path =
                    path.strip_prefix("/v1.").and_then(|p| p.split_once('/')).map_or(path, |p| p.1);
                let answer = script(request.method(), path.trim_start_matches('/'));
                async move {
                    let (status, body) = match answer {
                        Answer::Is(status, Value::Null) => (status, Bytes::new()),
                        Answer::Is(status, value) => (status, value.to_string().into()),
                        Answer::Output(texts) => (200, framed(texts)),
                        Answer::BreaksOff => {
                            return Err(std::io::Error::other("the engine breaks off"));
                        }
                    };
                    let answer = Response::builder()
                        .status(status)
                        .header("content-type", "application/json")
                        .body(Full::new(body));
                    Ok::<_, std::io::Error>(answer.unwrap())
                }
            });
            tokio::spawn(async move {
                let serving = hyper::server::conn::http1::Builder::new();
                drop(serving.serve_connection(TokioIo::new(stream), service).await);
            });
        }
        Ok::<(), Infallible>(())
    });
    format!("unix://{}", socket.display())
}

/// Each text as a frame of the engine's log stream: 1 is stdout, then the length.
fn framed(texts: &[&str]) -> Bytes {
    let frame = |text: &&str| {
        let length = u32::try_from(text.len()).unwrap().to_be_bytes();
        [&[1, 0, 0, 0], &length[..], text.as_bytes()].concat()
    };
    texts.iter().flat_map(frame).collect()
}

fn version() -> Answer {
    Answer::Is(200, json!({ "Version": "99.0", "ApiVersion": "1.44" }))
}

fn not_found() -> Answer {
    Answer::Is(404, json!({ "message": "there is no such thing" }))
}

async fn runtime_of(host: &str, dir: &tempfile::TempDir) -> DockerRuntime {
    let component = Component::alone("node");
    let store = rouse_image::Store::open(dir.path().join("images")).unwrap();
    DockerRuntime::connect(Some(host), dir.path(), store, None, &component).await.unwrap()
}

#[tokio::test]
async fn a_wait_that_breaks_off_is_repeated_and_one_for_a_missing_container_ends() {
    let dir = tempfile::tempdir().unwrap();
    let asked = Arc::new(Mutex::new(0));
    let times = Arc::clone(&asked);
    let script = move |_: &Method, path: &str| match path {
        "version" => version(),
        "containers/one/wait" => {
            *times.lock() += 1;
            match *times.lock() {
                1 => Answer::BreaksOff,
                2 => Answer::Is(500, json!({ "message": "shutting down" })),
                _ => Answer::Is(200, json!({ "StatusCode": 7 })),
            }
        }
        _ => not_found(),
    };
    let host = engine_of(&dir, Arc::new(script));
    let docker = engine::connect(&host).await.unwrap();
    let tasks = Component::alone("node").tasks;
    let output = || tasks.attached("log", async {});
    let exit = wait::wait(docker.clone(), "one".to_owned(), output(), None).await;
    assert_eq!((exit.code, *asked.lock()), (7, 3));
    let exit = wait::wait(docker, "gone".to_owned(), output(), None).await;
    assert_eq!(exit.code, 255);
}

#[tokio::test]
async fn a_log_goes_on_after_its_engine_restarted_to_the_last_line_and_repeats_none() {
    // Times as the engine writes them; the parts of a long line share one.
    const FIRST: &str = "2026-01-02T03:04:05.000000001Z one\n";
    const PART: &str = "2026-01-02T03:04:06.000000002Z tw";
    const REST: &str = "2026-01-02T03:04:06.000000002Z o\n";
    const LAST: &str = "2026-01-02T03:04:06.500000000Z three\n";
    let dir = tempfile::tempdir().unwrap();
    let asked = Arc::new(Mutex::new(0));
    let times = Arc::clone(&asked);
    let script = move |_: &Method, path: &str| match path {
        "version" => version(),
        "containers/one/logs" => {
            *times.lock() += 1;
            match *times.lock() {
                1 => Answer::Output(&[FIRST, PART]),
                2 => Answer::BreaksOff,
                3 => Answer::Output(&[PART, REST]),
                // It ended while nobody read.
                _ => Answer::Output(&[PART, REST, LAST]),
            }
        }
        "containers/one/json" => {
            let running = *times.lock() < 3;
            Answer::Is(200, json!({ "Id": "one", "State": { "Running": running } }))
        }
        "containers/mute/logs" => Answer::Is(
            501,
            json!({ "message": "configured logging driver does not support reading" }),
        ),
        _ => not_found(),
    };
    let host = engine_of(&dir, Arc::new(script));
    let docker = engine::connect(&host).await.unwrap();
    let component = Component::alone("node");
    let logs = Logs::new(dir.path().join("logs"), component.clock, component.tasks);
    let pod = PodRef { namespace: "n".into(), name: "p".into(), uid: "u".into() };
    for (id, text, reads) in [("one", "one\ntwo\nthree\n", 4), ("mute", "", 4)] {
        let log = logs.writer(&pod, id, 0);
        let tail = log.later();
        wait::pump(docker.clone(), id.to_owned(), log).await;
        assert_eq!((tail.text(10, 1000).as_str(), *asked.lock()), (text, reads), "{id}");
    }
}

#[tokio::test]
async fn untracked_containers_are_removed_when_the_engine_answers_again() {
    let dir = tempfile::tempdir().unwrap();
    let removed = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&removed);
    let script = move |method: &Method, path: &str| match (method, path) {
        (_, "version") => version(),
        (&Method::GET, "containers/json") => {
            Answer::Is(200, json!([{ "Id": "followed" }, { "Id": "stray" }]))
        }
        (&Method::DELETE, path) => {
            log.lock().push(path.to_owned());
            Answer::Is(204, Value::Null)
        }
        _ => not_found(),
    };
    let host = engine_of(&dir, Arc::new(script));
    let runtime = runtime_of(&host, &dir).await;
    runtime.followed.lock().extend(["followed", "ended"].map(|id| (id.to_owned(), Some(1))));
    assert_eq!(runtime.end_strays().await.unwrap(), 1);
    assert_eq!(*removed.lock(), ["containers/stray"]);
    assert_eq!(*runtime.followed.lock(), HashMap::from([("followed".to_owned(), Some(1))]));
    runtime.remove("docker://followed").await;
    assert_eq!(runtime.end_strays().await.unwrap(), 2);
}
