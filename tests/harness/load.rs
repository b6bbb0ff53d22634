//! A small closed-loop load generator: each connection sends its next request after an answer.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// The answers that a load got.
#[derive(Debug)]
pub struct Result {
    pub per_second: f64,
    pub count: usize,
    /// Of the first answers of each connection.
    pub latencies: Vec<Duration>,
}

/// Latencies that are kept of a connection.
const KEPT: usize = 100_000;

/// Sends requests for `time` from `connections` threads, each with keep-alive.
pub fn run(
    address: SocketAddr,
    host: &str,
    connections: usize,
    time: Duration,
) -> anyhow::Result<Result> {
    let started = Instant::now();
    let threads: Vec<_> = (0..connections)
        .map(|_| {
            let host = host.to_owned();
            #[expect(clippy::disallowed_methods, reason = "joined below")]
            std::thread::spawn(move || one(address, &host, started + time))
        })
        .collect();
    let (mut count, mut latencies) = (0, Vec::new());
    for thread in threads {
        let joined = thread.join().map_err(|_| anyhow::anyhow!("a connection panicked"))?;
        let (answers, took) = joined?;
        count += answers;
        latencies.extend(took);
    }
    let per_second = count as f64 / started.elapsed().as_secs_f64();
    Ok(Result { per_second, count, latencies })
}

fn one(address: SocketAddr, host: &str, end: Instant) -> anyhow::Result<(usize, Vec<Duration>)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let (mut count, mut took, mut buffer) = (0, Vec::new(), [0_u8; 4096]);
    while Instant::now() < end {
        let started = Instant::now();
        stream.write_all(request.as_bytes())?;
        read_answer(&mut stream, &mut buffer)?;
        count += 1;
        if took.len() < KEPT {
            took.push(started.elapsed());
        }
    }
    Ok((count, took))
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
