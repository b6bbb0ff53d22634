//! The program that test pods run: a small HTTP/1.1 server that does what its requests ask for.
//!
//! `/` answers its version and revision; `/env/NAME`, `/args`, `/sleep/MS`, `/exit/CODE`, `/bloat/MIB`,
//! `/stream/N/MS`, `/bytes/MIB`, `/peak` (most requests at once), `/fail` and `/heal` (its readiness, `/ready`),
//! `/file/PATH`, `/fetch/HOST/PORT/PATH` (what another server answers to it), `POST /echo`.
//! Environment: `PORT`; `IGNORE_PORT=N` listens on N instead; `START_MS` waits first; `EXIT=CODE` exits
//! at once; `NEVER_LISTEN=1`; `LISTEN_HOST` is the address, 0.0.0.0 by default.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

#[derive(Default)]
struct State {
    now: AtomicUsize,
    peak: AtomicUsize,
    failing: AtomicBool,
}

fn main() -> std::io::Result<()> {
    let number = |name: &str| std::env::var(name).ok().and_then(|v| v.parse::<u64>().ok());
    eprintln!("started with {:?}", std::env::args().skip(1).collect::<Vec<_>>());
    if let Some(code) = number("EXIT") {
        eprintln!("leaving with {code} as asked");
        std::process::exit(i32::try_from(code).unwrap_or(1));
    }
    if let Some(ms) = number("START_MS") {
        std::thread::sleep(Duration::from_millis(ms));
    }
    if number("NEVER_LISTEN").is_some() {
        loop {
            std::thread::park();
        }
    }
    let port = number("IGNORE_PORT").or_else(|| number("PORT")).unwrap_or(8080);
    let host = std::env::var("LISTEN_HOST").unwrap_or_else(|_| "0.0.0.0".to_owned());
    let listener = TcpListener::bind((host.as_str(), u16::try_from(port).unwrap_or(8080)))?;
    println!("listening on {port}");
    let state = Arc::new(State::default());
    for stream in listener.incoming().flatten() {
        let state = Arc::clone(&state);
        #[expect(clippy::disallowed_methods, reason = "a program for tests")]
        std::thread::spawn(move || serve(stream, &state));
    }
    Ok(())
}

fn serve(stream: TcpStream, state: &State) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut out = stream.try_clone().ok()?;
    let mut reader = BufReader::new(stream);
    loop {
        let Request { path, headers, body, last } = read_request(&mut reader)?;
        if path == "/upgrade" {
            let head = "HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";
            out.write_all(head.as_bytes()).ok()?;
            std::io::copy(&mut reader, &mut out).ok()?;
            return None;
        }
        let now = state.now.fetch_add(1, Ordering::SeqCst) + 1;
        state.peak.fetch_max(now, Ordering::SeqCst);
        let answered = if path == "/headers" {
            reply(&mut out, 200, &headers)
        } else {
            answer(&path, &body, state, &mut out)
        };
        state.now.fetch_sub(1, Ordering::SeqCst);
        answered?;
        if last {
            return None;
        }
    }
}

struct Request {
    path: String,
    /// A line each, names in lower case.
    headers: String,
    body: Vec<u8>,
    /// The client wants the connection closed after the answer.
    last: bool,
}

fn read_request(reader: &mut impl BufRead) -> Option<Request> {
    let mut line = String::new();
    if reader.read_line(&mut line).ok()? == 0 {
        return None;
    }
    let path = line.split(' ').nth(1)?.to_owned();
    let mut headers = HashMap::new();
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let mut body = Vec::new();
    if headers.get("transfer-encoding").is_some_and(|v| v.contains("chunked")) {
        loop {
            line.clear();
            reader.read_line(&mut line).ok()?;
            let size = usize::from_str_radix(line.trim(), 16).ok()?;
            let mut chunk = vec![0; size + 2];
            reader.read_exact(&mut chunk).ok()?;
            if size == 0 {
                break;
            }
            body.extend_from_slice(&chunk[..size]);
        }
    } else if let Some(length) = headers.get("content-length").and_then(|v| v.parse().ok()) {
        body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
    }
    let last = headers.get("connection").is_some_and(|v| v.eq_ignore_ascii_case("close"));
    let lines: Vec<_> = headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
    Some(Request { path, headers: lines.concat(), body, last })
}

#[expect(clippy::exit, reason = "to end at once is what the request asks for")]
fn answer(path: &str, body: &[u8], state: &State, out: &mut impl Write) -> Option<()> {
    let words: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let number = |i: usize| words.get(i).and_then(|w| w.parse::<u64>().ok()).unwrap_or(0);
    match words[0] {
        "env" => reply(out, 200, &std::env::var(words.get(1).unwrap_or(&"")).unwrap_or_default()),
        "args" => reply(out, 200, &std::env::args().skip(1).collect::<Vec<_>>().join(" ")),
        "cwd" => reply(out, 200, &std::env::current_dir().ok()?.display().to_string()),
        "pid" => reply(out, 200, &std::process::id().to_string()),
        "sleep" => {
            std::thread::sleep(Duration::from_millis(number(1)));
            reply(out, 200, "slept")
        }
        "exit" => std::process::exit(i32::try_from(number(1)).unwrap_or(1)),
        "bloat" => {
            let size = usize::try_from(number(1)).ok()? << 20;
            let held = vec![1_u8; size];
            std::thread::sleep(Duration::from_millis(500));
            reply(
                out,
                200,
                &format!("held {}", held.iter().map(|&b| usize::from(b)).sum::<usize>()),
            )
        }
        "bytes" => bytes(out, usize::try_from(number(1)).ok()?),
        "stream" => stream(out, number(1), number(2)),
        "peak" => reply(out, 200, &state.peak.load(Ordering::SeqCst).to_string()),
        "fail" | "heal" => {
            state.failing.store(words[0] == "fail", Ordering::SeqCst);
            reply(out, 200, words[0])
        }
        "ready" if state.failing.load(Ordering::SeqCst) => reply(out, 503, "failing"),
        "ready" => reply(out, 200, "ready"),
        "file" => match std::fs::read(format!("/{}", words[1..].join("/"))) {
            Ok(bytes) => reply(out, 200, &String::from_utf8_lossy(&bytes)),
            Err(error) => reply(out, 404, &error.to_string()),
        },
        "fetch" => {
            let port = u16::try_from(number(2)).ok()?;
            let path = words.get(3..).unwrap_or_default().join("/");
            match fetch(words.get(1).unwrap_or(&""), port, &path) {
                Ok(text) => reply(out, 200, &text),
                Err(error) => reply(out, 502, &error.to_string()),
            }
        }
        "echo" => reply(out, 200, &String::from_utf8_lossy(body)),
        "log" => {
            println!("said {}", words.get(1).unwrap_or(&""));
            reply(out, 200, "said")
        }
        _ => {
            let env = |name: &str| std::env::var(name).unwrap_or_default();
            let version = env("VERSION");
            reply(out, 200, &format!("version {version} of {}", env("K_REVISION")))
        }
    }
}

/// The whole answer of another server.
fn fetch(host: &str, port: u16, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect((host, port))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let at = if port == 80 { host.to_owned() } else { format!("{host}:{port}") };
    write!(stream, "GET /{path} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

fn reply(out: &mut impl Write, status: u16, text: &str) -> Option<()> {
    let answer = format!(
        "HTTP/1.1 {status} X\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{text}",
        text.len()
    );
    out.write_all(answer.as_bytes()).ok()
}

fn bytes(out: &mut impl Write, mib: usize) -> Option<()> {
    static PART: [u8; 64 << 10] = [b'x'; 64 << 10];
    let length = mib << 20;
    write!(out, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n").ok()?;
    (0..length / PART.len()).try_for_each(|_| out.write_all(&PART)).ok()
}

fn stream(out: &mut impl Write, chunks: u64, ms: u64) -> Option<()> {
    out.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").ok()?;
    for i in 0..chunks {
        let text = format!("chunk {i}\n");
        write!(out, "{:x}\r\n{text}\r\n", text.len()).ok()?;
        out.flush().ok()?;
        std::thread::sleep(Duration::from_millis(ms));
    }
    out.write_all(b"0\r\n\r\n").ok()
}
