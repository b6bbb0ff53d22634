//! The byte stream of an HTTP/1.1 connection to a pod. It notes whether anything came back, and
//! whether the pod still takes bytes.
//!
//! A pod may answer before it has read the whole request (413, 401) and close its end. Writing the
//! rest then fails, but the answer is there to be read. So a failed write is noted and the rest of
//! the request is dropped here; hyper, which would give up at the error, reads the answer, or the
//! end of the stream.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf, Take};

/// Observations of a connection by its stream.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    answered: AtomicBool,
    takes_no_more: AtomicBool,
}

impl Traffic {
    /// A request is about to be sent.
    pub(crate) fn begin(&self) {
        self.answered.store(false, Ordering::Relaxed);
    }

    /// Whether anything came back since the last request was sent.
    pub(crate) fn answered(&self) -> bool {
        self.answered.load(Ordering::Relaxed)
    }

    /// Whether the pod has closed its end: no further request may go over this connection.
    pub(crate) fn takes_no_more(&self) -> bool {
        self.takes_no_more.load(Ordering::Relaxed)
    }

    /// The outcome of a write of `length` bytes, as hyper is to see it.
    fn wrote(&self, polled: Poll<io::Result<usize>>, length: usize) -> Poll<io::Result<usize>> {
        match polled {
            Poll::Ready(Err(error)) if is_closed_by_peer(&error) => {
                self.takes_no_more.store(true, Ordering::Relaxed);
                Poll::Ready(Ok(length))
            }
            other => other,
        }
    }
}

fn is_closed_by_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset)
}

/// Bytes of one read. Each stage of an answer's path holds one read at a time, so this bounds the
/// memory that a client costs that does not read.
pub(crate) const READ_MAX: u64 = 14 * 1024;

/// The stream of a connection.
pub(crate) struct PodStream<T> {
    stream: Take<T>,
    traffic: Arc<Traffic>,
}

impl<T: AsyncRead> PodStream<T> {
    pub(crate) fn new(stream: T, traffic: Arc<Traffic>) -> Self {
        Self { stream: stream.take(READ_MAX), traffic }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for PodStream<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        self.stream.set_limit(READ_MAX);
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.traffic.answered.store(true, Ordering::Relaxed);
        }
        polled
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for PodStream<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(self.stream.get_mut()).poll_write(cx, buf);
        self.traffic.wrote(polled, buf.len())
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(self.stream.get_mut()).poll_write_vectored(cx, bufs);
        self.traffic.wrote(polled, bufs.iter().map(|buf| buf.len()).sum())
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.get_ref().is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.stream.get_mut()).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.stream.get_mut()).poll_shutdown(cx)
    }
}
