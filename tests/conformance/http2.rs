//! A client of HTTP/2 without TLS, from its first byte on, and gRPC by hand.

use std::pin::Pin;
use std::task::Poll;

use anyhow::Context;
use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Frame, Incoming};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::sync::mpsc;

use crate::cluster::Space;

/// An answer, whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) trailers: HeaderMap,
}

impl Answer {
    /// A trailer, or where there are only headers, as in a gRPC error, one of those.
    pub(crate) fn trailer(&self, name: &str) -> &str {
        let found = self.trailers.get(name).or_else(|| self.headers.get(name));
        found.and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    async fn of(response: http::Response<Incoming>) -> anyhow::Result<Self> {
        let (parts, body) = response.into_parts();
        let body = body.collect().await?;
        let trailers = body.trailers().cloned().unwrap_or_default();
        let status = parts.status.as_u16();
        Ok(Self { status, headers: parts.headers, body: body.to_bytes(), trailers })
    }
}

/// A connection of its own to the gateway.
async fn connect<B>(space: &Space<'_>, url: &Value) -> anyhow::Result<SendRequest<B>>
where
    B: Body<Data = Bytes, Error = hyper::Error> + Send + Unpin + 'static,
{
    let (gateway, _) = space.at(url)?;
    let stream = tokio::net::TcpStream::connect(gateway).await?;
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
    #[expect(clippy::disallowed_methods, reason = "a client ends with its test")]
    tokio::spawn(connection);
    Ok(sender)
}

fn request<B>(url: &Value, path: &str, kind: &str, body: B) -> anyhow::Result<Request<B>> {
    let url = url.as_str().context("a URL")?;
    let request = Request::post(format!("{url}{path}")).header("content-type", kind);
    Ok(request.header("te", "trailers").body(body)?)
}

/// `POST` of a body.
pub(crate) fn post(
    space: &Space<'_>,
    url: &Value,
    path: &str,
    kind: &str,
    body: &[u8],
) -> anyhow::Result<Answer> {
    space.block_on(async {
        let body = Full::new(Bytes::copy_from_slice(body)).map_err(|never| match never {});
        let mut sender = connect(space, url).await?;
        Answer::of(sender.send_request(request(url, path, kind, body)?).await?).await
    })
}

/// A message of gRPC in its frame.
pub(crate) fn framed(message: &[u8]) -> Bytes {
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes();
    [&[0][..], &length, message].concat().into()
}

/// A call of gRPC.
pub(crate) fn call(
    space: &Space<'_>,
    url: &Value,
    path: &str,
    message: &[u8],
) -> anyhow::Result<Answer> {
    post(space, url, path, "application/grpc", &framed(message))
}

/// A body whose data is said while it is sent.
struct Spoken(mpsc::Receiver<Bytes>);

impl Body for Spoken {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.0.poll_recv(cx).map(|said| said.map(|data| Ok(Frame::data(data))))
    }
}

/// Sends each message only when the one before has come back; then the answer's trailers.
pub(crate) fn talk(
    space: &Space<'_>,
    url: &Value,
    path: &str,
    messages: &[&str],
) -> anyhow::Result<HeaderMap> {
    space.block_on(async {
        let (say, said) = mpsc::channel(1);
        let body = Spoken(said);
        let mut sender = connect(space, url).await?;
        let mut answer =
            sender.send_request(request(url, path, "application/grpc", body)?).await?.into_body();
        for message in messages {
            let message = framed(message.as_bytes());
            say.send(message.clone()).await?;
            let mut back = Vec::new();
            while back.len() < message.len() {
                let frame = answer.frame().await.context("the answer ended")??;
                back.extend_from_slice(frame.data_ref().context("data")?);
            }
            anyhow::ensure!(back == message, "{back:?} for {message:?}");
        }
        drop(say);
        let last = answer.frame().await.context("trailers")??;
        last.into_trailers().map_err(|frame| anyhow::anyhow!("{frame:?} after the end"))
    })
}
