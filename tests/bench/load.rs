//! A small closed-loop load generator: each connection sends its next request after an answer.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::stats::Samples;

/// The result of a load.
pub(crate) struct Result {
    pub(crate) per_second: f64,
    pub(crate) latency_ms: Samples,
}

/// Sends requests for `time` from `connections` threads, each with keep-alive.
pub(crate) fn run(
    address: SocketAddr,
    host: &str,
    connections: usize,
    time: Duration,
) -> anyhow::Result<Result> {
    let started = Instant::now();
    let threads: Vec<_> = (0..connections)
        .map(|_| {
            let host = host.to_owned();
            std::thread::spawn(move || one(address, &host, started + time))
        })
        .collect();
    let mut latency_ms = Samples::default();
    let mut count = 0_u32;
    for thread in threads {
        for took in thread.join().map_err(|_| anyhow::anyhow!("a connection panicked"))?? {
            latency_ms.add_ms(took);
            count += 1;
        }
    }
    Ok(Result { per_second: f64::from(count) / started.elapsed().as_secs_f64(), latency_ms })
}

fn one(address: SocketAddr, host: &str, end: Instant) -> anyhow::Result<Vec<Duration>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let (mut took, mut buffer) = (Vec::new(), [0_u8; 4096]);
    while Instant::now() < end {
        let started = Instant::now();
        stream.write_all(request.as_bytes())?;
        read_answer(&mut stream, &mut buffer)?;
        took.push(started.elapsed());
    }
    Ok(took)
}

/// Reads one whole answer with a `content-length`.
fn read_answer(stream: &mut TcpStream, buffer: &mut [u8]) -> anyhow::Result<()> {
    let mut have = 0;
    loop {
        let read = stream.read(&mut buffer[have..])?;
        anyhow::ensure!(read > 0, "the connection was closed");
        have += read;
        let Some(end) = buffer[..have].windows(4).position(|w| w == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&buffer[..end]).to_ascii_lowercase();
        anyhow::ensure!(head.starts_with("http/1.1 200"), "{head}");
        let length = head.lines().find_map(|l| l.strip_prefix("content-length: "));
        let length: usize = length.map_or(Ok(0), |l| l.trim().parse())?;
        if have >= end + 4 + length {
            return Ok(());
        }
    }
}
