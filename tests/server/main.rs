//! The program that test pods run: a small HTTP/1.1 server that does what its requests ask for.
//!
//! `/` answers its version and revision; `/env/NAME`, `/args`, `/sleep/MS`, `/exit/CODE`, `/bloat/MIB`,
//! `/stream/N/MS`, `/bytes/MIB`, `/peak` (most requests at once), `/fail` and `/heal` (its readiness, `/ready`),
//! `/file/PATH`, `/stat/PATH`, `/fetch/HOST/PORT/PATH` (what another server answers to it), `/connect/HOST/PORT`, `POST /echo`,
//! `POST /write/PATH`, `/request` (its line), `/headers`, `/stdin`, `/user`, `/upgrade`, `/probed` (who asked for
//! `/ready` last), `/drop` (no answer) and `/dropped` (how often), `/gone` (streams whose client left).
//! Environment: `PORT`; `IGNORE_PORT=N` listens on N instead; `START_MS` waits first; `READY_MS` is not ready before;
//! `EXIT=CODE` exits at once; `NEVER_LISTEN=1`; `LISTEN_HOST` is the address, 0.0.0.0 by default; `H2C=1` speaks
//! HTTP/2 and gRPC (`http2.rs`); `ON_TERM=finish` and `ON_TERM=ignore` say what SIGTERM does (`signals.rs`).
//! Called as `get PATH` it is a client of that server, and ends with 0 if the answer is 200; `append FILE TEXT` writes
//! a line.

mod answers;
mod http2;
mod request;
mod signals;
mod state;

use std::io::{BufReader, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::answers::answer;
use crate::request::{Request, read_request};
use crate::state::{State, number};

/// Where it listens.
fn port() -> u16 {
    let port = number("IGNORE_PORT").or_else(|| number("PORT")).unwrap_or(8080);
    u16::try_from(port).unwrap_or(8080)
}

fn main() -> std::io::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match &words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["get", path] => {
            let answer = answers::fetch("127.0.0.1", port(), path.trim_start_matches('/'))?;
            std::process::exit(i32::from(!answer.starts_with("HTTP/1.1 200 ")));
        }
        ["append", file, text] => {
            let mut file = std::fs::OpenOptions::new().create(true).append(true).open(file)?;
            return writeln!(file, "{text}");
        }
        _ => {}
    }
    eprintln!("started with {words:?}");
    if let Some(code) = number("EXIT") {
        eprintln!("leaving with {code} as asked");
        std::process::exit(i32::try_from(code).unwrap_or(1));
    }
    signals::handle()?;
    if let Some(ms) = number("START_MS") {
        std::thread::sleep(Duration::from_millis(ms));
    }
    if number("NEVER_LISTEN").is_some() {
        loop {
            std::thread::park();
        }
    }
    let host = std::env::var("LISTEN_HOST").unwrap_or_else(|_| "0.0.0.0".to_owned());
    let listener = TcpListener::bind((host.as_str(), port()))?;
    println!("listening on {}", port());
    if number("H2C").is_some() {
        return http2::serve(listener, State::new());
    }
    let state = Arc::new(State::new());
    for stream in listener.incoming().flatten() {
        let state = Arc::clone(&state);
        #[expect(clippy::disallowed_methods, reason = "a program for tests")]
        std::thread::spawn(move || serve(stream, &state));
    }
    Ok(())
}

fn serve(stream: std::net::TcpStream, state: &State) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut out = stream.try_clone().ok()?;
    let mut reader = BufReader::new(stream);
    loop {
        let request = read_request(&mut reader)?;
        if request.path == "/upgrade" {
            out.write_all(switching(&request).as_bytes()).ok()?;
            std::io::copy(&mut reader, &mut out).ok()?;
            return None;
        }
        let now = state.now.fetch_add(1, Ordering::SeqCst) + 1;
        state.peak.fetch_max(now, Ordering::SeqCst);
        let answered = answer(&request, state, &mut out);
        state.now.fetch_sub(1, Ordering::SeqCst);
        answered?;
        if request.last {
            return None;
        }
    }
}

/// A 101 to the protocol that is asked for. The key of a WebSocket is the one of RFC 6455, section 1.3.
fn switching(request: &Request) -> String {
    let to = request.headers.get("upgrade").map_or("echo", String::as_str);
    let accept = match request.headers.get("sec-websocket-key").map(String::as_str) {
        Some("dGhlIHNhbXBsZSBub25jZQ==") => {
            "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
        }
        _ => "",
    };
    format!("HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: {to}\r\n{accept}\r\n")
}
