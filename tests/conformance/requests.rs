//! 6.1 and 6.2: requests by HTTP/1.1: headers, methods, streams, failures of a pod.

use std::time::{Duration, Instant};

use anyhow::ensure;
use rouse_tests::{http, wait};
use serde_json::{Value, json};

use crate::Case;
use crate::cluster::{EVERY, READY, Space};
use crate::manifests::{scaled, service, set};
use crate::stream::Stream;

pub(crate) const CASES: &[Case] = &[
    ("s6_2::forwarding_headers_are_made", forwarded),
    ("s6_2::forwarding_headers_are_continued", forwarded_on),
    ("s6_2::headers_of_the_platform_do_not_come_from_a_client", internal),
    ("s6_2::headers_of_a_user_are_untouched", untouched),
    ("s6_2::a_trace_is_continued", trace),
    ("s6_2::methods_and_targets_are_untouched", methods),
    ("s6_1::large_bodies_pass_both_ways", large),
    ("s6_1::an_answer_is_streamed", streamed),
    ("s6_1::a_client_that_leaves_ends_its_request", left),
    ("s6_1::a_program_that_dies_is_502", dies),
    ("s6_1::what_may_have_been_done_is_not_sent_again", sent_once),
    ("s6_1::requests_are_spread_over_pods", spread),
    ("s6_2::container_concurrency_is_a_hard_limit", concurrency),
    ("s6_2::a_full_queue_is_503", queue),
    ("s4::redirected_answers_http_with_the_https_url", redirected),
];

/// The value of a header in what `/headers` answers.
fn header<'a>(lines: &'a str, name: &str) -> &'a str {
    let found = lines.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    found.unwrap_or_default()
}

/// The headers that reach the program when a client sends these.
fn received(space: &Space<'_>, sent: &[(&str, &str)]) -> anyhow::Result<(String, String)> {
    let ksvc = space.deploy(&service(space, "hello", json!({})))?;
    let answer = space.call_with(&ksvc["status"]["url"], "/headers", sent, None)?;
    ensure!(answer.status == 200, "{answer:?}");
    let (_, host) = space.at(&ksvc["status"]["url"])?;
    Ok((answer.body, host.to_owned()))
}

fn forwarded(space: &Space<'_>) -> anyhow::Result<()> {
    let (lines, host) = received(space, &[])?;
    assert_eq!(header(&lines, "host"), host);
    let from = header(&lines, "x-forwarded-for");
    ensure!(from.split(',').all(|ip| ip.trim().parse::<std::net::IpAddr>().is_ok()), "{lines}");
    assert_eq!(header(&lines, "x-forwarded-proto"), "http");
    let pairs = header(&lines, "forwarded");
    for part in ["for=", "host=", "proto=http"] {
        ensure!(pairs.contains(part), "{part}: {lines}");
    }
    // A host with a port is no token, and has to be quoted.
    for (_, value) in pairs.split([';', ',']).filter_map(|pair| pair.split_once('=')) {
        let quoted = value.len() > 1 && value.starts_with('"') && value.ends_with('"');
        ensure!(quoted || !value.contains([':', '[', '/']), "{value} in {pairs}");
    }
    Ok(())
}

fn forwarded_on(space: &Space<'_>) -> anyhow::Result<()> {
    let before = [
        ("X-Forwarded-For", "192.0.2.7"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "shop.example.org"),
    ];
    let (lines, _) = received(space, &before)?;
    let from = header(&lines, "x-forwarded-for");
    ensure!(from.starts_with("192.0.2.7, ") || from.starts_with("192.0.2.7,"), "{lines}");
    ensure!(from.split(',').count() > 1, "the client itself is missing: {from}");
    assert_eq!(header(&lines, "x-forwarded-proto"), "https");
    let pairs = header(&lines, "forwarded");
    ensure!(pairs.starts_with("for=192.0.2.7;host=shop.example.org;proto=https, for="), "{pairs}");
    Ok(())
}

fn internal(space: &Space<'_>) -> anyhow::Result<()> {
    let claims = [
        ("Knative-Serving-Revision", "another"),
        ("Knative-Serving-Namespace", "another"),
        ("K-Original-Host", "another.example.org"),
    ];
    let (lines, host) = received(space, &claims)?;
    ensure!(!lines.contains("another"), "{lines}");
    assert_eq!(header(&lines, "host"), host);
    Ok(())
}

fn untouched(space: &Space<'_>) -> anyhow::Result<()> {
    let sent = [
        ("X-Custom", "a,  b; c=\"d\""),
        ("Accept-Encoding", "br"),
        ("Authorization", "Bearer x.y.z"),
        ("Cookie", "a=1; b=2"),
        ("User-Agent", "test/1"),
    ];
    let (lines, _) = received(space, &sent)?;
    for (name, value) in sent {
        assert_eq!(header(&lines, &name.to_ascii_lowercase()), value, "{name}");
    }
    Ok(())
}

fn trace(space: &Space<'_>) -> anyhow::Result<()> {
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let (lines, _) = received(space, &[("traceparent", parent), ("tracestate", "a=b")])?;
    let found = header(&lines, "traceparent");
    ensure!(found.starts_with("00-0af7651916cd43dd8448eb211c80319c-"), "{found:?}");
    assert_eq!(found.len(), parent.len(), "{found}");
    assert_eq!(header(&lines, "tracestate"), "a=b");
    Ok(())
}

fn methods(space: &Space<'_>) -> anyhow::Result<()> {
    let ksvc = space.deploy(&service(space, "hello", json!({})))?;
    let (gateway, host) = space.at(&ksvc["status"]["url"])?;
    let target = "/request/a%2Fb/../c//d?x=%20&y=1&y=2";
    for method in ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"] {
        let answer = http::send_as(method, gateway, host, target, &[], "")?;
        assert_eq!(answer.body, format!("{method} {target} HTTP/1.1"));
    }
    let head = http::send_as("HEAD", gateway, host, target, &[], "")?;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    let length = format!("HEAD {target} HTTP/1.1").len().to_string();
    assert_eq!(head.header("content-length"), Some(length.as_str()));
    Ok(())
}

fn large(space: &Space<'_>) -> anyhow::Result<()> {
    let ksvc = space.deploy(&service(space, "hello", json!({})))?;
    let body: String = (0..400_000).map(|n| format!("{n:010}\n")).collect();
    let answer = space.call_with(&ksvc["status"]["url"], "/echo", &[], Some(&body))?;
    assert_eq!(answer.status, 200);
    ensure!(answer.body == body, "{} bytes of {}", answer.body.len(), body.len());
    Ok(())
}

fn streamed(space: &Space<'_>) -> anyhow::Result<()> {
    let ksvc = space.deploy(&service(space, "hello", json!({})))?;
    let started = Instant::now();
    let mut stream = Stream::get(space, &ksvc, "/stream/4/1000", "")?;
    assert_eq!(stream.head()?.status, 200);
    assert_eq!(stream.chunk()?.as_deref(), Some("chunk 0\n"));
    let first = started.elapsed();
    let mut rest = Vec::new();
    while let Some(chunk) = stream.chunk()? {
        rest.push(chunk);
    }
    assert_eq!(rest, ["chunk 1\n", "chunk 2\n", "chunk 3\n"]);
    // A gateway that gathers the answer would send all of it at the end.
    ensure!(first + Duration::from_secs(2) < started.elapsed(), "the first came after {first:?}");
    Ok(())
}

fn left(space: &Space<'_>) -> anyhow::Result<()> {
    let ksvc = space.deploy(&service(space, "hello", json!({})))?;
    let mut stream = Stream::get(space, &ksvc, "/stream/100/50", "")?;
    stream.head()?;
    stream.chunk()?;
    assert_eq!(space.body(&ksvc, "/gone")?, "0");
    let left = Instant::now();
    drop(stream);
    wait::until_every(EVERY, "the end of its stream", READY, || {
        match space.body(&ksvc, "/gone") {
            Ok(gone) if gone == "1" => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })?;
    ensure!(left.elapsed() < Duration::from_secs(5), "only after {:?}", left.elapsed());
    Ok(())
}

fn dies(space: &Space<'_>) -> anyhow::Result<()> {
    let ksvc = space.deploy(&service(space, "hello", json!({})))?;
    let started = Instant::now();
    let answer = space.call_with(&ksvc["status"]["url"], "/exit/1", &[], Some(""))?;
    assert_eq!(answer.status, 502, "{answer:?}");
    ensure!(started.elapsed() < Duration::from_secs(15), "it hung for {:?}", started.elapsed());
    Ok(())
}

fn sent_once(space: &Space<'_>) -> anyhow::Result<()> {
    let ksvc = space.deploy(&service(space, "hello", json!({})))?;
    let url = &ksvc["status"]["url"];
    // Over a kept connection, as one that was closed meanwhile might be.
    assert_eq!(space.call(&ksvc, "/")?.status, 200);
    let answer = space.call_with(url, "/drop", &[], Some("an order"))?;
    assert_eq!(answer.status, 502, "{answer:?}");
    assert_eq!(space.body(&ksvc, "/dropped")?, "1");
    Ok(())
}

fn spread(space: &Space<'_>) -> anyhow::Result<()> {
    let notes = [("min-scale", "2"), ("max-scale", "2")];
    let ksvc = space.deploy(&scaled(space, "hello", json!({}), &notes))?;
    let answers = space.call_at_once(&ksvc, "/sleep/1000", 20)?;
    ensure!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
    let mut peaks = std::collections::BTreeMap::new();
    wait::until_every(EVERY, "both pods", READY, || {
        let read = |path: &str| space.body(&ksvc, path).map_err(|error| format!("{error:#}"));
        // Of one pod, if both say that they are the same before and after.
        let (before, peak, after) = (read("/pid")?, read("/peak")?, read("/pid")?);
        if before == after {
            peaks.insert(before, peak.parse::<u32>().unwrap_or_default());
        }
        if peaks.len() == 2 { Ok(()) } else { Err(format!("{peaks:?}")) }
    })?;
    ensure!(peaks.values().all(|peak| *peak >= 5), "20 at once were shared as {peaks:?}");
    Ok(())
}

/// A Service with one pod that takes one request at a time.
fn one_at_a_time(space: &Space<'_>) -> Value {
    let mut made = scaled(space, "hello", json!({}), &[("max-scale", "1")]);
    set(&mut made, "spec.template.spec.containerConcurrency", json!(1));
    made
}

fn concurrency(space: &Space<'_>) -> anyhow::Result<()> {
    let ksvc = space.deploy(&one_at_a_time(space))?;
    let started = Instant::now();
    let answers = space.call_at_once(&ksvc, "/sleep/300", 5)?;
    ensure!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
    ensure!(started.elapsed() >= Duration::from_millis(1500), "{:?}", started.elapsed());
    assert_eq!(space.body(&ksvc, "/peak")?, "1");
    Ok(())
}

fn queue(space: &Space<'_>) -> anyhow::Result<()> {
    let mut made = one_at_a_time(space);
    made["spec"]["template"]["metadata"]["annotations"]["rouse.dev/queue-limit"] = json!("2");
    let ksvc = space.deploy(&made)?;
    let answers = space.call_at_once(&ksvc, "/sleep/700", 6)?;
    let count = |status| answers.iter().filter(|answer| answer.status == status).count();
    // One in the pod and two that wait; the others are refused at once.
    assert_eq!((count(200), count(503)), (3, 3), "{answers:?}");
    Ok(())
}

fn redirected(space: &Space<'_>) -> anyhow::Result<()> {
    let mut made = service(space, "hello", json!({}));
    made["metadata"]["annotations"] =
        json!({ "networking.knative.dev/http-protocol": "redirected" });
    let ksvc = space.deploy(&made)?;
    let answer = space.call(&ksvc, "/a/path?and=query")?;
    assert_eq!(answer.status, 301, "{answer:?}");
    let to = answer.header("location").unwrap_or_default();
    ensure!(to.starts_with(&format!("https://hello.{}.", space.name)), "{to}");
    ensure!(to.ends_with("/a/path?and=query"), "{to}");
    Ok(())
}
