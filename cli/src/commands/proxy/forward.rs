//! The proxy's connections: requests to the gateway and their answers, streamed both ways.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{Method, Request, Response, StatusCode, Uri, Version};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use rouse_kit::Component;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::headers::{Rules, asks_for_upgrade};
use crate::http::Place;
use crate::outcome::{Context, Failure, Result};
use crate::reach::Reach;

/// Most connections at a time; more wait.
const CONNECTIONS: usize = 1024;
/// How long an idle connection to the gateway is kept.
const IDLE: Duration = Duration::from_secs(30);
/// Pause after a connection could not be accepted, as when too many files are open.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

type Body = Either<Incoming, Full<Bytes>>;

/// What all connections of a proxy share.
pub(super) struct Forward {
    rules: Rules,
    http1: Client<Gateway, Incoming>,
    http2: Client<Gateway, Incoming>,
    component: Component,
}

impl Forward {
    pub(super) fn new(reach: &Reach, rules: Rules, component: &Component) -> Result<Self> {
        let gateway = Gateway(Place::of(&reach.open, reach.at)?.0);
        let client = |http2_only| {
            Client::builder(TokioExecutor::new())
                .pool_timer(TokioTimer::new())
                .pool_idle_timeout(IDLE)
                .http2_only(http2_only)
                .build(gateway.clone())
        };
        let (http1, http2) = (client(false), client(true));
        Ok(Self { rules, http1, http2, component: component.clone() })
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        match self.forwarded(request).await {
            Ok(answer) => answer.map(Either::Left),
            Err(failure) => {
                let text = format!("rouse proxy, for {}\n{failure}\n", self.rules.origin);
                let mut answer = Response::new(Either::Right(Full::from(text)));
                *answer.status_mut() = StatusCode::BAD_GATEWAY;
                answer
            }
        }
    }

    async fn forwarded(&self, request: Request<Incoming>) -> Result<Response<Incoming>> {
        if request.method() == Method::CONNECT {
            return Err(Failure::new("it makes no tunnels"));
        }
        let upgrade = asks_for_upgrade(request.headers());
        let mut request = request;
        let client_side = upgrade.then(|| hyper::upgrade::on(&mut request));
        let (mut parts, body) = request.into_parts();
        self.rules.request(&mut parts.headers, upgrade);
        let path = parts.uri.path_and_query().cloned();
        let uri = Uri::builder()
            .scheme("http")
            .authority(self.rules.authority.as_str())
            .path_and_query(path.unwrap_or_else(|| PathAndQuery::from_static("/")));
        parts.uri = uri.build().or_fail(|| "this is no path".to_owned())?;
        let client = if parts.version == Version::HTTP_2 {
            // It has the authority in its place.
            parts.headers.remove(http::header::HOST);
            &self.http2
        } else {
            parts.version = Version::HTTP_11;
            &self.http1
        };
        let sent = client.request(Request::from_parts(parts, body)).await;
        let mut answer = sent.or_fail(|| "no answer".to_owned())?;
        let switched = answer.status() == StatusCode::SWITCHING_PROTOCOLS;
        if let Some(client_side) = client_side.filter(|_| switched) {
            let service_side = hyper::upgrade::on(&mut answer);
            self.component.tasks.detached("upgraded", async move {
                let Ok((client, service)) = tokio::try_join!(client_side, service_side) else {
                    return;
                };
                let (mut client, mut service) = (TokioIo::new(client), TokioIo::new(service));
                // Either side may break off.
                let _ = tokio::io::copy_bidirectional(&mut client, &mut service).await;
            });
        }
        self.rules.answer(answer.headers_mut(), switched);
        Ok(answer)
    }
}

/// Accepts connections for ever.
pub(super) async fn serve(listener: TcpListener, forward: Arc<Forward>, component: &Component) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        // It is never closed.
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let forward = Arc::clone(&forward);
        component.tasks.detached("connection", async move {
            // Without it small answers wait, which is all that can go wrong.
            let _ = stream.set_nodelay(true);
            let service = service_fn(move |request| {
                let forward = Arc::clone(&forward);
                async move { Ok::<_, Infallible>(forward.answer(request).await) }
            });
            let server = auto::Builder::new(TokioExecutor::new());
            // The client's own errors are the client's.
            let _ = server.serve_connection_with_upgrades(TokioIo::new(stream), service).await;
            drop(place);
        });
    }
}

/// Connects to the gateway, whatever the URI.
#[derive(Clone, Debug)]
struct Gateway(Place);

impl tower::Service<Uri> for Gateway {
    type Response = TokioIo<TcpStream>;
    type Error = std::io::Error;
    type Future = Pin<Box<dyn Future<Output = std::io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut TaskContext<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let place = self.0.clone();
        Box::pin(async move { place.connect().await.map(TokioIo::new) })
    }
}
