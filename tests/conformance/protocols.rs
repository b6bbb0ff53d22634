//! 1.3, 6.1 and 6.2: HTTP/2, gRPC and WebSocket through the gateway.

use std::time::{Duration, Instant};

use anyhow::ensure;
use serde_json::{Value, json};

use crate::Case;
use crate::cluster::Space;
use crate::http2::{self, call, framed, post, talk};
use crate::manifests::{env, service, set};
use crate::stream::Stream;

pub(crate) const CASES: &[Case] = &[
    ("s1_3::the_port_h2c_gets_http_2", h2c),
    ("s1_3::other_ports_get_http_1", http1),
    ("s6_2::trailers_pass", trailers),
    ("s6_2::a_grpc_call_and_its_status", grpc),
    ("s6_2::a_grpc_stream_goes_both_ways_at_once", grpc_stream),
    ("s6_2::a_grpc_call_that_times_out_is_deadline_exceeded", grpc_timeout),
    ("s6_1::a_websocket_passes", websocket),
    ("s6_2::a_websocket_ends_at_the_timeout", websocket_timeout),
    ("s6_1::an_unknown_host_is_404_over_http_2_too", unknown_host),
];

/// A Service that speaks HTTP/2 on its port.
fn with_port(space: &Space<'_>, port: &str) -> Value {
    let mut container = env(&[("H2C", "1")]);
    container["ports"] = json!([{ "name": port, "containerPort": 8080 }]);
    service(space, "hello", container)
}

fn text(answer: &http2::Answer) -> String {
    String::from_utf8_lossy(&answer.body).into_owned()
}

fn h2c(space: &Space<'_>) -> anyhow::Result<()> {
    let ksvc = space.deploy(&with_port(space, "h2c"))?;
    let url = &ksvc["status"]["url"];
    assert_eq!(text(&post(space, url, "/proto", "text/plain", b"")?), "POST /proto HTTP/2.0");
    // Whatever the client speaks.
    assert_eq!(space.body(&ksvc, "/proto")?, "GET /proto HTTP/2.0");
    Ok(())
}

fn http1(space: &Space<'_>) -> anyhow::Result<()> {
    let ksvc = space.deploy(&with_port(space, "http1"))?;
    let url = &ksvc["status"]["url"];
    assert_eq!(space.body(&ksvc, "/proto")?, "GET /proto HTTP/1.1");
    assert_eq!(text(&post(space, url, "/proto", "text/plain", b"")?), "POST /proto HTTP/1.1");
    Ok(())
}

fn trailers(space: &Space<'_>) -> anyhow::Result<()> {
    let ksvc = space.deploy(&with_port(space, "h2c"))?;
    let answer = post(space, &ksvc["status"]["url"], "/trailers", "text/plain", b"")?;
    assert_eq!((answer.status, text(&answer).as_str()), (200, "body"));
    assert_eq!(answer.trailers.get("x-sum").map(|sum| sum.as_bytes()), Some(&b"4"[..]));
    Ok(())
}

fn grpc(space: &Space<'_>) -> anyhow::Result<()> {
    let ksvc = space.deploy(&with_port(space, "h2c"))?;
    let url = &ksvc["status"]["url"];
    let answer = call(space, url, "/test.Test/Echo", b"a message")?;
    assert_eq!(answer.body, framed(b"a message"));
    assert_eq!(answer.trailer("grpc-status"), "0");
    let refused = call(space, url, "/test.Test/Refuse", b"a message")?;
    assert_eq!((refused.status, refused.trailer("grpc-status")), (200, "7"));
    Ok(())
}

fn grpc_stream(space: &Space<'_>) -> anyhow::Result<()> {
    let ksvc = space.deploy(&with_port(space, "h2c"))?;
    let words = ["one", "two", "three"];
    let trailers = talk(space, &ksvc["status"]["url"], "/test.Test/Talk", &words)?;
    assert_eq!(trailers.get("grpc-status").map(|status| status.as_bytes()), Some(&b"0"[..]));
    Ok(())
}

fn grpc_timeout(space: &Space<'_>) -> anyhow::Result<()> {
    let mut made = with_port(space, "h2c");
    set(&mut made, "spec.template.spec.timeoutSeconds", json!(1));
    let ksvc = space.deploy(&made)?;
    let answer = call(space, &ksvc["status"]["url"], "/test.Test/Hang", b"")?;
    assert_eq!(answer.trailer("grpc-status"), "4", "{answer:?}");
    Ok(())
}

fn websocket(space: &Space<'_>) -> anyhow::Result<()> {
    let ksvc = space.deploy(&service(space, "hello", json!({})))?;
    let mut socket = Stream::websocket(space, &ksvc)?;
    for message in ["one", "two", &"three".repeat(20_000)] {
        socket.echoed(message)?;
    }
    Ok(())
}

fn websocket_timeout(space: &Space<'_>) -> anyhow::Result<()> {
    let mut made = service(space, "hello", json!({}));
    set(&mut made, "spec.template.spec.timeoutSeconds", json!(2));
    let ksvc = space.deploy(&made)?;
    let started = Instant::now();
    let mut socket = Stream::websocket(space, &ksvc)?;
    socket.echoed("before")?;
    assert_eq!(socket.rest()?, "");
    let took = started.elapsed();
    let expected = Duration::from_secs(2)..Duration::from_secs(10);
    ensure!(expected.contains(&took), "it ended after {took:?}");
    Ok(())
}

fn unknown_host(space: &Space<'_>) -> anyhow::Result<()> {
    let ksvc = space.deploy(&with_port(space, "h2c"))?;
    let url = ksvc["status"]["url"].as_str().unwrap_or_default().replace("hello.", "nobody.");
    let answer = post(space, &json!(url), "/", "text/plain", b"")?;
    assert_eq!(answer.status, 404, "{answer:?}");
    let answer = call(space, &json!(url), "/test.Test/Echo", b"")?;
    assert_eq!(answer.trailer("grpc-status"), "12", "{answer:?}");
    Ok(())
}
