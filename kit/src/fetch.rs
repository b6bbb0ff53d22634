//! One document by http or https, bounded in size and time. Redirects are not followed.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

/// Connects by http and https; certificates are trusted as the system trusts them.
pub(crate) type Connector = HttpsConnector<HttpConnector>;

/// Why there is no document.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error("{0:?} is no URL")]
    Url(String),
    #[error("{url} cannot be reached: {cause}")]
    Unreachable { url: String, cause: String },
    #[error("{url} did not answer within {} s", .limit.as_secs())]
    TooSlow { url: String, limit: Duration },
    #[error("{url} answered {status}")]
    Status { url: String, status: StatusCode },
    #[error("the answer of {url} is longer than {limit} bytes, or broke off")]
    Body { url: String, limit: usize },
}

/// Fetches documents.
#[derive(Clone, Debug)]
pub struct Fetch {
    client: Client<Connector, Empty<Bytes>>,
}

impl Fetch {
    /// Reads the system's certificates.
    #[must_use]
    pub fn new() -> Self {
        Self { client: Client::builder(TokioExecutor::new()).build(connector()) }
    }

    /// The body of a 200 answer with at most `most` bytes.
    pub async fn get(&self, url: &str, most: usize, limit: Duration) -> Result<Bytes, FetchError> {
        let owned = || url.to_owned();
        let request = Request::get(url)
            .header(header::ACCEPT, "application/json")
            .body(Empty::new())
            .map_err(|_| FetchError::Url(owned()))?;
        let fetched = async {
            let answer = self.client.request(request).await.map_err(|error| {
                FetchError::Unreachable { url: owned(), cause: innermost(&error) }
            })?;
            if answer.status() != StatusCode::OK {
                return Err(FetchError::Status { url: owned(), status: answer.status() });
            }
            let body = Limited::new(answer.into_body(), most).collect().await;
            Ok(body.map_err(|_| FetchError::Body { url: owned(), limit: most })?.to_bytes())
        };
        match tokio::time::timeout(limit, fetched).await {
            Ok(fetched) => fetched,
            Err(_) => Err(FetchError::TooSlow { url: owned(), limit }),
        }
    }
}

impl Default for Fetch {
    fn default() -> Self {
        Self::new()
    }
}

/// The cause that says what happened; those around it say who asked.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

pub(crate) fn connector() -> Connector {
    hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config(tls())
        .https_or_http()
        .enable_http1()
        .build()
}

/// The certificates of the system.
fn tls() -> rustls::ClientConfig {
    let provider = crate::certificates::provider();
    let mut roots = rustls::RootCertStore::empty();
    for certificate in rustls_native_certs::load_native_certs().certs {
        // A certificate that cannot be read is not trusted.
        let _added = roots.add(certificate);
    }
    let versions = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has every default version of TLS");
    versions.with_root_certificates(roots).with_no_client_auth()
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// A server that gives one answer, or none.
    async fn server(answer: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/x", listener.local_addr().expect("bound"));
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a client");
            let mut head = [0; 1024];
            let _length = stream.read(&mut head).await.expect("a request");
            if answer.is_empty() {
                return std::future::pending().await;
            }
            stream.write_all(answer.as_bytes()).await.expect("it reads");
        });
        url
    }

    #[tokio::test]
    async fn what_is_no_whole_short_answer_in_time_is_an_error() {
        let limit = Duration::from_millis(500);
        for (answer, says) in [
            ("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nbody", "body"),
            ("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\ntoo large", "longer than 8 bytes"),
            ("HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nless", "or broke off"),
            ("HTTP/1.1 302 Found\r\nlocation: http://x/\r\ncontent-length: 0\r\n\r\n", "302"),
            ("", "did not answer within"),
        ] {
            let url = server(answer).await;
            let said = match Fetch::new().get(&url, 8, limit).await {
                Ok(body) => String::from_utf8_lossy(&body).into_owned(),
                Err(error) => error.to_string(),
            };
            assert!(said.contains(says), "{said}");
        }
        let refused = Fetch::new().get("http://127.0.0.1:1/", 8, limit).await.expect_err("none");
        assert!(matches!(refused, FetchError::Unreachable { .. }), "{refused}");
        assert!(matches!(Fetch::new().get("x y", 8, limit).await, Err(FetchError::Url(_))));
    }
}
