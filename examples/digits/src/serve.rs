//! The server: HTTP/1.1 on one thread; on SIGTERM it ends once its requests are answered.

use std::convert::Infallible;
use std::future::Future;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};

use crate::model::Model;
use crate::protocol::{Service, refuse};

/// About 20,000 images.
const BODY_BYTES_MAX: usize = 8 << 20;
/// How long open requests may take once the server is told to end.
const DRAIN: Duration = Duration::from_secs(30);
/// The default port of Knative's runtime contract.
const DEFAULT_PORT: u16 = 8080;

/// Loads a model file and serves it on `PORT` until SIGTERM or SIGINT: the `serve` command of both
/// binaries.
pub async fn run(model: &Path) -> anyhow::Result<()> {
    // Before the port opens, so that no signal after readiness is lost.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let model = Model::load(model)?;
    let listener = listen().await?;
    let revision = std::env::var("K_REVISION").unwrap_or_default();
    eprintln!("serving digits {} on {}", model.version, listener.local_addr()?);
    let ended = async {
        tokio::select! {
            biased;
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    serve(listener, model, revision, ended).await;
    Ok(())
}

/// The listener on `PORT` of all addresses.
pub async fn listen() -> anyhow::Result<TcpListener> {
    let port = match std::env::var("PORT") {
        Ok(port) => port.parse().with_context(|| format!("PORT is {port:?}, which is no port"))?,
        Err(_unset) => DEFAULT_PORT,
    };
    let listener = TcpListener::bind(("0.0.0.0", port)).await;
    listener.with_context(|| format!("cannot listen on port {port}; set PORT to a free one"))
}

/// Serves `model` until `ended`, then answers the requests that were begun.
pub async fn serve(
    listener: TcpListener,
    model: Model,
    revision: String,
    ended: impl Future<Output = ()>,
) {
    let service = Arc::new(Service { model, revision });
    let graceful = GracefulShutdown::new();
    let mut ended = pin!(ended);
    loop {
        let accepted = tokio::select! {
            // `ended` first, or a flood of connections would starve it.
            biased;
            () = &mut ended => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => connection(&graceful, service.clone(), stream),
            // Out of descriptors or a client gone early: the listener itself is fine.
            Err(_gone) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
    drop(listener);
    let _ = tokio::time::timeout(DRAIN, graceful.shutdown()).await;
}

fn connection(graceful: &GracefulShutdown, service: Arc<Service>, stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let answering = service_fn(move |request| {
        let service = service.clone();
        async move { Ok::<_, Infallible>(respond(&service, request).await) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new());
    let connection = graceful.watch(http.serve_connection(TokioIo::new(stream), answering));
    #[expect(clippy::disallowed_methods, reason = "watched by `graceful`")]
    tokio::spawn(async move {
        // A client that breaks off is no error of the server.
        let _ = connection.await;
    });
}

async fn respond(service: &Service, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let (status, json) = match Limited::new(body, BODY_BYTES_MAX).collect().await {
        Ok(body) => service.answer(&head.method, head.uri.path(), &body.to_bytes()),
        Err(_too_large) => refuse(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the body is larger than {BODY_BYTES_MAX} bytes"),
        ),
    };
    let mut text = json.to_string();
    text.push('\n');
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, value) in
        [("x-model-version", &service.model.version), ("x-revision", &service.revision)]
    {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    }
    response
}
