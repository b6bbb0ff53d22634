//! Clients and pods that try to break the gateway, and the outcome of each attempt.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::harness::{HOST, SOON, Spec, Stage, one_pod, says, server, spawn, text};
use crate::raw::{PREFACE, Raw, answering, ask, frame, raw_pod};

/// An activator whose pod records all bytes that reach it.
async fn recording() -> (Stage, Arc<Mutex<Vec<String>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&seen);
    let address = raw_pod(move |mut pod| {
        let kept = Arc::clone(&kept);
        async move {
            let mut bytes = [0; 64 * 1024];
            while let Ok(Ok(count @ 1..)) = timeout(SOON, pod.0.read(&mut bytes)).await {
                let text = String::from_utf8_lossy(&bytes[..count]).into_owned();
                kept.lock().push(text);
                pod.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
            }
        }
    });
    (one_pod(Spec::default(), address.await).await, seen)
}

/// Every attempt to have the gateway and the pod disagree about where a request ends: the hidden
/// request, `/hidden`, reaches no pod.
#[tokio::test]
async fn no_request_is_smuggled() {
    const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n";
    let (stage, seen) = recording().await;
    let length = HIDDEN.len() + 5;
    let clte = format!("0\r\n\r\n{HIDDEN}");
    let mut refused = 0;
    let mut framed = 0;
    for (name, lines, body) in [
        (
            "length and chunks",
            format!("Content-Length: {length}\r\nTransfer-Encoding: chunked"),
            &clte,
        ),
        (
            "chunks and length",
            format!("Transfer-Encoding: chunked\r\nContent-Length: {length}"),
            &clte,
        ),
        ("two lengths", format!("Content-Length: 0\r\nContent-Length: {length}"), &clte),
        ("a list of lengths", format!("Content-Length: 0, {length}"), &clte),
        ("a signed length", format!("Content-Length: +{length}"), &clte),
        ("a hexadecimal length", "Content-Length: 0x10".to_owned(), &clte),
        ("a length with a space", "Content-Length: 1 0".to_owned(), &clte),
        ("a huge length", "Content-Length: 99999999999999999999".to_owned(), &clte),
        ("an empty length", "Content-Length:".to_owned(), &clte),
        ("a space before the colon", "Transfer-Encoding : chunked".to_owned(), &clte),
        ("a tab before the colon", "Transfer-Encoding\t: chunked".to_owned(), &clte),
        ("a leading space", " Transfer-Encoding: chunked".to_owned(), &clte),
        ("a folded line", "Transfer-Encoding:\r\n chunked".to_owned(), &clte),
        ("another coding", "Transfer-Encoding: xchunked".to_owned(), &clte),
        ("chunks, then another coding", "Transfer-Encoding: chunked, gzip".to_owned(), &clte),
        ("another coding, then chunks", "Transfer-Encoding: gzip, chunked".to_owned(), &clte),
        ("chunks twice", "Transfer-Encoding: chunked, chunked".to_owned(), &clte),
        (
            "chunks in two lines",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: x".to_owned(),
            &clte,
        ),
        ("identity", "Transfer-Encoding: identity".to_owned(), &clte),
        ("quoted chunks", "Transfer-Encoding: \"chunked\"".to_owned(), &clte),
        ("a vertical tab", "Transfer-Encoding: \x0bchunked".to_owned(), &clte),
        ("a bare CR in a value", "X-A: b\rTransfer-Encoding: chunked".to_owned(), &clte),
        ("a NUL in a value", "X-A: b\0c".to_owned(), &clte),
        ("a name of many bytes", "X-\u{e9}: 1".to_owned(), &clte),
        ("an underscore", "Transfer_Encoding: chunked".to_owned(), &String::new()),
    ] {
        let request = format!(
            "POST /shown HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n{lines}\r\n\r\n{body}"
        );
        let answer = ask(&stage, request).await;
        let code = answer.get(9..12).unwrap_or("none");
        match code {
            "400" | "none" => refused += 1,
            "200" => framed += 1,
            _ => panic!("{name}: {answer}"),
        }
        assert!(answer.matches("HTTP/1.1").count() <= 1, "{name}: one request, one answer");
    }
    // Malformed chunks.
    for (name, body) in [
        ("a bare LF after a size", "2\nok\r\n0\r\n\r\n"),
        ("a size with a sign", "+2\r\nok\r\n0\r\n\r\n"),
        ("a size with a prefix", "0x2\r\nok\r\n0\r\n\r\n"),
        ("a size too large", "ffffffffffffffff0\r\nok\r\n0\r\n\r\n"),
        ("data beyond its size", "2\r\nokay\r\n0\r\n\r\n"),
        ("a bare CR after data", "2\r\nok\r0\r\n\r\n"),
    ] {
        let request = format!(
            "POST /shown HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\
             Transfer-Encoding: chunked\r\n\r\n{body}{HIDDEN}"
        );
        let answer = ask(&stage, request).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{name}: {answer}");
        refused += 1;
    }
    println!("smuggling: {refused} refused, {framed} framed as one request");
    let heads = seen.lock().concat();
    assert!(!heads.contains("GET /hidden"), "{heads}");
    assert!(refused > 20 && framed > 0, "{refused} refused, {framed} framed");
    assert_eq!(stage.handle.stats().pods, 1);
}

/// Heads that name a host in more than one way, or name none that is routed.
#[tokio::test]
async fn no_request_reaches_a_host_that_it_does_not_name() {
    let stage = one_pod(Spec::default(), says("hello").await).await;
    for (line, host, codes) in [
        ("GET http://other.localhost/ HTTP/1.1", HOST, ["404", "404"]),
        ("GET //other.localhost/ HTTP/1.1", "other.localhost", ["404", "404"]),
        ("GET / HTTP/1.1", "hello.default.localhost@other", ["404", "400"]),
        ("GET / HTTP/1.1", "other hello.default.localhost", ["404", "400"]),
        ("GET / HTTP/1.1", "hello.default.localhost/../x", ["404", "400"]),
        ("GET / HTTP/1.1", "", ["404", "400"]),
        ("GET / HTTP/1.1", "\u{ff}", ["404", "400"]),
        ("CONNECT other:443 HTTP/1.1", HOST, ["404", "400"]),
        ("CONNECT hello.default.localhost:80 HTTP/1.1", HOST, ["400", "400"]),
        ("GET / HTTP/9.9", HOST, ["400", "505"]),
        ("GET", HOST, ["400", "400"]),
    ] {
        let answer =
            ask(&stage, format!("{line}\r\nHost: {host}\r\nConnection: close\r\n\r\n")).await;
        let code = answer.get(9..12).unwrap_or("none");
        assert!(codes.contains(&code), "{line} of {host:?}: {answer}");
    }
    // The host of an absolute URI wins over the Host header.
    let line = format!("GET http://{HOST}/ HTTP/1.1\r\nHost: other\r\nConnection: close\r\n\r\n");
    assert!(ask(&stage, line).await.ends_with("hello"));
}

#[tokio::test]
async fn heads_without_end_are_refused() {
    let stage = one_pod(Spec::default(), says("hello").await).await;
    let long = "x".repeat(70_000);
    let many = "a: b\r\n".repeat(2_000);
    for (name, head) in [
        ("a long address", format!("GET /{long} HTTP/1.1\r\nHost: {HOST}\r\n\r\n")),
        ("a long header", format!("GET / HTTP/1.1\r\nHost: {HOST}\r\nx: {long}\r\n\r\n")),
        ("many headers", format!("GET / HTTP/1.1\r\nHost: {HOST}\r\n{many}\r\n")),
        ("no line at all", long.clone()),
    ] {
        let mut client = Raw::connect(&stage).await;
        // It may be refused before all of it was sent.
        let _ = client.0.write_all(head.as_bytes()).await;
        let answer = client.read_to_end().await;
        let code = answer.get(9..12).unwrap_or("none");
        assert!(["400", "414", "431", "none"].contains(&code), "{name}: {answer}");
    }
    let long: &'static str = Box::leak(format!("HTTP/1.1 200 OK\r\nx: {long}\r\n\r\n").into());
    let stage = one_pod(Spec::default(), answering(long).await).await;
    assert_eq!(stage.get().await.0, 502, "the head of an answer has a bound too");
}

#[tokio::test]
async fn a_client_that_never_reads_its_answer_keeps_its_slot_no_longer_than_its_time() {
    let address = raw_pod(|mut pod| async move {
        pod.head().await;
        let _ = pod.0.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n").await;
        let _ = pod.0.write_all(&vec![b'x'; 99_999_999]).await;
    });
    let spec = Spec { concurrency: 1, timeouts: [1, 0, 0], ..Spec::default() };
    let stage = one_pod(spec, address.await).await;
    let mut client = Raw::connect(&stage).await;
    client.send(format!("GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n")).await;
    stage.until(|stats| stats.in_flight == 1).await;
    stage.until(|stats| stats.in_flight == 0).await;
    drop(client);
}

#[tokio::test]
async fn a_stream_of_http2_that_is_never_read_keeps_its_slot_no_longer_and_others_go_on() {
    let address = server(|request| async move {
        if request.uri().path() == "/short" { text("short") } else { text(vec![b'x'; 9_999_999]) }
    });
    let spec = Spec { concurrency: 1, timeouts: [1, 0, 0], ..Spec::default() };
    let stage = one_pod(spec, address.await).await;
    let stream = TcpStream::connect(stage.handle.public_addr()).await.expect("it listens");
    let (mut reader, mut writer) = stream.into_split();
    let head = |path: &str| {
        block(&[(":method", "GET"), (":scheme", "http"), (":path", path), (":authority", HOST)])
    };
    // It gives the connection a large window, and the stream none beyond the first.
    let window = frame(8, 0, 0, &(1_u32 << 20).to_be_bytes());
    let long = [PREFACE, SETTINGS, &window, &frame(1, 5, 1, &head("/long"))].concat();
    writer.write_all(&long).await.expect("open");
    stage.until(|stats| stats.in_flight == 1).await;
    stage.until(|stats| stats.in_flight == 0).await;
    writer.write_all(&frame(1, 5, 3, &head("/short"))).await.expect("open");
    let mut seen = Vec::new();
    let read = timeout(SOON, async {
        while !seen.windows(5).any(|part| part == b"short") {
            assert_ne!(reader.read_buf(&mut seen).await.expect("open"), 0, "it was closed");
        }
    });
    read.await.expect("the other stream is answered");
}

const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];

/// A header block of literals that are not indexed.
fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in fields {
        bytes.push(0);
        for text in [name, value] {
            bytes
                .push(u8::try_from(text.len()).ok().filter(|length| *length < 127).expect("short"));
            bytes.extend(text.as_bytes());
        }
    }
    bytes
}

/// Sends `frames` up to `most` times; returns after how many the gateway ended the connection, if
/// it did. Its answers are read and dropped.
async fn flood(stage: &Stage, most: u32, frames: impl Fn(u32) -> Vec<u8>) -> Option<u32> {
    let stream = TcpStream::connect(stage.handle.public_addr()).await.expect("it listens");
    let (mut reader, mut writer) = stream.into_split();
    let reading = spawn(async move {
        let mut bytes = [0; 4096];
        for _ in 0..1_000_000 {
            if !matches!(reader.read(&mut bytes).await, Ok(1..)) {
                return;
            }
        }
    });
    writer.write_all(&[PREFACE, SETTINGS].concat()).await.expect("open");
    for turn in 0..most {
        if reading.is_finished() || writer.write_all(&frames(turn)).await.is_err() {
            return Some(turn);
        }
        if turn % 64 == 0 {
            tokio::task::yield_now().await;
        }
    }
    drop(writer);
    timeout(SOON, reading).await.expect("it ends with its client").expect("no panic");
    None
}

#[tokio::test]
async fn floods_of_http2_end_or_cost_nothing_and_others_are_served() {
    const MOST: u32 = 20_000;
    let stage = one_pod(Spec::default(), says("hello").await).await;
    let get = [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", HOST)];
    let (head, ping) = (block(&get), [0; 8]);
    let half = block(&get[..2]);
    let reset = |turn: u32| {
        let stream = 2 * turn + 1;
        [frame(1, 5, stream, &head), frame(3, 0, stream, &8_u32.to_be_bytes())].concat()
    };
    let continued = |turn: u32| match turn {
        0 => frame(1, 1, 1, &half),
        _ => frame(9, 0, 1, &block(&[("x-filler", &"x".repeat(100))])),
    };
    let ended = [
        ("rapid reset", flood(&stage, MOST, reset).await),
        ("CONTINUATION", flood(&stage, MOST, continued).await),
        ("PING", flood(&stage, MOST, |_| frame(6, 0, 0, &ping)).await),
        ("SETTINGS", flood(&stage, MOST, |_| SETTINGS.to_vec()).await),
        (
            "empty DATA",
            flood(&stage, MOST, |turn| match turn {
                0 => frame(1, 4, 1, &head),
                _ => frame(0, 0, 1, &[]),
            })
            .await,
        ),
    ];
    for (name, after) in ended {
        let bound =
            after.map_or_else(|| "served to its end".to_owned(), |n| format!("ended after {n}"));
        println!("{name}, {MOST} times: {bound}");
    }
    assert!(ended[0].1.is_some(), "resets are not answered for ever");
    assert!(ended[1].1.is_some(), "a head has an end");
    // Nothing is left of them, and others are served.
    stage.until(|stats| (stats.in_flight, stats.queued) == (0, 0)).await;
    assert_eq!(stage.get().await.0, 200);
}

#[tokio::test]
async fn malformed_heads_of_http2_reach_no_pod() {
    let (stage, seen) = recording().await;
    let (method, path) = ((":method", "GET"), (":path", "/hidden"));
    let (scheme, authority) = ((":scheme", "http"), (":authority", HOST));
    for (name, fields) in [
        ("no method", vec![scheme, path, authority]),
        ("no path", vec![method, scheme, authority]),
        ("an empty path", vec![method, scheme, (":path", ""), authority]),
        ("two paths", vec![method, scheme, path, path, authority]),
        ("a pseudo-header of an answer", vec![method, scheme, path, authority, (":status", "200")]),
        ("an unknown pseudo-header", vec![method, scheme, path, authority, (":x", "1")]),
        ("a pseudo-header behind a header", vec![method, ("a", "b"), scheme, path, authority]),
        ("an upper-case name", vec![method, scheme, path, authority, ("Abc", "1")]),
        ("a connection header", vec![method, scheme, path, authority, ("connection", "close")]),
        (
            "a transfer coding",
            vec![method, scheme, path, authority, ("transfer-encoding", "chunked")],
        ),
        ("TE that is not trailers", vec![method, scheme, path, authority, ("te", "gzip")]),
        ("a line break in a value", vec![method, scheme, path, authority, ("a", "b\r\nc: d")]),
        ("a line break in a path", vec![method, scheme, (":path", "/hidden\r\nx: y"), authority]),
        ("another host", vec![method, scheme, path, authority, ("host", "other")]),
        ("two hosts", vec![method, scheme, path, ("host", HOST), ("host", "other")]),
        (
            "a body that is longer than it says",
            vec![method, scheme, path, authority, ("content-length", "1")],
        ),
    ] {
        let mut client = Raw::connect(&stage).await;
        client.send([PREFACE, SETTINGS].concat()).await;
        client.send(frame(1, 4, 1, &block(&fields))).await;
        // The gateway may have closed the connection by now.
        let _ = client.0.write_all(&frame(0, 1, 1, b"body")).await;
        let _ = client.0.shutdown().await;
        client.read_to_end().await;
        stage.until(|stats| stats.in_flight == 0).await;
        let heads = seen.lock().concat();
        // A head that is well-formed is passed on before its body comes.
        let begun = name.starts_with("a body") && !heads.contains("body");
        assert!(heads.is_empty() || begun, "{name}: {heads}");
        seen.lock().clear();
    }
    assert_eq!(stage.handle.stats().pods, 1);
}
