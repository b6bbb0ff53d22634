//! One HTTP/1.1 request to a service, by its URL.
//!
//! Names under `.localhost` are this machine's (RFC 6761) and are not looked up: plain Debian's
//! resolver does not know them.

use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::outcome::{Context, Failure, Result};

/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// An answer, and the time from sending the request to the last byte.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) took: Duration,
}

impl Answer {
    /// Whether its connection carries no further request.
    pub(crate) fn closes(&self) -> bool {
        self.headers.get(http::header::CONNECTION).is_some_and(|value| value == "close")
    }
}

/// Where the connections for a URL go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    host: String,
    port: u16,
}

impl Place {
    /// The host of `base`, an `http://` URL, or `elsewhere` in its place; and the URL, read.
    pub(crate) fn of(base: &str, elsewhere: Option<SocketAddr>) -> Result<(Self, Uri)> {
        let uri: Uri = base.parse().or_fail(|| format!("{base:?} is no URL"))?;
        if uri.scheme_str() != Some("http") {
            return Err(Failure::new(format!("{base}: only http URLs can be reached here")));
        }
        let place = match (elsewhere, uri.host().unwrap_or_default()) {
            (Some(address), _) => Self { host: address.ip().to_string(), port: address.port() },
            (None, host) => {
                let is_ours = host == "localhost" || host.ends_with(".localhost");
                let host = if is_ours { "127.0.0.1" } else { host };
                Self { host: host.to_owned(), port: uri.port_u16().unwrap_or(80) }
            }
        };
        Ok((place, uri))
    }

    pub(crate) async fn connect(&self) -> std::io::Result<TcpStream> {
        let connecting = TcpStream::connect((self.host.as_str(), self.port));
        let stream = tokio::time::timeout(CONNECT_TIMEOUT, connecting).await??;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// A connection that can carry several requests to one host.
pub(crate) struct Connection {
    sender: hyper::client::conn::http1::SendRequest<Full<Bytes>>,
    authority: String,
}

impl Connection {
    /// Connects to the host of `base`, an `http://` URL, or to `elsewhere` in its place.
    pub(crate) async fn open(base: &str, elsewhere: Option<SocketAddr>) -> Result<Self> {
        let (place, uri) = Place::of(base, elsewhere)?;
        let authority = uri.authority().map(ToString::to_string).unwrap_or_default();
        let stream = place.connect().await.or_fail(|| format!("cannot connect to {place}"))?;
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .or_fail(|| format!("cannot speak HTTP with {place}"))?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_under_localhost_are_this_machines_and_only_http_is_spoken() {
        let place =
            |base, elsewhere| Place::of(base, elsewhere).map(|(place, _)| place.to_string());
        assert_eq!(place("http://a.default.localhost:7080/x", None).unwrap(), "127.0.0.1:7080");
        assert_eq!(place("http://localhost", None).unwrap(), "127.0.0.1:80");
        assert_eq!(place("http://notlocalhost", None).unwrap(), "notlocalhost:80");
        let elsewhere = Some(SocketAddr::from(([10, 0, 0, 1], 8080)));
        assert_eq!(place("http://a.default.localhost", elsewhere).unwrap(), "10.0.0.1:8080");
        assert!(place("https://a.example", None).is_err());
    }
}
