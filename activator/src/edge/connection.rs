//! One client connection: HTTP/1.1 or HTTP/2, distinguished by its first bytes, or by ALPN over TLS.

use std::rc::Rc;
use std::time::Duration;

use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::edge::handle::handle;
use crate::edge::worker::Peer;
use crate::transport::exec::LocalExec;

/// How every HTTP/2 connection with prior knowledge begins.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Pause between two peeks for the rest of the preface, at first and at most.
const PREFACE_PAUSE: Duration = Duration::from_millis(1);
const PREFACE_PAUSE_MAX: Duration = Duration::from_millis(100);
/// How long a client may be silent between requests, or take to send a head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(75);
/// Largest head; beyond it hyper answers 431, as it answers 400 to malformed HTTP: without a body
/// and before our code sees the request.
const HEAD_MAX: usize = 64 * 1024;
/// Bytes of an HTTP/1.1 connection that wait to be read or written. It has to hold a head.
const BUFFER_MAX: usize = HEAD_MAX + 1024;
/// Bytes of requests that clients may send over HTTP/2 before pods take them.
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 1 << 20;
/// Bytes of an answer that wait in a stream before another read of it is taken.
const SEND_MAX: usize = 8 * 1024;
/// As many as RFC 9113 recommends at least.
const STREAMS_MAX: u32 = 100;

/// Serves the connection until either side is done or the platform shuts down.
pub(crate) async fn serve(peer: Rc<Peer>, stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let shutdown = peer.worker.shutdown.clone();
    let first = timeout(HEAD_TIMEOUT, speaks_h2(&stream));
    let Some(Ok(Ok(h2))) = shutdown.run_until_cancelled(first).await else { return };
    serve_http(peer, stream, h2).await;
}

/// The same after a TLS handshake, in which the client chooses the version of HTTP.
pub(crate) async fn serve_tls(peer: Rc<Peer>, stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let shutdown = peer.worker.shutdown.clone();
    let Some(tls) = peer.worker.tls.clone() else { return };
    let Some(Some((stream, h2))) = shutdown.run_until_cancelled(tls.accept(stream)).await else {
        return;
    };
    serve_http(peer, stream, h2).await;
}

async fn serve_http<T>(peer: Rc<Peer>, stream: T, h2: bool)
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let shutdown = peer.worker.shutdown.clone();
    let exec = LocalExec::new(Rc::clone(&peer.worker.kinds.stream));
    let (unread, due) = (Rc::clone(&peer.unread), Rc::clone(&peer.due));
    let stream_ends = Rc::clone(&peer.stream_ends);
    let service = service_fn(move |request| handle(Rc::clone(&peer), request));
    let io = TokioIo::new(stream);
    // Errors here are the client's: it went away or did not speak HTTP.
    if h2 {
        let serving = http2_builder(exec).serve_connection(io, service);
        let mut serving = std::pin::pin!(serving);
        let served = async {
            tokio::select! {
                _ = serving.as_mut() => return,
                () = shutdown.cancelled() => serving.as_mut().graceful_shutdown(),
            }
            let _ = serving.await;
        };
        tokio::select! {
            () = served => {}
            never = stream_ends.watch() => match never {},
        }
    } else {
        let serving = http1_builder().serve_connection(io, service).with_upgrades();
        let mut serving = std::pin::pin!(serving);
        tokio::select! {
            // Polled in this order: the first branch begins answers, which the others act on.
            biased;
            _ = serving.as_mut() => return,
            () = due.passed() => return,
            () = unread.drain() => {}
            () = shutdown.cancelled() => serving.as_mut().graceful_shutdown(),
        }
        unread.close();
        tokio::select! {
            biased;
            _ = serving.as_mut() => {}
            () = due.passed() => {}
        }
    }
}

fn http1_builder() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_header_size(HEAD_MAX)
        .max_buf_size(BUFFER_MAX);
    builder
}

fn http2_builder<E>(exec: E) -> http2::Builder<E> {
    let mut builder = http2::Builder::new(exec);
    builder
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_MAX)
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEAD_MAX as u32);
    builder
}

/// Peeks at the first bytes: whether they are the HTTP/2 preface.
async fn speaks_h2(stream: &TcpStream) -> std::io::Result<bool> {
    let mut first = [0; PREFACE.len()];
    let mut pause = PREFACE_PAUSE;
    loop {
        let seen = stream.peek(&mut first).await?;
        if seen == 0 || first[..seen] != PREFACE[..seen] {
            return Ok(false);
        }
        if seen == PREFACE.len() {
            return Ok(true);
        }
        // A part of the preface: the rest is still to come, and peeking does not wait for it. A
        // client that does not send it is peeked at less and less often.
        sleep(pause).await;
        pause = (pause * 2).min(PREFACE_PAUSE_MAX);
    }
}

#[cfg(test)]
mod tests;
