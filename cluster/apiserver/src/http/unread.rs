//! Request bodies that are not read before the response: their rest is read and discarded.
//!
//! A connection that is closed while its client still sends is reset, and the client may never see
//! why it was refused. So the rest of a body is read and discarded, within bounds.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http::header::EXPECT;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use rouse_kit::Tasks;

/// Most bytes that are discarded of one body.
const DISCARD_BYTES: usize = 64 << 20;
/// Longest that one body is discarded.
const DISCARD_TIMEOUT: Duration = Duration::from_secs(10);

/// The body of a request; its rest is discarded by a task when it is dropped.
pub(super) struct RequestBody {
    body: Option<Incoming>,
    /// `None` for a client that sent `Expect`: it does not send a refused body.
    tasks: Option<Tasks>,
}

impl RequestBody {
    pub(super) fn new(body: Incoming, headers: &HeaderMap, tasks: &Tasks) -> Self {
        let tasks = (!headers.contains_key(EXPECT)).then(|| tasks.clone());
        Self { body: Some(body), tasks }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map(Body::size_hint).unwrap_or_default()
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        if let (Some(body), Some(tasks)) = (self.body.take(), &self.tasks)
            && !body.is_end_stream()
        {
            let discarding = async {
                let _enough = tokio::time::timeout(DISCARD_TIMEOUT, discard(body)).await;
            };
            tasks.detached("unread body", discarding);
        }
    }
}

/// Reads until the end, an error, or the bound.
async fn discard<B: Body<Data = Bytes> + Unpin>(mut body: B) {
    let mut left = DISCARD_BYTES;
    while let Some(Ok(frame)) = body.frame().await {
        let read = frame.data_ref().map_or(0, Bytes::len);
        match left.checked_sub(read) {
            Some(less) => left = less,
            None => return,
        }
    }
}
