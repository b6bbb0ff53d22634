//! More clients than the platform may open files: they wait, and none is refused.

use std::time::Duration;

use anyhow::Context;
use rouse_tests::{Platform, http, memory, wait};

use crate::report::Row;
use crate::stage::with_service;

const FILES: u32 = 1024;
const CLIENTS: usize = 1500;
const REQUESTS: usize = 4;
/// Connections to pods are kept for half a minute.
const SETTLE: Duration = Duration::from_secs(60);

pub(crate) fn run() -> anyhow::Result<Vec<Row>> {
    let platform = with_service(Platform::start_with_files(FILES)?)?;
    let (address, host) = (platform.http, platform.host("victim"));
    let before = memory::open_files(platform.pid())?;
    let failed: usize = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                scope.spawn(|| {
                    let answers = (0..REQUESTS).map(|_| http::send(address, &host, "/", None));
                    answers.filter(|a| !a.as_ref().is_ok_and(|a| a.status == 200)).count()
                })
            })
            .collect();
        clients.into_iter().map(|client| client.join().unwrap_or(REQUESTS)).sum()
    });
    let after = wait::until_every(Duration::from_millis(500), "files closed", SETTLE, || {
        let now = memory::open_files(platform.pid()).map_err(|e| e.to_string())?;
        if now <= before + 40 { Ok(now) } else { Err(format!("{now} open")) }
    });
    let what = format!("{CLIENTS} clients, {} requests, {FILES} files", CLIENTS * REQUESTS);
    let left = Row {
        what: format!("files that stay open, {before} before"),
        bound: format!("{}", before + 40),
        measured: after.as_ref().map_or_else(ToString::to_string, ToString::to_string),
        held: after.is_ok(),
    };
    let blamed = unreachable(&platform)?;
    Ok(vec![
        Row::at_most(&what, 0.0, failed as f64, "failed"),
        Row::at_most("pods that were taken for unreachable", 0.0, blamed, "times"),
        left,
    ])
}

/// How often a request was sent to another pod because one could not be reached.
fn unreachable(platform: &Platform) -> anyhow::Result<f64> {
    let metrics = http::send(platform.admin()?, "admin", "/metrics", None)?.body;
    let lines = metrics.lines().filter(|line| line.starts_with("rouse_request_retries_total"));
    let counts = lines.filter(|line| line.contains("unreachable")).map(|line| {
        line.rsplit(' ').next().and_then(|count| count.parse::<f64>().ok()).context("a count")
    });
    let counts = counts.collect::<anyhow::Result<Vec<_>>>()?;
    anyhow::ensure!(!counts.is_empty(), "the metrics have no rouse_request_retries_total");
    Ok(counts.into_iter().sum())
}
