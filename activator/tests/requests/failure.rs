//! Failures: pods that break off, connections that close, timeouts, shutdown.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use http::Request;
use http_body_util::Full;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::harness::{
    Gate, HOST, REVISION, SOON, Spec, gated, get, one_pod, pod_at, post, read, routed, says, serve,
    spawn, split_host, stage, text,
};

const ANSWER: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// A server that answers `answers` requests on a connection and closes it when the next one came;
/// it counts the requests that it saw. Connections without a request are probes.
async fn closing(answers: u32) -> (SocketAddr, Arc<AtomicU32>) {
    closing_with(answers, "").await
}

/// The same, but sends `last` before it closes.
async fn closing_with(answers: u32, last: &'static str) -> (SocketAddr, Arc<AtomicU32>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let seen = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&seen);
    spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let counted = Arc::clone(&counted);
            spawn(async move {
                for turn in 0.. {
                    if !head(&mut stream).await {
                        return;
                    }
                    counted.fetch_add(1, Ordering::SeqCst);
                    if turn == answers {
                        stream.write_all(last.as_bytes()).await.expect("open");
                        return;
                    }
                    stream.write_all(ANSWER.as_bytes()).await.expect("open");
                }
            });
        }
    });
    (address, seen)
}

/// Reads one request; false at the end.
async fn head(stream: &mut TcpStream) -> bool {
    let mut text = Vec::new();
    loop {
        let mut bytes = [0; 1024];
        match stream.read(&mut bytes).await {
            Ok(0) | Err(_) => return false,
            Ok(count) => text.extend_from_slice(&bytes[..count]),
        }
        if text.ends_with(b"\r\n\r\n") || text.ends_with(b"body") {
            return true;
        }
    }
}

#[tokio::test]
async fn a_get_on_a_reused_connection_that_closed_is_sent_again() {
    let (address, seen) = closing(1).await;
    let stage = one_pod(Spec::default(), address).await;
    let mut client = stage.client().await;
    for _ in 0..3 {
        let response = client.send(get("/")).await.expect("an answer");
        assert_eq!(read(response).await.0, 200);
    }
    // The first, then each of the others twice: on the old connection and on a new one.
    assert_eq!(seen.load(Ordering::SeqCst), 5);
}

#[tokio::test]
async fn a_post_that_may_have_been_acted_on_is_never_sent_again() {
    let (address, seen) = closing(1).await;
    let stage = one_pod(Spec::default(), address).await;
    let mut client = stage.client().await;
    let first = client.send(post("body")).await.expect("an answer");
    assert_eq!(read(first).await.0, 200);
    let (status, body) = read(client.send(post("body")).await.expect("an answer")).await;
    assert_eq!(status, 502);
    assert!(body.contains(r#""reason":"UpstreamFailed""#), "{body}");
    assert_eq!(seen.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_get_that_was_answered_in_part_is_never_sent_again() {
    let (address, seen) = closing_with(1, "HTTP/1.1 200 O").await;
    let stage = one_pod(Spec::default(), address).await;
    let mut client = stage.client().await;
    let first = client.send(get("/")).await.expect("an answer");
    assert_eq!(read(first).await.0, 200);
    let (status, _) = read(client.send(get("/")).await.expect("an answer")).await;
    assert_eq!(status, 502);
    assert_eq!(seen.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_pod_that_breaks_off_at_once_is_502_and_asked_once() {
    let (address, seen) = closing(0).await;
    let stage = one_pod(Spec::default(), address).await;
    let (status, body) = stage.get().await;
    assert_eq!(status, 502);
    assert!(body.contains(r#""pod":"p""#), "{body}");
    assert_eq!(seen.load(Ordering::SeqCst), 1);
}

/// The listener's port refuses from now on, and no other test is given it.
fn refusing(listener: TcpListener) -> TcpSocket {
    let address = listener.local_addr().expect("bound");
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_reuseaddr(true).expect("an option");
    drop(listener);
    socket.bind(address).expect("free again");
    socket
}

#[tokio::test]
async fn an_unreachable_pod_leaves_the_rotation_and_the_request_goes_elsewhere() {
    let stage = stage(Spec::default()).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    stage.pod("gone", pod_at(address)).await;
    stage.until(|stats| stats.pods == 1).await;
    let _held = refusing(listener);
    let fresh = async {
        stage.until(|stats| stats.pods == 0).await;
        stage.pod("fresh", pod_at(says("fresh").await)).await;
    };
    let ((status, body), ()) = tokio::join!(stage.get(), fresh);
    assert_eq!((status.as_u16(), body.as_str()), (200, "fresh"));
    assert_eq!(stage.handle.stats().pods, 1);
}

#[tokio::test]
async fn an_unreachable_pod_comes_back_when_it_passes_again() {
    let stage = stage(Spec::default()).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    stage.pod("p", pod_at(address)).await;
    stage.until(|stats| stats.pods == 1).await;
    let held = refusing(listener);
    let back = async {
        stage.until(|stats| stats.pods == 0 && stats.queued == 1).await;
        let listener = held.listen(16).expect("bound");
        spawn(serve(listener, |_| async { text("back") }));
    };
    let ((status, body), ()) = tokio::join!(stage.get(), back);
    assert_eq!((status.as_u16(), body.as_str()), (200, "back"));
}

#[tokio::test]
async fn a_silent_pod_ends_in_504_and_says_which_timeout_it_was() {
    for (timeouts, reason) in [
        ([1, 0, 0], "RequestTimeout"),
        ([60, 1, 0], "ResponseStartTimeout"),
        ([60, 0, 1], "IdleTimeout"),
    ] {
        let address = gated(&Gate::shut(), "never").await;
        let stage = one_pod(Spec { timeouts, ..Spec::default() }, address).await;
        let (status, body) = stage.get().await;
        assert_eq!(status, 504);
        assert!(body.contains(&format!(r#""reason":"{reason}""#)), "{body}");
        assert!(body.contains("request timeout"), "{body}");
        stage.until(|stats| stats.in_flight == 0).await;
    }
}

#[tokio::test]
async fn an_answer_that_stalls_ends_cleanly_with_the_reason_appended() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            spawn(async move {
                if head(&mut stream).await {
                    let begun =
                        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n";
                    stream.write_all(begun.as_bytes()).await.expect("open");
                    // Open until the other side gives up.
                    let _ = stream.read(&mut [0]).await;
                }
            });
        }
    });
    let spec = Spec { timeouts: [60, 0, 2], ..Spec::default() };
    let stage = one_pod(spec, address).await;
    let (status, body) = stage.get().await;
    assert_eq!((status.as_u16(), body.as_str()), (200, "halfrequest timeout"));
    stage.until(|stats| stats.in_flight == 0).await;
}

#[tokio::test]
async fn shutdown_lets_requests_finish_and_then_closes_everything() {
    let gate = Gate::shut();
    let address = gated(&gate, "finished").await;
    let stage = one_pod(Spec::default(), address).await;
    let busy = stage.busy().await;
    stage.shutdown.cancel();
    gate.let_through(1);
    assert_eq!(busy.await.expect("no panic").1, "finished");
    tokio::time::timeout(SOON, stage.handle.stopped()).await.expect("it stopped");
    assert!(TcpStream::connect(stage.handle.public_addr()).await.is_err());
}

#[tokio::test]
async fn an_address_that_somebody_listens_on_cannot_be_reserved() {
    let taken = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = taken.local_addr().expect("bound");
    let error = rouse_activator::Reserved::new(address).expect_err("taken");
    assert!(error.to_string().contains(&address.to_string()));
}

#[tokio::test]
async fn a_host_for_https_only_redirects_there() {
    let stage = one_pod(Spec::default(), says("hello").await).await;
    let host = rouse_api::routing::Host {
        public: vec!["secure.localhost".to_owned()],
        local: Vec::new(),
        http: rouse_api::routing::HttpOption::Redirected,
        rewrite_host: Some(HOST.to_owned()),
        ..split_host(&[(REVISION, 100)])
    };
    let mapping = routed("DomainMapping", "secure.localhost", 4, host);
    stage.api.put("domainmappings", mapping).await;
    stage.handle.served_domain("default", "secure.localhost", 4).await;
    let ask = |proto: &'static str| {
        Request::get("/a?b=c")
            .header("host", "secure.localhost:7080")
            .header("x-forwarded-proto", proto)
            .body(Full::default())
            .expect("a request")
    };
    let mut client = stage.client().await;
    let response = client.send(ask("http")).await.expect("an answer");
    assert_eq!(response.status(), 301);
    assert_eq!(response.headers()["location"], "https://secure.localhost/a?b=c");
    let response = client.send(ask("https")).await.expect("an answer");
    assert_eq!(read(response).await.1, "hello");
}

#[tokio::test]
async fn a_host_that_serves_no_http_is_404_there() {
    let stage = one_pod(Spec::default(), says("hello").await).await;
    let host = rouse_api::routing::Host {
        public: vec!["secure.localhost".to_owned()],
        local: vec!["secure.default.svc".to_owned()],
        http: rouse_api::routing::HttpOption::Disabled,
        ..split_host(&[(REVISION, 100)])
    };
    stage.api.put("domainmappings", routed("DomainMapping", "secure.localhost", 4, host)).await;
    stage.handle.served_domain("default", "secure.localhost", 4).await;
    let ask = |proto: &'static str| {
        Request::get("/")
            .header("host", "secure.localhost")
            .header("x-forwarded-proto", proto)
            .body(Full::default())
            .expect("a request")
    };
    let mut client = stage.client().await;
    let (status, body) = read(client.send(ask("http")).await.expect("an answer")).await;
    assert_eq!(status, 404);
    assert!(body.contains("answers https only") && body.contains("HttpsOnly"), "{body}");
    let response = client.send(ask("https")).await.expect("an answer");
    assert_eq!(read(response).await.1, "hello");
}

#[tokio::test]
async fn a_head_that_is_too_large_is_431_and_no_pod_hears_of_it() {
    let (address, asked) = closing(1).await;
    let stage = one_pod(Spec::default(), address).await;
    let mut stream = TcpStream::connect(stage.handle.public_addr()).await.expect("it listens");
    let large = "x".repeat(65 * 1024);
    let head = format!("GET / HTTP/1.1\r\nhost: {HOST}\r\nx-large: {large}\r\n\r\n");
    // It may be refused before all of it was sent.
    let _ = stream.write_all(head.as_bytes()).await;
    let mut line = [0; 12];
    stream.read_exact(&mut line).await.expect("an answer");
    assert_eq!(&line, b"HTTP/1.1 431");
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}
