//! The body of an answer: our own text, or a pod's, which holds the slot until its end.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Version, header, response};
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;

use crate::transport::due::Due;
use crate::transport::held::Held;
use crate::transport::stream_ends::{Overdue, StreamEnd, StreamEnds};
use crate::transport::timeout::Timer;

/// Knative's text at the end of an answer that had begun when it timed out.
const TIMEOUT_TEXT: &str = "request timeout";
/// `DEADLINE_EXCEEDED`.
const GRPC_TIMEOUT: HeaderValue = HeaderValue::from_static("4");
pub(crate) const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
pub(crate) const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// How an answer that had begun says that it timed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// Not at all: it has a content length, or a format that no text may follow.
    Silent,
    Text,
    /// gRPC's trailers.
    Grpc,
}

/// Whether a message is gRPC, and not gRPC-Web.
pub(crate) fn is_grpc(headers: &HeaderMap) -> bool {
    after_grpc(headers).is_some_and(is_grpc_itself)
}

/// The rest of the content type after `application/grpc`.
fn after_grpc(headers: &HeaderMap) -> Option<&[u8]> {
    headers.get(header::CONTENT_TYPE)?.as_bytes().strip_prefix(b"application/grpc")
}

fn is_grpc_itself(rest: &[u8]) -> bool {
    matches!(rest, [] | [b'+' | b';', ..])
}

impl Ending {
    fn of(head: &response::Parts) -> Self {
        match after_grpc(&head.headers) {
            Some(rest) if is_grpc_itself(rest) => Self::Grpc,
            // gRPC-Web has its trailers in the body.
            Some(_) => Self::Silent,
            None if head.headers.contains_key(header::CONTENT_LENGTH) => Self::Silent,
            None => Self::Text,
        }
    }

    fn frame(self) -> Option<Frame<Bytes>> {
        match self {
            Self::Silent => None,
            Self::Text => Some(Frame::data(Bytes::from_static(TIMEOUT_TEXT.as_bytes()))),
            Self::Grpc => {
                let text = HeaderValue::from_static(TIMEOUT_TEXT);
                let trailers = [(GRPC_STATUS, GRPC_TIMEOUT), (GRPC_MESSAGE, text)];
                Some(Frame::trailers(trailers.into_iter().collect()))
            }
        }
    }
}

/// The body of an answer.
#[derive(Debug)]
pub(crate) enum Body {
    Text(Option<Bytes>),
    Pod(Box<Passing>),
    /// Over HTTP/2; its connection lets go of it when its time is over.
    Stream(Rc<RefCell<Passing>>),
}

/// A pod's answer, passed on to the client.
#[derive(Debug)]
pub(crate) struct Passing {
    /// Until the last byte, as what it holds.
    incoming: Option<Incoming>,
    timer: Timer,
    held: Option<Held>,
    /// The connection's deadline, cleared when the answer ends; over HTTP/1.1.
    due: Option<Rc<Due>>,
    /// Its place among the answers of its connection, over HTTP/2.
    stream_end: Option<StreamEnd>,
    /// How it ends if the time runs out.
    ending: Ending,
    /// Its time ran out, and its client is still to be told.
    overdue: bool,
}

impl Body {
    pub(crate) fn empty() -> Self {
        Self::Text(None)
    }

    pub(crate) fn text(text: Bytes) -> Self {
        Self::Text(Some(text))
    }

    /// A pod's answer with this head.
    pub(crate) fn passing(
        head: &response::Parts,
        incoming: Incoming,
        timer: Timer,
        held: Held,
        due: &Rc<Due>,
        stream_ends: &Rc<StreamEnds>,
    ) -> Self {
        let (end, ended) = (timer.end(), incoming.is_end_stream());
        let mut passing = Passing {
            incoming: Some(incoming),
            timer,
            held: Some(held),
            due: None,
            stream_end: None,
            ending: Ending::of(head),
            overdue: false,
        };
        if ended {
            passing.end(true);
            return Self::Pod(Box::new(passing));
        }
        if head.version == Version::HTTP_2 {
            let stream = Rc::new(RefCell::new(passing));
            let weak: Weak<RefCell<Passing>> = Rc::downgrade(&stream);
            stream.borrow_mut().stream_end = Some(stream_ends.add(end, weak));
            return Self::Stream(stream);
        }
        due.begin(end);
        passing.due = Some(Rc::clone(due));
        Self::Pod(Box::new(passing))
    }

    #[cfg(test)]
    pub(crate) fn into_text(self) -> String {
        match self {
            Self::Text(text) => {
                String::from_utf8(text.unwrap_or_default().to_vec()).expect("text is UTF-8")
            }
            Self::Pod(_) | Self::Stream(_) => panic!("not an answer of our own"),
        }
    }
}

impl Passing {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(incoming) = &mut self.incoming else {
            let ending = std::mem::take(&mut self.overdue).then(|| self.ending.frame());
            return Poll::Ready(ending.flatten().map(Ok));
        };
        match Pin::new(&mut *incoming).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                self.timer.wrote();
                if let (Some(held), Some(data)) = (&mut self.held, frame.data_ref()) {
                    held.wrote(data.len());
                }
                if incoming.is_end_stream() {
                    self.end(true);
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                self.end(false);
                Poll::Ready(Some(Err(error)))
            }
            Poll::Ready(None) => {
                self.end(true);
                Poll::Ready(None)
            }
            Poll::Pending => self.timer.poll(cx).map(|_| {
                self.end(false);
                self.ending.frame().map(Ok)
            }),
        }
    }

    /// Gives back the connection, if it can be used again, and then the slot.
    fn end(&mut self, whole: bool) {
        self.incoming = None;
        self.stream_end = None;
        if let Some(due) = self.due.take() {
            due.end();
        }
        if let Some(mut held) = self.held.take()
            && whole
        {
            held.give_back();
        }
    }

    fn is_over(&self) -> bool {
        self.incoming.is_none() && !self.overdue
    }

    fn size_hint(&self) -> SizeHint {
        match &self.incoming {
            Some(incoming) => incoming.size_hint(),
            None if self.overdue => SizeHint::default(),
            None => SizeHint::with_exact(0),
        }
    }
}

impl Overdue for RefCell<Passing> {
    fn let_go(&self) {
        let mut passing = self.borrow_mut();
        if passing.incoming.is_some() {
            passing.overdue = true;
            passing.end(false);
        }
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        if let Some(due) = self.due.take() {
            due.end();
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut *self {
            Self::Text(text) => Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
            Self::Pod(passing) => passing.poll(cx),
            Self::Stream(passing) => passing.borrow_mut().poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Text(text) => text.is_none(),
            Self::Pod(passing) => passing.is_over(),
            Self::Stream(passing) => passing.borrow().is_over(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Text(text) => {
                SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64))
            }
            Self::Pod(passing) => passing.size_hint(),
            Self::Stream(passing) => passing.borrow().size_hint(),
        }
    }
}
