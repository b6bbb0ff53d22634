//! Log files: writing, reading back, and following.

use std::fs;

use bytes::Bytes;
use jiff::Timestamp;
use rouse_kit::{Clock, Component};
use tokio::sync::mpsc;

use super::line::LINE_MAX_BYTES;
use super::write::GONE_KEPT_MAX;
use super::*;
use crate::spec::PodRef;

fn pod() -> PodRef {
    PodRef { namespace: "demo".into(), name: "hello-1".into(), uid: "u-77".into() }
}

fn logs() -> (tempfile::TempDir, Logs) {
    let dir = tempfile::tempdir().unwrap();
    let start: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
    let logs =
        Logs::new(dir.path().to_owned(), Clock::starting_at(start), Component::alone("test").tasks);
    (dir, logs)
}

async fn all(mut chunks: mpsc::Receiver<Bytes>) -> String {
    let mut text = Vec::new();
    while let Some(chunk) = chunks.recv().await {
        text.extend_from_slice(&chunk);
    }
    String::from_utf8(text).unwrap()
}

fn read(logs: &Logs, options: LogOptions) -> mpsc::Receiver<Bytes> {
    logs.read("demo", "hello-1", "user", options).unwrap()
}

#[tokio::test]
async fn lines_of_both_streams_are_in_the_order_in_which_they_came() {
    use tokio::io::AsyncWriteExt as _;
    let (_dir, logs) = logs();
    let writer = logs.writer(&pod(), "user", 0);
    let ((mut out, stdout), (mut err, stderr)) = (tokio::io::duplex(64), tokio::io::duplex(64));
    let from = [(LogStream::Stdout, stdout), (LogStream::Stderr, stderr)];
    let pump = tokio::spawn(writer.pump(from.into_iter()));
    // Both are waited for when the errors come first.
    tokio::task::yield_now().await;
    err.write_all(b"one\n").await.unwrap();
    out.write_all(b"two\n").await.unwrap();
    drop((out, err));
    pump.await.unwrap();
    assert_eq!(all(read(&logs, LogOptions::default())).await, "one\ntwo\n");
}

#[tokio::test]
async fn the_last_lines_of_a_run_are_read_back_without_their_times() {
    let (_dir, logs) = logs();
    let writer = logs.writer(&pod(), "user", 0);
    for line in ["one", "two", "three"] {
        writer.line(LogStream::Stdout, true, line.as_bytes());
    }
    let tail = LogOptions { tail_lines: Some(2), ..LogOptions::default() };
    assert_eq!(all(read(&logs, tail)).await, "two\nthree\n");
    let limited = LogOptions { limit_bytes: Some(5), ..LogOptions::default() };
    assert_eq!(all(read(&logs, limited)).await, "one\nt");
}

#[tokio::test(start_paused = true)]
async fn times_are_shown_and_selected_by_when_asked() {
    let (_dir, logs) = logs();
    let writer = logs.writer(&pod(), "user", 0);
    writer.line(LogStream::Stdout, true, b"early");
    tokio::time::advance(std::time::Duration::from_secs(60)).await;
    writer.line(LogStream::Stderr, true, b"late");
    let since = Some("2026-01-02T03:05:00Z".parse().unwrap());
    let options = LogOptions { since, timestamps: true, ..LogOptions::default() };
    let text = all(read(&logs, options)).await;
    assert!(text.starts_with("2026-01-02T03:05:0"), "{text}");
    assert!(text.ends_with(" late\n"), "{text}");
}

#[tokio::test]
async fn the_previous_run_is_kept_and_older_ones_are_not() {
    let (dir, logs) = logs();
    let none = LogOptions { previous: true, ..LogOptions::default() };
    for run in 0..3 {
        let writer = logs.writer(&pod(), "user", run);
        writer.line(LogStream::Stdout, true, format!("run {run}").as_bytes());
    }
    assert_eq!(all(read(&logs, LogOptions::default())).await, "run 2\n");
    assert_eq!(all(read(&logs, none)).await, "run 1\n");
    assert!(!dir.path().join("demo_hello-1_u-77/user/0.log").exists());
}

#[tokio::test]
async fn following_ends_when_the_run_ends() {
    let (_dir, logs) = logs();
    let writer = logs.writer(&pod(), "user", 0);
    writer.line(LogStream::Stdout, true, b"before");
    let mut chunks = read(&logs, LogOptions { follow: true, ..LogOptions::default() });
    assert_eq!(chunks.recv().await.unwrap(), "before\n");
    writer.line(LogStream::Stdout, true, b"after");
    assert_eq!(chunks.recv().await.unwrap(), "after\n");
    drop(writer);
    assert_eq!(chunks.recv().await, None);
}

#[tokio::test]
async fn a_container_without_a_log_is_named() {
    let (_dir, logs) = logs();
    let error = logs.read("demo", "hello-1", "user", LogOptions::default()).unwrap_err();
    assert!(error.to_string().contains(r#"container "user" in pod "hello-1""#), "{error}");
    logs.writer(&pod(), "user", 0).open();
    let previous = LogOptions { previous: true, ..LogOptions::default() };
    let error = logs.read("demo", "hello-1", "user", previous).unwrap_err();
    assert!(error.to_string().contains("previous terminated container"), "{error}");
}

#[test]
fn a_long_line_is_written_in_parts() {
    let mut parts = Vec::new();
    let mut lines = Lines::default();
    let long = [vec![b'x'; LINE_MAX_BYTES + 3], b"\nend".to_vec()].concat();
    lines.feed(&long, |whole, text| parts.push((whole, text.len())));
    lines.finish(|whole, text| parts.push((whole, text.len())));
    assert_eq!(parts, [(false, LINE_MAX_BYTES), (true, 3), (true, 3)]);
}

#[tokio::test]
async fn the_log_of_the_last_pod_is_found_when_no_pod_is_left() {
    let (dir, logs) = logs();
    let writer = logs.writer(&pod(), "user", 0);
    for line in ["one", "two", "three"] {
        writer.line(LogStream::Stdout, true, line.as_bytes());
    }
    // A later run that wrote nothing is passed over.
    logs.writer(&pod(), "user", 1).open();
    let last = |container: Option<&str>, options: &LogOptions| {
        of_last_pod(dir.path(), "demo", |pod| pod.starts_with("hello-"), container, options)
    };
    let tail = LogOptions { tail_lines: Some(2), ..LogOptions::default() };
    let want = LastLog {
        pod: "hello-1".to_owned(),
        container: "user".to_owned(),
        text: "two\nthree\n".to_owned(),
    };
    assert_eq!(last(None, &tail), [want]);
    assert_eq!(last(Some("other"), &tail), []);
    logs.writer(&pod(), "other", 0).line(LogStream::Stdout, true, b"four");
    let containers = |last: Vec<LastLog>| last.into_iter().map(|l| l.container).collect::<Vec<_>>();
    assert_eq!(containers(last(None, &tail)), ["other", "user"]);
    assert_eq!(containers(last(Some("other"), &tail)), ["other"]);
    let previous = LogOptions { previous: true, ..LogOptions::default() };
    assert_eq!(last(None, &previous), [], "one run with text each");
    let none = of_last_pod(dir.path(), "other", |_| true, None, &tail);
    assert_eq!(none, []);
}

#[tokio::test]
async fn logs_of_deleted_pods_are_kept_up_to_a_number() {
    let (dir, logs) = logs();
    for n in 0..GONE_KEPT_MAX + 3 {
        let pod = PodRef { uid: format!("u-{n}"), ..pod() };
        logs.writer(&pod, "user", 0).open();
    }
    logs.forget_old(|uid| uid == "u-0");
    let left = fs::read_dir(dir.path()).unwrap().count();
    assert_eq!(left, GONE_KEPT_MAX + 1, "and the one that lives");
    assert!(dir.path().join("demo_hello-1_u-0").exists());
}
