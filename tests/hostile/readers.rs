//! Clients that ask for large answers and read none of them.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use rouse_tests::{Platform, wait};

use crate::bystander::Bystander;
use crate::http2;
use crate::report::Row;
use crate::stage::{growth, platform};

const CONNECTIONS: u32 = 500;
/// Per connection, in `docs/security.md`.
const CONNECTION_KIB: u32 = 128;
const H2_CONNECTIONS: u32 = 20;
/// As many as the gateway takes at a time.
const STREAMS: u32 = 100;
const STREAM_KIB: u32 = 64;
/// What a request costs beside the bytes of its answer: tasks, buffers, the connection to the pod.
const OVERHEAD_KIB: u32 = 48;
const HELD: Duration = Duration::from_secs(15);

pub(crate) fn http1() -> anyhow::Result<Vec<Row>> {
    let platform = platform()?;
    let host = platform.host("victim");
    let ask = |_| {
        let mut stream = TcpStream::connect(platform.http)?;
        write!(stream, "GET /bytes/64 HTTP/1.1\r\nHost: {host}\r\n\r\n")?;
        Ok(stream)
    };
    let bound = CONNECTIONS * (CONNECTION_KIB + OVERHEAD_KIB) / 1024;
    held(&platform, &format!("{CONNECTIONS} connections"), bound, || {
        (0..CONNECTIONS).map(ask).collect::<anyhow::Result<Vec<_>>>()
    })
}

pub(crate) fn http2() -> anyhow::Result<Vec<Row>> {
    let platform = platform()?;
    let host = platform.host("victim");
    let bound = H2_CONNECTIONS * STREAMS * (STREAM_KIB + OVERHEAD_KIB) / 1024;
    let what = format!("{H2_CONNECTIONS} connections, {STREAMS} streams each");
    held(&platform, &what, bound, || {
        let open = |_| http2::ask_and_read_nothing(platform.http, &host, "/bytes/64", STREAMS);
        (0..H2_CONNECTIONS).map(open).collect::<anyhow::Result<Vec<_>>>()
    })
}

fn held<T>(
    platform: &Platform,
    what: &str,
    bound_mib: u32,
    open: impl FnOnce() -> anyhow::Result<Vec<T>>,
) -> anyhow::Result<Vec<Row>> {
    let others = Bystander::begin(platform);
    let (grown, ()) = growth(platform, || {
        let open = open()?;
        wait::pause(HELD);
        drop(open);
        Ok(())
    })?;
    let memory = Row::at_most(&format!("memory, {what}"), f64::from(bound_mib), grown, "MiB");
    Ok([memory].into_iter().chain(others.end()?).collect())
}
