//! Message framing, and upgrades that would escape routing.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::harness::{HOST, Reply, Spec, Stage, one_pod, read, says, server, spawn, stream, text};
use crate::raw::{Raw, answering, ask, mirror, raw_pod, request};

/// An HTTP/2 client.
type Sender = hyper::client::conn::http2::SendRequest<BoxBody<Bytes, hyper::Error>>;

async fn h2(stage: &Stage) -> Sender {
    let stream = TcpStream::connect(stage.handle.public_addr()).await.expect("it listens");
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .expect("h2c");
    spawn(connection);
    sender
}

fn empty() -> BoxBody<Bytes, hyper::Error> {
    Full::default().map_err(|never| match never {}).boxed()
}

#[tokio::test]
async fn an_offer_of_http2_never_reaches_a_pod() {
    let stage = one_pod(Spec::default(), mirror("\r\n\r\n").await).await;
    for (offer, kept) in [
        ("h2c", None),
        ("H2C", None),
        ("HTTP/2.0", None),
        ("h2c, websocket", Some("upgrade: websocket\r\n")),
        ("websocket", Some("upgrade: websocket\r\n")),
    ] {
        let upgrade = format!("Upgrade: {offer}");
        let connection = "Connection: Upgrade, HTTP2-Settings, close";
        let lines = [connection, &upgrade, "HTTP2-Settings: AAMAAABk"];
        let answer = ask(&stage, request("GET /", &lines)).await;
        let answer = answer.to_lowercase();
        assert!(answer.starts_with("http/1.1 200"), "{offer}: {answer}");
        assert!(!answer.contains("h2c") && !answer.contains("http/2"), "{offer}: {answer}");
        assert!(!answer.contains("http2-settings"), "{offer}: {answer}");
        assert_eq!(answer.contains("upgrade: "), kept.is_some(), "{offer}: {answer}");
        assert!(kept.is_none_or(|kept| answer.contains(kept)), "{offer}: {answer}");
    }
}

#[tokio::test]
async fn a_connection_is_tunnelled_only_to_the_protocol_that_the_client_offered() {
    let switch = "HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\nsecret";
    let stage = one_pod(Spec::default(), answering(switch).await).await;
    for offer in ["Upgrade: h2c", "Upgrade: websocket", "X-None: 1"] {
        let mut client = Raw::connect(&stage).await;
        client.send(request("GET /", &["Connection: Upgrade", offer])).await;
        let answer = client.read_until("UpstreamFailed").await;
        assert!(answer.starts_with("HTTP/1.1 502"), "{offer}: {answer}");
        assert!(!answer.contains("secret"), "{offer}: {answer}");
    }
}

#[tokio::test]
async fn a_request_that_names_two_hosts_is_400() {
    let stage = one_pod(Spec::default(), says("hello").await).await;
    let other = "Host: other.default.localhost";
    let same = format!("Host: {HOST}");
    for second in [other, &same] {
        let answer = ask(&stage, request("GET /", &[second, "Connection: close"])).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
        assert!(answer.contains(r#""reason":"TwoHosts""#), "{answer}");
    }
    let mut sender = h2(&stage).await;
    for (named, status) in [("other.default.localhost", 400), (HOST, 200)] {
        let request = Request::get(format!("http://{HOST}/")).header("host", named);
        let answer = sender.send_request(request.body(empty()).expect("a request")).await;
        assert_eq!(answer.expect("an answer").status(), status, "{named}");
    }
}

#[tokio::test]
async fn a_pod_that_refuses_early_and_closes_is_heard_and_the_client_can_send_on() {
    const LENGTH: usize = 8 << 20;
    // It closes with the body unread, which resets the connection.
    let refusal = "HTTP/1.1 413 Too Large\r\ncontent-length: 9\r\n\r\ntoo large";
    let stage = one_pod(Spec::default(), answering(refusal).await).await;
    for _ in 0..20 {
        let client = Raw::connect(&stage).await;
        let (reader, mut writer) = client.0.into_split();
        let length = format!("Content-Length: {LENGTH}");
        let head = request("POST /", &[&length]);
        // As many clients do: sends all of the request before it reads the answer.
        writer.write_all(head.as_bytes()).await.expect("open");
        writer.write_all(&vec![b'x'; LENGTH]).await.expect("it is taken to the end");
        let mut client = Raw(reader.reunite(writer).expect("two halves"));
        let answer = client.read_until("too large").await;
        assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
        // The connection can be used again.
        client.send(request("GET /", &[])).await;
        assert!(client.head().await.starts_with("HTTP/1.1 413"));
    }
}

#[tokio::test]
async fn a_pod_that_refuses_early_over_h2c_is_heard_too() {
    let address = server(|_| async {
        let mut answer = text("too large");
        *answer.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
        answer
    });
    let spec = Spec { port_name: "h2c", ..Spec::default() };
    let stage = one_pod(spec, address.await).await;
    let body = vec![b'x'; 8 << 20];
    for _ in 0..5 {
        let mut client = Raw::connect(&stage).await;
        let length = format!("Content-Length: {}", body.len());
        client.send(request("POST /", &[&length])).await;
        client.send(&body).await;
        let answer = client.read_until("too large").await;
        assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    }
}

#[tokio::test]
async fn an_error_of_our_own_reaches_a_client_that_still_sends() {
    let stage = one_pod(Spec::default(), says("hello").await).await;
    let body = vec![b'x'; 8 << 20];
    let mut client = Raw::connect(&stage).await;
    client
        .send(format!("POST / HTTP/1.1\r\nHost: nobody\r\nContent-Length: {}\r\n\r\n", body.len()))
        .await;
    client.send(&body).await;
    let answer = client.read_until("UnknownHost").await;
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
}

#[tokio::test]
async fn a_client_that_waits_for_100_is_not_asked_for_a_body_that_nobody_wants() {
    let stage = one_pod(Spec::default(), says("hello").await).await;
    let mut client = Raw::connect(&stage).await;
    client
        .send(
            "POST / HTTP/1.1\r\nHost: nobody\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n",
        )
        .await;
    let answer = client.read_to_end().await;
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
}

#[tokio::test]
async fn a_get_whose_body_has_no_length_arrives_with_its_body() {
    let stage = one_pod(Spec::default(), mirror("\r\n0\r\n\r\n").await).await;
    let mut client = Raw::connect(&stage).await;
    let head = request("GET /", &["Transfer-Encoding: chunked"]);
    client.send(head + "4\r\nbody\r\n0\r\n\r\n").await;
    let answer = client.read_until("\r\n0\r\n\r\n").await;
    assert!(answer.contains("transfer-encoding: chunked\r\n"), "{answer}");
    assert!(answer.contains("4\r\nbody\r\n0\r\n\r\n"), "{answer}");

    let mut sender = h2(&stage).await;
    let frames = futures::stream::iter([Ok(Frame::data(Bytes::from("data")))]);
    let body = BodyExt::boxed(StreamBody::new(frames));
    let request = Request::get(format!("http://{HOST}/")).body(body).expect("a request");
    let (status, seen) = read(sender.send_request(request).await.expect("an answer")).await;
    assert_eq!(status, 200);
    assert!(seen.contains("4\r\ndata\r\n0\r\n\r\n"), "{seen}");
}

#[tokio::test]
async fn interim_answers_are_not_the_answer() {
    for interim in ["100 Continue", "103 Early Hints\r\nlink: </a.css>", "199 Odd"] {
        let address = raw_pod(move |mut pod| async move {
            pod.head().await;
            pod.send(format!("HTTP/1.1 {interim}\r\n\r\n")).await;
            pod.send("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nfinal").await;
        });
        let stage = one_pod(Spec::default(), address.await).await;
        assert_eq!(stage.get().await, (StatusCode::OK, "final".to_owned()), "{interim}");
    }
    // A pod that sends interim answers only runs into the response start timeout.
    let address = raw_pod(|mut pod| async move {
        pod.head().await;
        pod.send("HTTP/1.1 103 Early Hints\r\n\r\n").await;
        pod.read_to_end().await;
    });
    let spec = Spec { timeouts: [60, 1, 0], ..Spec::default() };
    let (status, body) = one_pod(spec, address.await).await.get().await;
    assert_eq!(status, 504);
    assert!(body.contains("ResponseStartTimeout"), "{body}");
}

#[tokio::test]
async fn a_malformed_body_is_the_clients_fault() {
    let stage = one_pod(Spec::default(), mirror("never").await).await;
    for body in ["zz\r\nbody\r\n", "4\r\nbodyXX\r\n", "fffffffffffffffff\r\n"] {
        let head = request("POST /", &["Transfer-Encoding: chunked"]);
        let answer = ask(&stage, head + body).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{body:?}: {answer}");
        assert!(answer.contains(r#""reason":"Malformed""#), "{body:?}: {answer}");
        assert!(!answer.contains(r#""pod""#), "{body:?}: {answer}");
    }
    assert_eq!(stage.handle.stats().pods, 1);
    let failed = stage.component.metrics.encode();
    assert!(!failed.contains("http_response_status_code=\"502\""), "{failed}");
}

#[tokio::test]
async fn an_answer_with_a_length_and_chunks_ends_where_its_chunks_do() {
    for length in ["3", "400"] {
        let address = raw_pod(move |mut pod| async move {
            pod.head().await;
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n");
            pod.send(head + "transfer-encoding: chunked\r\n\r\n5\r\nwhole\r\n0\r\n\r\n").await;
            pod.read_to_end().await;
        });
        let stage = one_pod(Spec::default(), address.await).await;
        let mut client = Raw::connect(&stage).await;
        client.send(request("GET /", &[])).await;
        let answer = client.read_until("0\r\n\r\n").await.to_lowercase();
        assert!(answer.ends_with("\r\n\r\n5\r\nwhole\r\n0\r\n\r\n"), "{answer}");
        assert!(!answer.contains("content-length"), "{answer}");
    }
}

#[tokio::test]
async fn answers_whose_end_is_in_doubt_are_502() {
    for head in [
        "transfer-encoding: gzip, chunked\r\n",
        "transfer-encoding: gzip\r\n",
        "transfer-encoding: chunked, identity\r\n",
        "content-length: 5\r\ncontent-length: 6\r\n",
        "content-length: 5, 6\r\n",
        "content-length: -5\r\n",
        "content-length: +5\r\n",
    ] {
        let address = raw_pod(move |mut pod| async move {
            pod.head().await;
            pod.send(format!("HTTP/1.1 200 OK\r\n{head}\r\n5\r\nwhole\r\n0\r\n\r\n")).await;
        });
        let stage = one_pod(Spec::default(), address.await).await;
        assert_eq!(stage.get().await.0, 502, "{head:?}");
    }
    // The same length twice is one length.
    let twice = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 5\r\n\r\nwhole";
    let stage = one_pod(Spec::default(), answering(twice).await).await;
    let answer = ask(&stage, request("GET /", &["Connection: close"])).await.to_lowercase();
    assert_eq!(answer.matches("content-length").count(), 1, "{answer}");
    assert!(answer.ends_with("\r\n\r\nwhole"), "{answer}");
}

#[tokio::test]
async fn cookie_fields_of_http2_are_one_header_for_an_http1_pod() {
    let stage = one_pod(Spec::default(), mirror("\r\n\r\n").await).await;
    let request = Request::get(format!("http://{HOST}/"))
        .header("cookie", "a=1")
        .header("cookie", "b=2; c=3")
        .body(empty())
        .expect("a request");
    let answer = h2(&stage).await.send_request(request).await.expect("an answer");
    let (_, seen) = read(answer).await;
    assert!(seen.contains("cookie: a=1; b=2; c=3\r\n"), "{seen}");
}

#[tokio::test]
async fn a_grpc_stream_that_a_timeout_cuts_ends_with_deadline_exceeded() {
    let (frames, received) = tokio::sync::mpsc::channel(1);
    frames.try_send(Ok(Frame::data(Bytes::from_static(b"\0\0\0\0\0")))).expect("room");
    let received = std::sync::Arc::new(std::sync::Mutex::new(Some(received)));
    let address = server(move |_| {
        let mut answer: Reply =
            received.lock().expect("unpoisoned").take().map_or_else(|| text(""), stream);
        let kind = HeaderValue::from_static("application/grpc+proto");
        answer.headers_mut().insert("content-type", kind);
        async move { answer }
    });
    let spec = Spec { timeouts: [60, 0, 1], port_name: "h2c", ..Spec::default() };
    let stage = one_pod(spec, address.await).await;
    let request = Request::post(format!("http://{HOST}/Chat/Talk"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(empty())
        .expect("a request");
    let answer = h2(&stage).await.send_request(request).await.expect("an answer");
    let whole = answer.into_body().collect().await.expect("it ends well");
    let trailers: HeaderMap = whole.trailers().expect("trailers").clone();
    assert_eq!(trailers["grpc-status"], "4");
    assert_eq!(whole.to_bytes().as_ref(), b"\0\0\0\0\0");
    drop(frames);
}

#[tokio::test]
async fn a_grpc_call_that_nobody_answers_in_time_is_deadline_exceeded() {
    let address = raw_pod(move |mut pod| async move {
        pod.read_to_end().await;
    });
    let spec = Spec { timeouts: [60, 1, 0], port_name: "h2c", ..Spec::default() };
    let stage = one_pod(spec, address.await).await;
    let request = Request::post(format!("http://{HOST}/Chat/Talk"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(empty())
        .expect("a request");
    let answer = h2(&stage).await.send_request(request).await.expect("an answer");
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["grpc-status"]),
        (200, &"4".parse().unwrap())
    );
    assert!(answer.into_body().collect().await.expect("it ends well").to_bytes().is_empty());
}

#[tokio::test]
async fn an_upgraded_connection_that_stays_silent_has_no_answer() {
    let switch = "HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";
    let address = raw_pod(move |mut pod| async move {
        pod.head().await;
        pod.send(switch).await;
        pod.read_to_end().await;
    });
    let spec = Spec { timeouts: [60, 1, 0], ..Spec::default() };
    let stage = one_pod(spec, address.await).await;
    let answer = ask(&stage, request("GET /", &["Connection: Upgrade", "Upgrade: echo"])).await;
    assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
    stage.until(|stats| stats.in_flight == 0).await;
}
