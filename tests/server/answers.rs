//! The paths of the server, and their answers.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustix::process::{getgid, getuid};

use crate::request::Request;
use crate::state::State;

pub(crate) fn answer(request: &Request, state: &State, out: &mut impl Write) -> Option<()> {
    let words: Vec<&str> = request.path.trim_start_matches('/').split('/').collect();
    match told(request, state, &words) {
        Some(text) => reply(out, 200, &text),
        None => act(request, state, &words, out),
    }
}

/// What only has to be said.
fn told(request: &Request, state: &State, words: &[&str]) -> Option<String> {
    let count = |counter: &AtomicUsize| counter.load(Ordering::SeqCst).to_string();
    let env = |name: &str| std::env::var(name).unwrap_or_default();
    let text = match words[0] {
        "env" => env(words.get(1).unwrap_or(&"")),
        "args" => std::env::args().skip(1).collect::<Vec<_>>().join(" "),
        "cwd" => std::env::current_dir().ok()?.display().to_string(),
        "pid" => std::process::id().to_string(),
        "user" => format!("{} {}", getuid().as_raw(), getgid().as_raw()),
        "peak" => count(&state.peak),
        "gone" => count(&state.gone),
        "dropped" => count(&state.dropped),
        "probed" => state.prober.lock().ok()?.clone(),
        "request" => request.line.clone(),
        "headers" => request.headers.iter().map(|(n, value)| format!("{n}: {value}\n")).collect(),
        "echo" => String::from_utf8_lossy(&request.body).into_owned(),
        _ => return None,
    };
    Some(text)
}

#[expect(clippy::exit, reason = "to end at once is what the request asks for")]
fn act(request: &Request, state: &State, words: &[&str], out: &mut impl Write) -> Option<()> {
    let number = |i: usize| words.get(i).and_then(|w| w.parse::<u64>().ok()).unwrap_or(0);
    match words[0] {
        "sleep" => {
            std::thread::sleep(Duration::from_millis(number(1)));
            reply(out, 200, "slept")
        }
        "exit" => std::process::exit(i32::try_from(number(1)).unwrap_or(1)),
        "bloat" => {
            let held = vec![1_u8; usize::try_from(number(1)).ok()? << 20];
            std::thread::sleep(Duration::from_millis(500));
            let sum: usize = held.iter().map(|&byte| usize::from(byte)).sum();
            reply(out, 200, &format!("held {sum}"))
        }
        "bytes" => bytes(out, usize::try_from(number(1)).ok()?),
        "stream" => stream(out, number(1), number(2)).or_else(|| {
            state.gone.fetch_add(1, Ordering::SeqCst);
            None
        }),
        "drop" => {
            state.dropped.fetch_add(1, Ordering::SeqCst);
            None
        }
        "fail" | "heal" => {
            state.failing.store(words[0] == "fail", Ordering::SeqCst);
            reply(out, 200, words[0])
        }
        "ready" => {
            let by = request.headers.get("user-agent").cloned().unwrap_or_default();
            state.prober.lock().ok()?.clone_from(&by);
            if state.is_ready() { reply(out, 200, "ready") } else { reply(out, 503, "failing") }
        }
        "file" => {
            let read = std::fs::read(path(words));
            or_404(out, read.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
        }
        "stat" => or_404(out, stat(&path(words))),
        "write" => {
            let written = std::fs::write(path(words), &request.body);
            or_404(out, written.map(|()| "written".to_owned()))
        }
        "stdin" => {
            let read = std::io::stdin().read_to_end(&mut Vec::new());
            or_404(out, read.map(|count| count.to_string()))
        }
        "fetch" => {
            let port = u16::try_from(number(2)).ok()?;
            let path = words.get(3..).unwrap_or_default().join("/");
            match fetch(words.get(1).unwrap_or(&""), port, &path) {
                Ok(text) => reply(out, 200, &text),
                Err(error) => reply(out, 502, &error.to_string()),
            }
        }
        "connect" => {
            let port = u16::try_from(number(2)).ok()?;
            let connected = TcpStream::connect((*words.get(1)?, port));
            or_404(out, connected.map(|_| "connected".to_owned()))
        }
        "log" => {
            println!("said {}", words.get(1).unwrap_or(&""));
            reply(out, 200, "said")
        }
        _ => {
            let env = |name: &str| std::env::var(name).unwrap_or_default();
            reply(out, 200, &format!("version {} of {}", env("VERSION"), env("K_REVISION")))
        }
    }
}

/// The file that a request names after its first word.
fn path(words: &[&str]) -> String {
    format!("/{}", words[1..].join("/"))
}

fn or_404(out: &mut impl Write, found: std::io::Result<String>) -> Option<()> {
    match found {
        Ok(text) => reply(out, 200, &text),
        Err(error) => reply(out, 404, &error.to_string()),
    }
}

/// What a path is: a link with its target, or a kind with its rights in octal.
fn stat(path: &str) -> std::io::Result<String> {
    let about = std::fs::symlink_metadata(path)?;
    let kind = about.file_type();
    if kind.is_symlink() {
        return Ok(format!("link {}", std::fs::read_link(path)?.display()));
    }
    let name = match (kind.is_dir(), kind.is_char_device()) {
        (true, _) => "folder",
        (_, true) => "device",
        _ => "file",
    };
    Ok(format!("{name} {:o}", about.permissions().mode() & 0o7777))
}

/// The whole answer of another server.
pub(crate) fn fetch(host: &str, port: u16, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect((host, port))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let at = if port == 80 { host.to_owned() } else { format!("{host}:{port}") };
    write!(stream, "GET /{path} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

pub(crate) fn reply(out: &mut impl Write, status: u16, text: &str) -> Option<()> {
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
