//! Request bodies that are not read to their end, because the answer came first.
//!
//! A connection that is closed while bytes of the client are unread is reset, and the reset may
//! lose the answer for a client that is still sending. So the rest is read and dropped, for a
//! while.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use http_body::Body as _;
use hyper::body::Incoming;
use tokio::time::sleep;

/// How long the rest of a body is read. It bounds how long a client can keep a connection that has
/// its answer.
const LIMIT: Duration = Duration::from_secs(30);

/// The unread body of one HTTP/1.1 connection: there is one request at a time.
#[derive(Debug, Default)]
pub(crate) struct Unread {
    body: RefCell<Option<Incoming>>,
    waker: RefCell<Option<Waker>>,
    closed: Cell<bool>,
}

impl Unread {
    /// Takes a body whose rest is to be dropped.
    pub(crate) fn put(&self, body: Incoming) {
        if self.closed.get() {
            return;
        }
        *self.body.borrow_mut() = Some(body);
        if let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
    }

    /// Drops the body, and those that come later: the connection is to end.
    pub(crate) fn close(&self) {
        self.closed.set(true);
        self.body.borrow_mut().take();
    }

    /// Reads and drops the bodies that are put here, for as long as it is polled.
    pub(crate) async fn drain(&self) {
        loop {
            let body = poll_fn(|cx| self.poll_body(cx)).await;
            let mut discarded = pin!(discard(body));
            let mut limit = pin!(sleep(LIMIT));
            poll_fn(|cx| match (discarded.as_mut().poll(cx), limit.as_mut().poll(cx)) {
                (Poll::Pending, Poll::Pending) => Poll::Pending,
                _ => Poll::Ready(()),
            })
            .await;
        }
    }

    fn poll_body(&self, cx: &mut Context<'_>) -> Poll<Incoming> {
        if let Some(body) = self.body.borrow_mut().take() {
            return Poll::Ready(body);
        }
        let mut waker = self.waker.borrow_mut();
        if waker.as_ref().is_none_or(|waker| !waker.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }
}

/// Reads a body to its end or to an error.
async fn discard(mut body: Incoming) {
    poll_fn(move |cx| {
        while let Some(Ok(_)) = ready!(Pin::new(&mut body).poll_frame(cx)) {}
        Poll::Ready(())
    })
    .await;
}
