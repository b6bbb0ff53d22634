//! 6.2: the three timeouts of a request.

use std::time::{Duration, Instant};

use anyhow::ensure;
use serde_json::{Value, json};

use crate::Case;
use crate::cluster::Space;
use crate::manifests::{env, scaled, service, set};
use crate::stream::Stream;

pub(crate) const CASES: &[Case] = &[
    ("s6_2::no_answer_within_the_timeout_is_504", total),
    ("s6_2::an_answer_that_had_begun_ends_cleanly_at_the_timeout", cut),
    ("s6_2::no_first_byte_within_the_response_start_timeout_is_504", response_start),
    ("s6_2::an_answer_that_falls_silent_ends_at_the_idle_timeout", idle),
    ("s6_2::waiting_for_a_slot_counts", waiting),
    ("s6_2::waiting_for_a_pod_counts", starting),
];

const SECOND: Duration = Duration::from_secs(1);

/// The Service once it is Ready, with these timeouts.
fn limited(space: &Space<'_>, name: &str, limits: &[(&str, u32)]) -> anyhow::Result<Value> {
    let mut made = service(space, name, json!({}));
    for (field, seconds) in limits {
        set(&mut made, &format!("spec.template.spec.{field}"), json!(seconds));
    }
    space.deploy(&made)
}

/// The request ends with 504 for a timeout, after so many seconds.
fn times_out(space: &Space<'_>, ksvc: &Value, path: &str, seconds: u32) -> anyhow::Result<()> {
    let started = Instant::now();
    let answer = space.call(ksvc, path)?;
    let took = started.elapsed();
    ensure!(answer.status == 504 && answer.body.contains("request timeout"), "{answer:?}");
    let after = SECOND * seconds;
    // Before the program would have answered.
    ensure!((after..6 * SECOND).contains(&took), "{took:?} instead of {after:?}");
    Ok(())
}

fn total(space: &Space<'_>) -> anyhow::Result<()> {
    let ksvc = limited(space, "hello", &[("timeoutSeconds", 2)])?;
    assert_eq!(space.call(&ksvc, "/sleep/500")?.status, 200);
    times_out(space, &ksvc, "/sleep/6000", 2)
}

/// All chunks of a stream that ends cleanly, and how long it took.
fn whole(space: &Space<'_>, ksvc: &Value, path: &str) -> anyhow::Result<(Vec<String>, Duration)> {
    let started = Instant::now();
    let mut stream = Stream::get(space, ksvc, path, "")?;
    assert_eq!(stream.head()?.status, 200);
    let mut chunks = Vec::new();
    while let Some(chunk) = stream.chunk()? {
        chunks.push(chunk);
    }
    Ok((chunks, started.elapsed()))
}

fn cut(space: &Space<'_>) -> anyhow::Result<()> {
    let ksvc = limited(space, "hello", &[("timeoutSeconds", 2)])?;
    let (chunks, took) = whole(space, &ksvc, "/stream/60/100")?;
    ensure!(chunks.len() < 30 && chunks[0] == "chunk 0\n", "{chunks:?}");
    assert_eq!(chunks.last().map(String::as_str), Some("request timeout"));
    ensure!((2 * SECOND..6 * SECOND).contains(&took), "{took:?}");
    Ok(())
}

fn response_start(space: &Space<'_>) -> anyhow::Result<()> {
    let limits = [("timeoutSeconds", 9), ("responseStartTimeoutSeconds", 1)];
    let ksvc = limited(space, "hello", &limits)?;
    times_out(space, &ksvc, "/sleep/6000", 1)?;
    // One that has begun may take longer.
    let (chunks, _) = whole(space, &ksvc, "/stream/5/500")?;
    assert_eq!(chunks.len(), 5, "{chunks:?}");
    Ok(())
}

fn idle(space: &Space<'_>) -> anyhow::Result<()> {
    let ksvc = limited(space, "hello", &[("timeoutSeconds", 9), ("idleTimeoutSeconds", 1)])?;
    let (chunks, took) = whole(space, &ksvc, "/stream/9/300")?;
    assert_eq!(chunks.len(), 9, "never silent for a second: {chunks:?}");
    ensure!(took > 2 * SECOND, "{took:?}");
    let (chunks, took) = whole(space, &ksvc, "/stream/2/5000")?;
    assert_eq!(chunks, ["chunk 0\n", "request timeout"]);
    ensure!((SECOND..5 * SECOND).contains(&took), "{took:?}");
    times_out(space, &ksvc, "/sleep/6000", 1)
}

fn waiting(space: &Space<'_>) -> anyhow::Result<()> {
    let mut made = scaled(space, "hello", json!({}), &[("max-scale", "1")]);
    set(&mut made, "spec.template.spec.containerConcurrency", json!(1));
    set(&mut made, "spec.template.spec.timeoutSeconds", json!(3));
    let ksvc = space.deploy(&made)?;
    // Each alone would be in time; of three, the last waits for four seconds.
    let answers = space.call_at_once(&ksvc, "/sleep/2000", 3)?;
    let count = |status| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!((count(200), count(504)), (1, 2), "{answers:?}");
    Ok(())
}

fn starting(space: &Space<'_>) -> anyhow::Result<()> {
    let mut made = scaled(space, "hello", env(&[("START_MS", "4000")]), &[("window", "6s")]);
    set(&mut made, "spec.template.spec.timeoutSeconds", json!(2));
    let ksvc = space.deploy(&made)?;
    crate::scale_bounds::until_scale(space, "hello-00001", 0)?;
    let started = Instant::now();
    let answer = space.call(&ksvc, "/")?;
    assert_eq!(answer.status, 504, "{answer:?}");
    ensure!(started.elapsed() < 10 * SECOND, "{:?}", started.elapsed());
    Ok(())
}
