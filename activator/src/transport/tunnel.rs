//! An upgraded connection: bytes both ways until either side ends, or time does.

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

/// Joins both sides. What is held is held until the connection closes.
pub(crate) async fn tunnel(client: OnUpgrade, pod: OnUpgrade, mut timer: Timer, held: Held) {
    let Ok((client, pod)) = tokio::try_join!(client, pod) else {
        return;
    };
    let last = Rc::new(Cell::new(Instant::now()));
    let mut client = Noted { io: TokioIo::new(client), last: Rc::clone(&last) };
    let mut pod = TokioIo::new(pod);
    let mut copying =
        std::pin::pin!(copy_bidirectional_with_sizes(&mut client, &mut pod, BUFFER, BUFFER));
    loop {
        timer.wrote_at(last.get());
        match timer.run(copying.as_mut()).await {
            // Traffic moved the idle timeout while nobody told the timer.
            Err(Which::Idle) if timer.moves(last.get()) => {}
            Err(Which::Total | Which::ResponseStart | Which::Idle) | Ok(_) => break,
        }
    }
    drop(held);
}

/// Notes when bytes last passed.
struct Noted<T> {
    io: T,
    last: Rc<Cell<Instant>>,
}

impl<T> Noted<T> {
    fn note(&self) {
        self.last.set(Instant::now());
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Noted<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.io).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.note();
        }
        polled
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Noted<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write(cx, buf);
        if polled.is_ready() {
            self.note();
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
