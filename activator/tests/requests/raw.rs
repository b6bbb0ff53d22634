//! Clients and pods as bytes, for messages that no library would send.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::harness::{HOST, SOON, Stage, spawn};

/// A connection whose bytes the test writes itself.
pub(crate) struct Raw(pub(crate) TcpStream);

impl Raw {
    pub(crate) async fn connect(stage: &Stage) -> Self {
        let stream = TcpStream::connect(stage.handle.public_addr()).await.expect("it listens");
        stream.set_nodelay(true).expect("a socket");
        Self(stream)
    }

    pub(crate) async fn send(&mut self, text: impl AsRef<[u8]>) {
        self.0.write_all(text.as_ref()).await.expect("open");
    }

    /// All that comes until `end` does.
    pub(crate) async fn read_until(&mut self, end: &str) -> String {
        self.read_on(String::new(), end).await
    }

    /// What was seen before and all that comes until both hold `end`, wherever they were divided.
    pub(crate) async fn read_on(&mut self, mut seen: String, end: &str) -> String {
        let reading = async {
            while !seen.contains(end) {
                let mut bytes = [0; 4096];
                let count = self.0.read(&mut bytes).await.expect("open");
                assert_ne!(count, 0, "closed after {seen:?}");
                seen.push_str(&String::from_utf8_lossy(&bytes[..count]));
            }
        };
        timeout(SOON, reading).await.unwrap_or_else(|_| panic!("only {end:?} is awaited"));
        seen
    }

    /// All that comes until the other side closes or resets.
    pub(crate) async fn read_to_end(&mut self) -> String {
        let mut seen = Vec::new();
        let reading = async {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = self.0.read(&mut bytes).await {
                seen.extend_from_slice(&bytes[..count]);
            }
        };
        timeout(SOON, reading).await.expect("it is closed in time");
        String::from_utf8_lossy(&seen).into_owned()
    }

    /// The head of the next request or answer, with what came behind it.
    pub(crate) async fn head(&mut self) -> String {
        self.read_until("\r\n\r\n").await
    }
}

/// One request, and all that comes until the connection is closed. The request should say
/// `Connection: close` unless the connection ends anyway.
pub(crate) async fn ask(stage: &Stage, request: impl AsRef<[u8]>) -> String {
    let mut client = Raw::connect(stage).await;
    client.send(request).await;
    client.read_to_end().await
}

/// A head that asks the host of the stage, with these lines.
pub(crate) fn request(line: &str, lines: &[&str]) -> String {
    let mut text = format!("{line} HTTP/1.1\r\nHost: {HOST}\r\n");
    for line in lines {
        text.push_str(line);
        text.push_str("\r\n");
    }
    text + "\r\n"
}

/// A pod that serves each connection as `serve` says.
pub(crate) async fn raw_pod<F, A>(serve: F) -> SocketAddr
where
    F: Fn(Raw) -> A + Send + Sync + 'static,
    A: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // Connections without a request are probes.
            if stream.peek(&mut [0]).await.is_ok_and(|count| count > 0) {
                spawn(serve(Raw(stream)));
            }
        }
    });
    address
}

/// A pod that reads one head and sends `answer` before it closes.
pub(crate) async fn answering(answer: &'static str) -> SocketAddr {
    raw_pod(move |mut pod| async move {
        pod.head().await;
        pod.send(answer).await;
    })
    .await
}

/// A pod that answers each request with its head and its body as they came, once it holds `end`.
pub(crate) async fn mirror(end: &'static str) -> SocketAddr {
    raw_pod(move |mut pod| async move {
        let head = pod.head().await;
        let seen = pod.read_on(head, end).await;
        pod.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{seen}", seen.len())).await;
    })
    .await
}

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A frame of HTTP/2.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("small").to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}
