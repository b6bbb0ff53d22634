//! The API over sockets: TLS, HTTP/1.1 and HTTP/2.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use rouse_kit::{Component, Part, Tasks};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::api::Api;
use super::auth::{self, Caller, Credentials};
use super::body::{self, Answer};
use super::unread::RequestBody;
use crate::status::Failure;

/// Longest that a TLS handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest wait for open requests at shutdown; watches are cut off.
const DRAIN_TIMEOUT: Duration = Duration::from_millis(300);

/// Serves until `shutdown`.
pub(crate) async fn listen(
    api: Api,
    listener: TcpListener,
    tls: Arc<rustls::ServerConfig>,
    credentials: Credentials,
    (health, component): (Part, Component),
) {
    health.ready();
    let acceptor = TlsAcceptor::from(tls);
    let graceful = GracefulShutdown::new();
    loop {
        let stream = tokio::select! {
            biased;
            // Shutdown first: no connection is accepted after it.
            () = component.shutdown.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // For example out of file descriptors: open connections go on.
                    tracing::warn!(%error, "the API cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
        };
        let watcher = graceful.watcher();
        let (api, acceptor) = (api.clone(), acceptor.clone());
        let (credentials, tasks) = (credentials.clone(), component.tasks.clone());
        let connection = serve(api, stream, acceptor, credentials, watcher, tasks);
        component.tasks.detached("connection", connection);
    }
    drop(listener);
    health.not_ready("shutting down");
    // Watches never end by themselves; their clients resume at the next start.
    let _rest = tokio::time::timeout(DRAIN_TIMEOUT, graceful.shutdown()).await;
}

async fn serve(
    api: Api,
    stream: TcpStream,
    acceptor: TlsAcceptor,
    credentials: Credentials,
    watcher: hyper_util::server::graceful::Watcher,
    tasks: Tasks,
) {
    let _faster = stream.set_nodelay(true);
    let stream = match tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(%error, "no TLS connection"),
        Err(_) => return tracing::debug!("a TLS handshake timed out"),
    };
    // Verified in the handshake, if the client showed one.
    let certified = stream.get_ref().1.peer_certificates().is_some();
    let service = service_fn(move |request: http::Request<Incoming>| {
        let (api, credentials) = (api.clone(), credentials.clone());
        let (parts, body) = request.into_parts();
        let body = RequestBody::new(body, &parts.headers, &tasks);
        let request = http::Request::from_parts(parts, body);
        async move { Ok::<_, Infallible>(answer(&api, &credentials, certified, request).await) }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(30));
    builder.http2().timer(TokioTimer::new()).max_concurrent_streams(1000);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%error, "a connection ended early");
    }
}

async fn answer(
    api: &Api,
    credentials: &Credentials,
    certified: bool,
    request: http::Request<RequestBody>,
) -> Answer {
    // Health probes need no credential, but may not have a wrong one.
    let open = matches!(request.uri().path(), "/healthz" | "/livez" | "/readyz");
    let known = match credentials.caller(request.headers(), certified) {
        Caller::Known(user) => Some(user),
        Caller::Bearer(token) => api.user_of_token(token),
        Caller::Nobody if open => {
            let nobody = crate::identity::UserInfo::component("system:anonymous");
            return api.call(request, nobody, false).await;
        }
        Caller::Nobody | Caller::Wrong => None,
    };
    let user = known.ok_or_else(Failure::unauthorized);
    match user.and_then(|user| auth::impersonated(user, request.headers())) {
        Ok(user) => api.call(request, user, false).await,
        Err(failure) => body::failure(&failure),
    }
}
