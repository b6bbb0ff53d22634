//! A hostile registry whose answers are scripted.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Longer than any test.
const SERVED_MAX: Duration = Duration::from_secs(120);

/// The answer for one path: a head, and a body that may be endless.
#[derive(Clone)]
pub(crate) struct Answer {
    head: String,
    body: Vec<u8>,
    /// Sent again and again, each after a pause.
    tail: Option<(Vec<u8>, Duration)>,
}

impl Answer {
    pub(crate) fn new(status: &str, headers: &str, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{headers}\r\n", body.len());
        Self { head, body, tail: None }
    }

    pub(crate) fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self::new("200 OK", "", body)
    }

    /// A chunked body that begins with `body` and goes on with `tail` for ever.
    pub(crate) fn endless(status: &str, body: &[u8], tail: &[u8], pause: Duration) -> Self {
        let chunk = |bytes: &[u8]| {
            let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
            chunk.extend(bytes);
            chunk.extend(b"\r\n");
            chunk
        };
        Self {
            head: format!("HTTP/1.1 {status}\r\ntransfer-encoding: chunked\r\n\r\n"),
            body: if body.is_empty() { Vec::new() } else { chunk(body) },
            tail: Some((chunk(tail), pause)),
        }
    }

    /// An answer whose `content-length` is never reached.
    pub(crate) fn announcing(length: u64) -> Self {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
        Self { head, body: Vec::new(), tail: Some((Vec::new(), Duration::from_secs(3600))) }
    }

    /// A redirect without a body.
    pub(crate) fn redirect(to: &str) -> Self {
        Self::new("307 Temporary Redirect", &format!("location: {to}\r\n"), "")
    }
}

/// Answers by path, without `/v2/`; others get 404.
pub(crate) type Script = HashMap<String, Answer>;

pub(crate) struct Hostile {
    pub(crate) address: SocketAddr,
    script: watch::Sender<Script>,
    sent: Arc<std::sync::atomic::AtomicU64>,
    _task: AbortOnDrop,
}

struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Hostile {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (script, _) = watch::channel(Script::from([(String::new(), Answer::ok(""))]));
        let sent = Arc::default();
        let task = tokio::spawn(accept(listener, script.clone(), Arc::clone(&sent)));
        Self { address, script, sent, _task: AbortOnDrop(task) }
    }

    pub(crate) fn says(&self, path: impl Into<String>, answer: Answer) {
        self.script.send_modify(|script| {
            script.insert(path.into(), answer);
        });
    }

    pub(crate) fn name(&self, rest: &str) -> String {
        format!("{}/{rest}", self.address)
    }

    /// Bytes written, part of them perhaps still in the kernel's buffers.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(std::sync::atomic::Ordering::Relaxed)
    }
}

type Sent = Arc<std::sync::atomic::AtomicU64>;

async fn accept(listener: TcpListener, script: watch::Sender<Script>, sent: Sent) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(serve(stream, script.clone(), Arc::clone(&sent)));
    }
}

async fn serve(stream: TcpStream, script: watch::Sender<Script>, sent: Sent) -> Option<()> {
    // Ends an endless answer after its test.
    let ends = Instant::now() + SERVED_MAX;
    let mut stream = BufReader::new(stream);
    while Instant::now() < ends {
        let mut request = String::new();
        while !request.ends_with("\r\n\r\n") {
            if stream.read_line(&mut request).await.ok()? == 0 {
                return None;
            }
        }
        let mut words = request.split(' ');
        let (method, path) = (words.next()?, words.next()?);
        let path = path.split('?').next()?.trim_start_matches("/v2/").trim_start_matches('/');
        let missing = || Answer::new("404 Not Found", "", "");
        let answer = script.borrow().get(path).cloned().unwrap_or_else(missing);
        stream.write_all(answer.head.as_bytes()).await.ok()?;
        if method == "HEAD" {
            continue;
        }
        stream.write_all(&answer.body).await.ok()?;
        while let Some((tail, pause)) = &answer.tail {
            if Instant::now() >= ends {
                return None;
            }
            if !pause.is_zero() {
                tokio::time::sleep(*pause).await;
            }
            stream.write_all(tail).await.ok()?;
            sent.fetch_add(tail.len() as u64, std::sync::atomic::Ordering::Relaxed);
        }
    }
    None
}
