//! Bodies both ways, trailers, h2c, upgrades, headers.

use bytes::Bytes;
use http::{Request, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::harness::{
    Client, HOST, LOCAL, Reply, Spec, Stage, get, one_pod, pod_at, post, read, says, server, spawn,
    stage, stream, text,
};

/// Answers with the request as it arrived.
async fn echo(request: Request<Incoming>) -> Reply {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.expect("a body").to_bytes();
    let mut lines = vec![format!("{} {} {:?}", parts.method, parts.uri, parts.version)];
    for (name, value) in &parts.headers {
        lines.push(format!("{name}: {}", value.to_str().expect("text")));
    }
    lines.push(String::from_utf8(body.to_vec()).expect("text"));
    text(lines.join("\n"))
}

#[tokio::test]
async fn a_request_arrives_as_it_was_sent_and_says_where_it_came_from() {
    let stage = one_pod(Spec::default(), server(echo).await).await;
    let mut client = stage.client().await;
    let (status, seen) = read(client.send(post("digits")).await.expect("an answer")).await;
    assert_eq!(status, 200);
    let lines: Vec<_> = seen.lines().collect();
    assert_eq!(lines[0], "POST / HTTP/1.1");
    assert_eq!(lines.last(), Some(&"digits"));
    for line in [
        format!("host: {HOST}"),
        format!("forwarded: for=127.0.0.1;host={HOST};proto=http"),
        "k-proxy-request: activator".to_owned(),
        "content-length: 6".to_owned(),
    ] {
        assert!(lines.contains(&line.as_str()), "{line} is not in {seen}");
    }
}

#[tokio::test]
async fn unknown_hosts_are_404_and_local_ones_too_in_public() {
    let stage = one_pod(Spec::default(), says("hello").await).await;
    let ask = |address, host: &'static str| async move {
        let request =
            Request::get("/healthz").header("host", host).body(Full::default()).expect("a request");
        read(Client::connect(address).await.send(request).await.expect("an answer")).await
    };
    let (public, local) = (stage.handle.public_addr(), stage.handle.local_addr());
    let (status, body) = ask(public, "nobody.default.localhost").await;
    assert_eq!(status, 404);
    assert!(body.contains(r#""reason":"UnknownHost""#), "{body}");
    assert_eq!(ask(public, LOCAL).await.0, 404);
    assert_eq!(ask(local, LOCAL).await.1, "hello");
    assert_eq!(ask(local, HOST).await.1, "hello");
    assert_eq!(ask(public, HOST).await.1, "hello");
}

#[tokio::test]
async fn an_answer_streams_frame_by_frame_and_holds_its_slot_to_the_end() {
    let (frames, received) = mpsc::channel(1);
    let received = std::sync::Arc::new(tokio::sync::Mutex::new(Some(received)));
    let address = server(move |_| {
        let received = std::sync::Arc::clone(&received);
        async move { stream(received.lock().await.take().expect("asked once")) }
    })
    .await;
    let stage = one_pod(Spec { concurrency: 1, ..Spec::default() }, address).await;
    let mut client = stage.client().await;
    let mut response = client.send(get("/")).await.expect("a head before any body");
    for word in ["one", "two"] {
        frames.send(Ok(Frame::data(Bytes::from(word)))).await.expect("read");
        let frame = response.body_mut().frame().await.expect("a frame").expect("whole");
        assert_eq!(frame.into_data().expect("data"), word);
    }
    assert_eq!(stage.handle.stats().in_flight, 1);
    drop(frames);
    assert!(response.body_mut().frame().await.is_none());
    stage.until(|stats| stats.in_flight == 0).await;
}

#[tokio::test]
async fn a_request_body_reaches_the_pod_while_it_is_still_being_sent() {
    let address = server(|request| async move {
        let mut body = request.into_body();
        let (frames, received) = mpsc::channel(4);
        spawn(async move {
            while let Some(Ok(frame)) = body.frame().await {
                let Ok(data) = frame.into_data() else { continue };
                let upper = Bytes::from(data.to_ascii_uppercase());
                frames.send(Ok(Frame::data(upper))).await.expect("read");
            }
        });
        stream(received)
    })
    .await;
    let stage = one_pod(Spec::default(), address).await;
    let mut raw = TcpStream::connect(stage.handle.public_addr()).await.expect("it listens");
    let head = format!("POST / HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n\r\n");
    raw.write_all(head.as_bytes()).await.expect("sent");
    let mut seen = String::new();
    for word in ["one", "two"] {
        raw.write_all(format!("3\r\n{word}\r\n").as_bytes()).await.expect("sent");
        while !seen.contains(&word.to_uppercase()) {
            let mut bytes = [0; 1024];
            let count = raw.read(&mut bytes).await.expect("open");
            assert_ne!(count, 0, "closed after {seen}");
            seen.push_str(std::str::from_utf8(&bytes[..count]).expect("text"));
        }
    }
    assert!(seen.starts_with("HTTP/1.1 200"), "{seen}");
}

#[tokio::test]
async fn trailers_pass_over_http1() {
    let address = server(|_| async {
        let (frames, received) = mpsc::channel(4);
        let mut trailers = http::HeaderMap::new();
        trailers.insert("grpc-status", http::HeaderValue::from_static("0"));
        frames.try_send(Ok(Frame::data(Bytes::from("body")))).expect("room");
        frames.try_send(Ok(Frame::trailers(trailers))).expect("room");
        let mut response = stream(received);
        response.headers_mut().insert("trailer", http::HeaderValue::from_static("grpc-status"));
        response
    })
    .await;
    let stage = one_pod(Spec::default(), address).await;
    let mut request = get("/");
    request.headers_mut().insert("te", http::HeaderValue::from_static("trailers"));
    let response = stage.client().await.send(request).await.expect("an answer");
    let whole = response.into_body().collect().await.expect("a whole body");
    assert_eq!(whole.trailers().expect("trailers")["grpc-status"], "0");
}

#[tokio::test]
async fn a_client_may_speak_h2c_to_an_http1_pod() {
    let stage = one_pod(Spec::default(), server(echo).await).await;
    let seen = over_h2c(&stage).await;
    assert!(seen.starts_with("GET /x HTTP/1.1\n"), "{seen}");
    assert!(seen.contains(&format!("host: {HOST}\n")), "{seen}");
}

#[tokio::test]
async fn a_pod_whose_port_says_h2c_is_spoken_h2c_to() {
    let spec = Spec { port_name: "h2c", ..Spec::default() };
    let stage = one_pod(spec, server(echo).await).await;
    let seen = over_h2c(&stage).await;
    assert!(seen.starts_with(&format!("GET http://{HOST}/x HTTP/2.0\n")), "{seen}");
    let mut client = stage.client().await;
    let (_, seen) = read(client.send(post("digits")).await.expect("an answer")).await;
    assert!(seen.starts_with(&format!("POST http://{HOST}/ HTTP/2.0\n")), "{seen}");
    assert!(seen.ends_with("digits"), "{seen}");
}

async fn over_h2c(stage: &Stage) -> String {
    let stream = TcpStream::connect(stage.handle.public_addr()).await.expect("it listens");
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .expect("h2c");
    spawn(connection);
    let request = Request::get(format!("http://{HOST}/x")).body(Full::<Bytes>::default());
    let response = sender.send_request(request.expect("a request")).await.expect("an answer");
    assert_eq!(response.version(), Version::HTTP_2);
    let (status, seen) = read(response).await;
    assert_eq!(status, 200);
    seen
}

#[tokio::test]
async fn an_upgraded_connection_passes_bytes_and_holds_its_slot() {
    let address = server(|request| async move {
        let upgrade = hyper::upgrade::on(request);
        spawn(async move {
            let mut io = TokioIo::new(upgrade.await.expect("upgraded"));
            let mut bytes = [0; 4];
            while io.read_exact(&mut bytes).await.is_ok() {
                bytes.reverse();
                io.write_all(&bytes).await.expect("open");
            }
        });
        let mut response = text("");
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert("connection", http::HeaderValue::from_static("upgrade"));
        headers.insert("upgrade", http::HeaderValue::from_static("backwards"));
        response
    })
    .await;
    let stage = one_pod(Spec { concurrency: 1, ..Spec::default() }, address).await;
    let mut request = get("/");
    let headers = request.headers_mut();
    headers.insert("connection", http::HeaderValue::from_static("Upgrade"));
    headers.insert("upgrade", http::HeaderValue::from_static("backwards"));
    let mut client = stage.client().await;
    let response = client.send(request).await.expect("an answer");
    assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
    assert_eq!(response.headers()["upgrade"], "backwards");
    let mut io = TokioIo::new(hyper::upgrade::on(response).await.expect("upgraded"));
    for (sent, want) in [("abcd", "dcba"), ("wxyz", "zyxw")] {
        io.write_all(sent.as_bytes()).await.expect("open");
        let mut back = [0; 4];
        io.read_exact(&mut back).await.expect("open");
        assert_eq!(back, want.as_bytes());
    }
    assert_eq!(stage.handle.stats().in_flight, 1);
    drop(io);
    stage.until(|stats| stats.in_flight == 0).await;
}

#[tokio::test]
async fn a_body_is_asked_for_only_when_the_pod_reads_it() {
    let stage = stage(Spec::default()).await;
    let mut raw = TcpStream::connect(stage.handle.public_addr()).await.expect("it listens");
    let head = format!(
        "POST / HTTP/1.1\r\nHost: {HOST}\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"
    );
    raw.write_all(head.as_bytes()).await.expect("sent");
    stage.until(|stats| stats.queued == 1).await;
    let mut bytes = [0; 25];
    let early = raw.try_read(&mut bytes).expect_err("nothing yet");
    assert_eq!(early.kind(), std::io::ErrorKind::WouldBlock);
    stage.pod("p", pod_at(server(echo).await)).await;
    raw.read_exact(&mut bytes).await.expect("an interim answer");
    assert_eq!(&bytes, b"HTTP/1.1 100 Continue\r\n\r\n");
    raw.write_all(b"late").await.expect("sent");
    let mut seen = String::new();
    while !seen.ends_with("late") {
        let mut bytes = [0; 4096];
        let count = raw.read(&mut bytes).await.expect("open");
        assert_ne!(count, 0, "closed after {seen}");
        seen.push_str(std::str::from_utf8(&bytes[..count]).expect("text"));
    }
    assert!(seen.starts_with("HTTP/1.1 200"), "{seen}");
}

#[tokio::test]
async fn a_preface_that_comes_in_parts_is_h2c_all_the_same() {
    let stage = one_pod(Spec::default(), says("hello").await).await;
    let mut raw = TcpStream::connect(stage.handle.public_addr()).await.expect("it listens");
    raw.set_nodelay(true).expect("a socket");
    let (first, rest) = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".split_at(3);
    raw.write_all(first).await.expect("sent");
    // Another client is served meanwhile, which gives the gateway time to see the part.
    assert_eq!(stage.get().await.0, 200);
    raw.write_all(rest).await.expect("sent");
    // An empty SETTINGS frame, to which the server answers with its own.
    raw.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.expect("sent");
    let mut head = [0; 9];
    raw.read_exact(&mut head).await.expect("an answer");
    assert_eq!(head[3], 4, "a SETTINGS frame");
}
