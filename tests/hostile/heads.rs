//! Clients that send the head of a request a byte at a time, and never all of it.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use rouse_tests::wait;

use crate::bystander::Bystander;
use crate::report::Row;
use crate::stage::{growth, platform};

const CLIENTS: u32 = 2000;
/// A connection that has sent a few bytes.
const CLIENT_KIB: u32 = 32;
const ROUNDS: usize = 20;

pub(crate) fn run() -> anyhow::Result<Vec<Row>> {
    let platform = platform()?;
    let host = platform.host("victim");
    let others = Bystander::begin(&platform);
    let head = format!("GET / HTTP/1.1\r\nHost: {host}\r\nX-Filler: {}", "x".repeat(ROUNDS));
    let (grown, ()) = growth(&platform, || {
        let connect = |_| Ok(TcpStream::connect(platform.http)?);
        let mut clients = (0..CLIENTS).map(connect).collect::<anyhow::Result<Vec<_>>>()?;
        let rounds = head.as_bytes().chunks(head.len().div_ceil(ROUNDS));
        for part in rounds {
            for client in &mut clients {
                // One that the gateway has closed is no longer of interest.
                let _ = client.write_all(part);
            }
            wait::pause(Duration::from_millis(500));
        }
        Ok(())
    })?;
    let bound = f64::from(CLIENTS * CLIENT_KIB / 1024);
    let memory = Row::at_most(&format!("memory, {CLIENTS} clients"), bound, grown, "MiB");
    Ok([memory].into_iter().chain(others.end()?).collect())
}
