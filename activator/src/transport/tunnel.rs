//! An upgraded connection: bytes both ways until either side ends or a timeout fires.
//!
//! Its answer begins with the first byte that the pod sends over it, and not with the 101 before: a
//! connection over which the pod sends nothing runs into the response start timeout, as in Knative.
//! It is idle while the pod sends nothing, from the arrival of the request on, whatever the client
//! sends: for all requests, only the answer counts.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional_with_sizes};
use tokio::time::Instant;

use crate::transport::held::Held;
use crate::transport::timeout::{Timer, Which};

const BUFFER: usize = 16 * 1024;

/// Joins both sides; `held` is kept until the connection closes.
pub(crate) async fn tunnel(client: OnUpgrade, pod: OnUpgrade, timer: Timer, mut held: Held) {
    if let Ok((client, pod)) = tokio::try_join!(client, pod) {
        let passed = Rc::new(Passed::since(timer.arrived()));
        copy(TokioIo::new(client), TokioIo::new(pod), timer, &passed).await;
        held.wrote(passed.bytes.get());
    }
    drop(held);
}

/// Copies until an end, an error or a timeout; returns the timeout, if it was one.
async fn copy<C, P>(client: C, mut pod: P, mut timer: Timer, passed: &Rc<Passed>) -> Option<Which>
where
    C: AsyncRead + AsyncWrite + Unpin,
    P: AsyncRead + AsyncWrite + Unpin,
{
    let mut client = Observed { io: client, passed: Rc::clone(passed) };
    let mut copying =
        std::pin::pin!(copy_bidirectional_with_sizes(&mut client, &mut pod, BUFFER, BUFFER));
    loop {
        match timer.run(copying.as_mut()).await {
            // Bytes passed meanwhile, of which the timer learns only now.
            Err(Which::Idle) if timer.wrote_at(passed.last.get()) => {}
            Err(Which::ResponseStart) if passed.bytes.get() > 0 => timer.answered(),
            Err(which) => return Some(which),
            Ok(_) => return None,
        }
    }
}

/// Bytes that went to the client.
struct Passed {
    /// When the last did, or the arrival.
    last: Cell<Instant>,
    bytes: Cell<usize>,
}

impl Passed {
    fn since(arrived: Instant) -> Self {
        Self { last: Cell::new(arrived), bytes: Cell::new(0) }
    }
}

/// The client's side of the connection.
struct Observed<T> {
    io: T,
    passed: Rc<Passed>,
}

impl<T: AsyncRead + Unpin> AsyncRead for Observed<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Observed<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write(cx, buf);
        if let Poll::Ready(Ok(bytes @ 1..)) = polled {
            self.passed.last.set(Instant::now());
            self.passed.bytes.set(self.passed.bytes.get().saturating_add(bytes));
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::settings::Limits;
    use std::time::Duration;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio::time::sleep;

    const SECOND: Duration = Duration::from_secs(1);

    /// A timeout, and after how many seconds: of a connection over which the client sends once a
    /// second, `pings` times, and the pod does what `pod` says.
    async fn end<F: Future>(
        idle: Option<u32>,
        pings: u32,
        pod: impl FnOnce(tokio::io::DuplexStream) -> F,
    ) -> (Option<Which>, u64) {
        let idle = idle.map(|seconds| SECOND * seconds);
        let limits = Limits { total: SECOND * 9, response_start: Some(SECOND * 4), idle };
        let timer = Timer::new(limits, Instant::now());
        let passed = Rc::new(Passed::since(timer.arrived()));
        let began = Instant::now();
        let (mut client, client_side) = duplex(64);
        let (pod_far, pod_side) = duplex(64);
        let sending = async {
            let (mut reader, mut writer) = tokio::io::split(&mut client);
            let mut all = Vec::new();
            let send = async {
                for _ in 0..pings {
                    if writer.write_all(b"ping").await.is_err() {
                        break;
                    }
                    sleep(SECOND).await;
                }
            };
            let _ = tokio::join!(send, reader.read_to_end(&mut all));
        };
        let which = tokio::select! {
            which = copy(client_side, pod_side, timer, &passed) => which,
            () = sending => unreachable!("it goes on for longer"),
            _ = pod(pod_far) => unreachable!("it goes on for longer"),
        };
        (which, began.elapsed().as_secs())
    }

    async fn swallow(mut stream: tokio::io::DuplexStream) {
        let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_over_which_the_pod_sends_nothing_has_no_answer() {
        assert_eq!(end(None, 20, swallow).await, (Some(Which::ResponseStart), 4));
    }

    async fn greet(mut stream: tokio::io::DuplexStream) {
        stream.write_all(b"hello").await.expect("open");
        swallow(stream).await;
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_byte_of_the_pod_is_the_start_of_the_answer() {
        assert_eq!(end(None, 20, greet).await, (Some(Which::Total), 9));
    }

    async fn echo(stream: tokio::io::DuplexStream) {
        let (mut reader, mut writer) = tokio::io::split(stream);
        let _ = tokio::io::copy(&mut reader, &mut writer).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_idle_from_the_last_byte_of_the_pod() {
        assert_eq!(end(Some(2), 5, echo).await, (Some(Which::Idle), 6));
        assert_eq!(end(Some(2), 20, echo).await, (Some(Which::Total), 9));
        assert_eq!(end(Some(2), 20, greet).await, (Some(Which::Idle), 2), "the client alone sends");
        assert_eq!(end(Some(3), 20, swallow).await, (Some(Which::Idle), 3));
    }

    #[tokio::test(start_paused = true)]
    async fn all_timeouts_of_a_connection_run_from_the_arrival_of_its_request() {
        for (idle, start, expected) in [
            (Some(4), None, (Some(Which::Idle), 4)),
            (None, Some(4), (Some(Which::ResponseStart), 4)),
            (None, None, (Some(Which::Total), 9)),
        ] {
            let seconds = |limit: Option<u32>| limit.map(|limit| SECOND * limit);
            let limits =
                Limits { total: SECOND * 9, response_start: seconds(start), idle: seconds(idle) };
            let began = Instant::now();
            let timer = Timer::new(limits, began);
            // The pod took its time for the 101.
            sleep(SECOND * 3).await;
            let ((_client, client_side), (_pod, pod_side)) = (duplex(64), duplex(64));
            let passed = Rc::new(Passed::since(timer.arrived()));
            let which = copy(client_side, pod_side, timer, &passed).await;
            assert_eq!((which, began.elapsed().as_secs()), expected);
        }
    }
}
