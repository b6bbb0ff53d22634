//! The server over HTTP/2, without TLS: what it was asked, trailers, and gRPC's health and echo.

use std::convert::Infallible;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;

use crate::state::State;

/// `grpc.health.v1.HealthCheckResponse` of `SERVING` and `NOT_SERVING`, each in gRPC's frame.
const SERVING: &[u8] = &[0, 0, 0, 0, 2, 8, 1];
const NOT_SERVING: &[u8] = &[0, 0, 0, 0, 2, 8, 2];

/// Serves HTTP/1.1 and HTTP/2, whichever a client begins with.
pub(crate) fn serve(listener: std::net::TcpListener, state: State) -> std::io::Result<()> {
    listener.set_nonblocking(true)?;
    let tasks = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = tokio::task::LocalSet::new();
    let state = Rc::new(state);
    local.block_on(&tasks, async move {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        loop {
            let (stream, _) = listener.accept().await?;
            let state = Rc::clone(&state);
            let serving = async move {
                let service = service_fn(|request| {
                    let hangs = request.uri().path() == "/test.Test/Hang";
                    let answer = answer(request, &state);
                    async move {
                        if hangs {
                            std::future::pending::<()>().await;
                        }
                        Ok::<_, Infallible>(answer)
                    }
                });
                let server = auto::Builder::new(TokioExecutor::new());
                if let Err(error) = server.serve_connection(TokioIo::new(stream), service).await {
                    eprintln!("a connection broke off: {error}");
                }
            };
            #[expect(clippy::disallowed_methods, reason = "a program for tests")]
            tokio::task::spawn_local(serving);
        }
    })
}

fn answer(
    request: Request<Incoming>,
    state: &State,
) -> Response<UnsyncBoxBody<Bytes, hyper::Error>> {
    let is_grpc =
        request.headers().get("content-type").is_some_and(|kind| kind == "application/grpc");
    let status = |status: &'static str| [("grpc-status", status)];
    match request.uri().path() {
        "/grpc.health.v1.Health/Check" => {
            let health = if state.is_ready() { SERVING } else { NOT_SERVING };
            grpc(Full::new(Bytes::from_static(health)).map_err(|never| match never {}), status("0"))
        }
        "/test.Test/Refuse" => grpc(Full::default().map_err(|never| match never {}), status("7")),
        _ if is_grpc => grpc(request.into_body(), status("0")),
        "/trailers" => {
            let body = Full::new(Bytes::from_static(b"body"));
            let body = Trailed::new(body.map_err(|never| match never {}), [("x-sum", "4")]);
            Response::new(body.boxed_unsync())
        }
        "/echo" => Response::new(request.into_body().boxed_unsync()),
        path => {
            let text = format!("{} {path} {:?}", request.method(), request.version());
            Response::new(Full::from(text).map_err(|never| match never {}).boxed_unsync())
        }
    }
}

/// A gRPC answer of these frames.
fn grpc<B>(
    frames: B,
    trailers: [(&'static str, &'static str); 1],
) -> Response<UnsyncBoxBody<Bytes, hyper::Error>>
where
    B: Body<Data = Bytes, Error = hyper::Error> + Send + Unpin + 'static,
{
    let mut response = Response::new(Trailed::new(frames, trailers).boxed_unsync());
    let kind = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert("content-type", kind);
    response
}

/// A body with trailers of its own after its data.
struct Trailed<B> {
    body: B,
    trailers: Option<HeaderMap>,
}

impl<B> Trailed<B> {
    fn new(body: B, trailers: [(&'static str, &'static str); 1]) -> Self {
        let [(name, value)] = trailers;
        let mut map = HeaderMap::new();
        map.insert(name, HeaderValue::from_static(value));
        Self { body, trailers: Some(map) }
    }
}

impl<B: Body<Data = Bytes, Error = hyper::Error> + Unpin> Body for Trailed<B> {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        loop {
            return match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(Some(Ok(frame))) if frame.is_data() => Poll::Ready(Some(Ok(frame))),
                Poll::Ready(Some(Ok(_))) => continue,
                Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(error))),
                Poll::Ready(None) => {
                    Poll::Ready(self.trailers.take().map(|t| Ok(Frame::trailers(t))))
                }
            };
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
