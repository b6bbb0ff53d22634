//! The body of a request: passed through, or known to be empty and so sendable again.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Version, header, request};
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;

use crate::transport::describe::describe;
use crate::transport::unread::Unread;

/// A request body for a pod; `None` is known to be empty.
#[derive(Debug)]
pub(crate) struct Outgoing(Option<Upload>);

/// A body that a client sends.
#[derive(Debug)]
struct Upload {
    /// None once there is nothing more to read.
    incoming: Option<Incoming>,
    failure: Rc<Failure>,
    /// Whether the client is sending it, and not waiting for `100 Continue`.
    flowing: bool,
    /// Takes the rest if the body is dropped early; `None` over HTTP/2, where only the stream ends.
    unread: Option<Rc<Unread>>,
}

/// Why a client's body broke off, if it did.
#[derive(Debug, Default)]
pub(crate) struct Failure(RefCell<Option<String>>);

impl Failure {
    pub(crate) fn take(&self) -> Option<String> {
        self.0.borrow_mut().take()
    }
}

impl Outgoing {
    /// The body of a request with this head. `unread` takes what is left of it when it is dropped.
    pub(crate) fn new(head: &request::Parts, incoming: Incoming, unread: &Rc<Unread>) -> Self {
        if incoming.is_end_stream() {
            return Self(None);
        }
        Self(Some(Upload {
            incoming: Some(incoming),
            failure: Rc::default(),
            flowing: !head.headers.contains_key(header::EXPECT),
            unread: (head.version != Version::HTTP_2).then(|| Rc::clone(unread)),
        }))
    }

    pub(crate) fn empty() -> Self {
        Self(None)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Tells, once the body is sent, whether the client broke off.
    pub(crate) fn failure(&self) -> Option<Rc<Failure>> {
        self.0.as_ref().map(|upload| Rc::clone(&upload.failure))
    }
}

impl Upload {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(incoming) = &mut self.incoming else { return Poll::Ready(None) };
        self.flowing = true;
        let polled = Pin::new(incoming).poll_frame(cx);
        match &polled {
            Poll::Ready(None) => self.incoming = None,
            Poll::Ready(Some(Err(error))) => {
                *self.failure.0.borrow_mut() = Some(describe(error));
                self.incoming = None;
            }
            Poll::Ready(Some(Ok(_))) | Poll::Pending => {}
        }
        polled
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let (Some(incoming), Some(unread)) = (self.incoming.take(), &self.unread)
            && self.flowing
        {
            unread.put(incoming);
        }
    }
}

impl http_body::Body for Outgoing {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut self.0 {
            Some(upload) => upload.poll(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        let incoming = self.0.as_ref().and_then(|upload| upload.incoming.as_ref());
        incoming.is_none_or(http_body::Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let incoming = self.0.as_ref().and_then(|upload| upload.incoming.as_ref());
        incoming.map_or_else(|| SizeHint::with_exact(0), http_body::Body::size_hint)
    }
}
