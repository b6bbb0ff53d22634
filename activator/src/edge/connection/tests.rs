//! Clients that do not read, and pods that do not: how many bytes wait between them.
//!
//! Client, gateway and pod are tasks of one thread, joined by pipes. The gateway holds the bytes
//! that it has read of a pod and the client has not read.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{Empty, StreamBody};
use hyper::body::{Frame, Incoming};
use rouse_kit::{Clock, Process, Shutdown};
use tokio::io::{
    AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex,
};
use tokio::task::{LocalSet, spawn_local, yield_now};

use super::*;
use crate::transport::pod_stream::PodStream;
use crate::transport::pool;

const KIB: usize = 1024;
/// The beginning of an answer: more than the gateway buffers.
const ANSWER: &[u8] = &[b'x'; 4 << 20];
/// Pipe sizes: hardly anything to the client; from pods, as much as the gateway may read at a time.
const CLIENT_PIPE: usize = 64;
const POD_PIPE: usize = 1 << 20;
/// Bytes of frames that a connection is writing, whatever the number of its streams.
const FRAMES_MAX: usize = 64 * KIB;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Http {
    One,
    Two,
}

fn exec() -> LocalExec {
    let tasks = Process::new(Clock::of_tokio()).component("activator", Shutdown::new()).tasks;
    LocalExec::new(Rc::new(tasks.kind("stream")))
}

/// The gateway's end of a pipe; it counts the bytes that were read.
struct Counted {
    io: DuplexStream,
    read: Arc<AtomicUsize>,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.io).poll_read(cx, buf);
        self.read.fetch_add(buf.filled().len() - before, Ordering::Relaxed);
        polled
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// A pod that writes answers without end.
async fn writing_pod(protocol: Http, mut stream: DuplexStream) {
    if protocol == Http::One {
        stream.read_exact(&mut [0; 16]).await.expect("a request");
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n")
            .await
            .expect("open");
        let _ = stream.write_all(ANSWER).await;
        return;
    }
    let service = service_fn(move |_| {
        let frame = || Ok::<_, Infallible>(Frame::data(Bytes::from_static(&[b'x'; 16 * KIB])));
        let frames = futures::stream::repeat_with(frame);
        async move { Ok::<_, Infallible>(Response::new(StreamBody::new(frames))) }
    });
    let builder = http2::Builder::new(exec());
    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
}

/// The gateway's side of a pod: sends one request and gives its answer on.
async fn ask_pod(protocol: Http, stream: Counted) -> Response<Incoming> {
    let request = Request::get("http://pod/").body(Empty::<Bytes>::new()).expect("a request");
    match protocol {
        Http::One => {
            let io = TokioIo::new(PodStream::new(stream, Arc::default()));
            let (mut sender, connection) =
                pool::http1_builder().handshake(io).await.expect("a connection");
            spawn_local(connection.with_upgrades());
            sender.send_request(request).await.expect("an answer")
        }
        Http::Two => {
            let builder = pool::http2_builder(exec());
            let (mut sender, connection) =
                builder.handshake(TokioIo::new(stream)).await.expect("a connection");
            spawn_local(connection);
            let answer = sender.send_request(request).await.expect("an answer");
            // The connection lives while its sender is held.
            spawn_local(async move {
                std::future::pending::<()>().await;
                drop(sender);
            });
            answer
        }
    }
}

/// Lets all tasks run until `count` does not change any more.
async fn settle(count: &AtomicUsize) -> usize {
    let mut last = 0;
    let mut still = 0;
    for _ in 0..1_000_000 {
        yield_now().await;
        let now = count.load(Ordering::Relaxed);
        still = if now == last && now > 0 { still + 1 } else { 0 };
        last = now;
        if still == 10_000 {
            return last;
        }
    }
    panic!("it never stops at {last}");
}

/// How many bytes of answers wait if a client asks `streams` times and reads nothing.
async fn held(client: Http, pods: Http, streams: usize) -> usize {
    let read = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&read);
    let service = service_fn(move |_: Request<Incoming>| {
        let (far, io) = duplex(POD_PIPE);
        spawn_local(writing_pod(pods, far));
        let near = Counted { io, read: Arc::clone(&counted) };
        async move { Ok::<_, Infallible>(ask_pod(pods, near).await) }
    });
    let (mut far, near) = duplex(CLIENT_PIPE);
    let io = TokioIo::new(near);
    match client {
        Http::One => {
            spawn_local(async move {
                let _ = http1_builder().serve_connection(io, service).with_upgrades().await;
            });
            far.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.expect("open");
        }
        Http::Two => {
            spawn_local(async move {
                let _ = http2_builder(exec()).serve_connection(io, service).await;
            });
            far.write_all(PREFACE).await.expect("open");
            far.write_all(&frame(4, 0, 0, &[0, 4, 0x7f, 0xff, 0xff, 0xff])).await.expect("open");
            far.write_all(&frame(8, 0, 0, &0x7000_0000_u32.to_be_bytes())).await.expect("open");
            // `:method: GET`, `:scheme: http`, `:path: /` of the static table, and `:authority: a`.
            let head = [0x82, 0x86, 0x84, 0x41, 0x01, b'a'];
            for stream in 0..streams {
                let id = u32::try_from(2 * stream + 1).expect("small");
                far.write_all(&frame(1, 5, id, &head)).await.expect("open");
            }
        }
    }
    let held = settle(&read).await;
    drop(far);
    held
}

/// A frame of HTTP/2.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("small").to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

#[tokio::test]
async fn a_client_that_does_not_read_costs_64_kib_a_stream() {
    let local = LocalSet::new();
    local
        .run_until(async {
            for pods in [Http::One, Http::Two] {
                for streams in [1, 10, 100] {
                    let bytes = held(Http::Two, pods, streams).await;
                    println!("h2, {streams} streams, pods speak {pods:?}: {} KiB", bytes / KIB);
                    assert!(bytes <= streams * 64 * KIB + FRAMES_MAX, "{bytes} of {streams}");
                }
                let bytes = held(Http::One, pods, 1).await;
                println!("HTTP/1.1, pods speak {pods:?}: {} KiB", bytes / KIB);
                assert!(bytes <= 128 * KIB, "{bytes}");
            }
        })
        .await;
}
