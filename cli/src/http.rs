//! One HTTP/1.1 request to a service, by its URL.
//!
//! Names under `.localhost` are this machine's (RFC 6761) and are not looked up: plain Debian's
//! resolver does not know them.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::outcome::{Context, Failure, Result};

/// An answer, and the time from sending the request to the last byte.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) took: Duration,
}

/// A connection that can carry several requests to one host.
pub(crate) struct Connection {
    sender: hyper::client::conn::http1::SendRequest<Full<Bytes>>,
    authority: String,
}

impl Connection {
    /// Connects to the host of `base`, an `http://` URL, or to `elsewhere` in its place.
    pub(crate) async fn open(base: &str, elsewhere: Option<SocketAddr>) -> Result<Self> {
        let uri: Uri = base.parse().or_fail(|| format!("{base:?} is no URL"))?;
        if uri.scheme_str() != Some("http") {
            return Err(Failure::new(format!("{base}: only http URLs can be called here")));
        }
        let authority = uri.authority().map(ToString::to_string).unwrap_or_default();
        let host = uri.host().unwrap_or_default();
        let port = uri.port_u16().unwrap_or(80);
        let at =
            if host == "localhost" || host.ends_with(".localhost") { "127.0.0.1" } else { host };
        let (at, port) = match elsewhere {
            Some(address) => (address.ip().to_string(), address.port()),
            None => (at.to_owned(), port),
        };
        let stream = TcpStream::connect((at.as_str(), port))
            .await
            .or_fail(|| format!("cannot connect to {at}:{port}"))?;
        stream.set_nodelay(true).or_fail(|| "cannot set up the connection".to_owned())?;
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .or_fail(|| format!("cannot speak HTTP with {at}:{port}"))?;
        #[expect(
            clippy::disallowed_methods,
            reason = "of one command: it ends with the connection, or with the process"
        )]
        tokio::spawn(connection);
        Ok(Self { sender, authority })
    }

    pub(crate) async fn send(
        &mut self,
        method: Method,
        path: &str,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Result<Answer> {
        let started = Instant::now();
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(http::header::HOST, &self.authority)
            .header(http::header::USER_AGENT, concat!("rouse/", env!("CARGO_PKG_VERSION")))
            .body(Full::new(body))
            .or_fail(|| format!("{path:?} is no path"))?;
        request.headers_mut().extend(headers.clone());
        self.sender.ready().await.or_fail(|| "the connection was closed".to_owned())?;
        let response = self
            .sender
            .send_request(request)
            .await
            .or_fail(|| format!("no answer from {}", self.authority))?;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.or_fail(|| "the answer broke off".to_owned())?.to_bytes();
        Ok(Answer { status: parts.status, headers: parts.headers, body, took: started.elapsed() })
    }
}
