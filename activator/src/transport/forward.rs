//! One request to one pod: over a kept connection if there is one, else a new one.
//!
//! A request is sent again only if none of it was written, or if a reused connection closed before
//! any byte of an answer and the request can be repeated: an idempotent method and no body.

use std::io;
use std::rc::Rc;
use std::sync::Arc;

use http::{HeaderValue, Method, Request, Response, Version, header, uri};
use hyper::body::Incoming;
use rouse_kit::files;

use crate::state::pod::Pod;
use crate::state::settings::Protocol;
use crate::transport::describe::describe;
use crate::transport::headers;
use crate::transport::pool::{Conn, Pool};
use crate::transport::request_body::Outgoing;

/// The connection that carried an answer, to be given back at its end.
#[derive(Debug)]
pub(crate) enum Carrier {
    Http1 {
        pool: Rc<Pool>,
        conn: Conn,
    },
    /// An h2c connection stays with the pool; only the stream ends.
    Shared,
}

impl Carrier {
    pub(crate) fn give_back(self, pod: &Arc<Pod>) {
        match self {
            Self::Http1 { pool, conn } => pool.put(pod, conn),
            Self::Shared => {}
        }
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Failed {
    /// None of the request was written, so it can go to any pod.
    Unreachable { request: Box<Request<Outgoing>>, cause: String },
    /// The pod may have acted on it.
    Broken { cause: String },
    /// No file descriptor is left for a connection; the pod is not to blame.
    OutOfFiles,
    /// The client's body ended too early or is malformed.
    Client { cause: String },
}

/// Sends `request`, whose URI is in origin form, and waits for the head of the answer. Sets
/// `resent` if it had to be sent a second time, because a kept connection had closed.
pub(crate) async fn send(
    pool: &Rc<Pool>,
    pod: &Arc<Pod>,
    protocol: Protocol,
    request: Request<Outgoing>,
    resent: &mut bool,
) -> Result<(Response<Incoming>, Carrier), Failed> {
    let upload = request.body().failure();
    let answer = match protocol {
        // Only HTTP/1.1 has upgrades.
        Protocol::H2c if !headers::is_upgrade(request.headers()) => {
            Box::pin(h2c(pool, pod, request, resent)).await
        }
        Protocol::H2c | Protocol::Http1 => http1(pool, pod, request, resent).await,
    };
    answer.map_err(|failed| match (failed, upload.and_then(|upload| upload.take())) {
        (Failed::Broken { .. }, Some(cause)) => Failed::Client { cause },
        (failed, _) => failed,
    })
}

async fn http1(
    pool: &Rc<Pool>,
    pod: &Arc<Pod>,
    mut request: Request<Outgoing>,
    resent: &mut bool,
) -> Result<(Response<Incoming>, Carrier), Failed> {
    if !request.body().is_empty() {
        frame(&mut request);
    }
    let repeatable = is_repeatable(request.method(), request.body());
    if let Some(conn) = pool.take(pod, repeatable) {
        let spare = repeatable.then(|| copy(&request));
        match exchange(pool, conn, request).await {
            Ok(answer) => return Ok(answer),
            Err(lost) => {
                let unsent = lost.unsent.map(|request| *request);
                match unsent.or_else(|| spare.filter(|_| !lost.answered)) {
                    Some(again) => {
                        *resent = true;
                        request = again;
                    }
                    None => return Err(Failed::Broken { cause: lost.cause }),
                }
            }
        }
    }
    // Boxed: it is rare with kept connections, and would enlarge the future of every request.
    let conn = match Box::pin(pool.connect(pod)).await {
        Ok(conn) => conn,
        Err(error) => return Err(unreachable(request, &error)),
    };
    exchange(pool, conn, request).await.map_err(|lost| match lost.unsent {
        Some(request) => Failed::Unreachable { request, cause: lost.cause },
        None => Failed::Broken { cause: lost.cause },
    })
}

/// hyper sends a GET or HEAD without a length as if it had no body, unless told that it is chunked.
fn frame(request: &mut Request<Outgoing>) {
    let unstated = !request.headers().contains_key(header::CONTENT_LENGTH);
    if unstated && matches!(*request.method(), Method::GET | Method::HEAD) {
        let chunked = HeaderValue::from_static("chunked");
        request.headers_mut().insert(header::TRANSFER_ENCODING, chunked);
    }
}

/// A request that got no answer on one connection.
struct Lost {
    /// The request itself, if none of it was written.
    unsent: Option<Box<Request<Outgoing>>>,
    /// Whether a part of an answer came.
    answered: bool,
    cause: String,
}

async fn exchange(
    pool: &Rc<Pool>,
    mut conn: Conn,
    request: Request<Outgoing>,
) -> Result<(Response<Incoming>, Carrier), Lost> {
    conn.traffic.begin();
    match conn.sender.try_send_request(request).await {
        Ok(response) => Ok((response, Carrier::Http1 { pool: Rc::clone(pool), conn })),
        Err(mut error) => {
            let unsent = error.take_message().map(Box::new);
            let cause = describe(&error.into_error());
            Err(Lost { unsent, answered: conn.traffic.answered(), cause })
        }
    }
}

async fn h2c(
    pool: &Rc<Pool>,
    pod: &Arc<Pod>,
    request: Request<Outgoing>,
    resent: &mut bool,
) -> Result<(Response<Incoming>, Carrier), Failed> {
    let mut request = with_authority(request);
    // The shared connection may close between two requests; then one new one is made.
    for last in [false, true] {
        *resent |= last;
        let mut sender = match pool.share(pod).await {
            Ok(sender) => sender,
            Err(error) => return Err(unreachable(request, &error)),
        };
        if let Err(error) = sender.ready().await {
            if last {
                return Err(Failed::Unreachable {
                    request: Box::new(request),
                    cause: describe(&error),
                });
            }
            continue;
        }
        match sender.try_send_request(request).await {
            Ok(response) => return Ok((response, Carrier::Shared)),
            Err(mut error) => match error.take_message() {
                Some(unsent) if !last => request = unsent,
                Some(unsent) => {
                    let cause = describe(&error.into_error());
                    return Err(Failed::Unreachable { request: Box::new(unsent), cause });
                }
                None => return Err(Failed::Broken { cause: describe(&error.into_error()) }),
            },
        }
    }
    Err(unreachable(request, &io::Error::other("the connection closed twice")))
}

/// HTTP/2 names the host in `:authority` and not in a header.
fn with_authority(request: Request<Outgoing>) -> Request<Outgoing> {
    let (mut parts, body) = request.into_parts();
    let host = parts.headers.remove(header::HOST);
    let authority = host.as_ref().map(HeaderValue::as_bytes).unwrap_or_default();
    let mut address = uri::Parts::default();
    address.scheme = Some(uri::Scheme::HTTP);
    address.authority = uri::Authority::try_from(authority).ok();
    address.path_and_query = parts.uri.path_and_query().cloned();
    if let Ok(address) = uri::Uri::from_parts(address) {
        parts.uri = address;
    }
    parts.version = Version::HTTP_2;
    Request::from_parts(parts, body)
}

fn unreachable(request: Request<Outgoing>, error: &io::Error) -> Failed {
    if files::is_exhausted(error) {
        return Failed::OutOfFiles;
    }
    Failed::Unreachable { request: Box::new(request), cause: error.to_string() }
}

/// Whether sending it twice has the effect of sending it once.
fn is_repeatable(method: &Method, body: &Outgoing) -> bool {
    method.is_idempotent() && body.is_empty()
}

/// The same request once more; it has no body.
fn copy(request: &Request<Outgoing>) -> Request<Outgoing> {
    let mut again = Request::new(Outgoing::empty());
    *again.method_mut() = request.method().clone();
    *again.uri_mut() = request.uri().clone();
    *again.version_mut() = request.version();
    *again.headers_mut() = request.headers().clone();
    again
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_idempotent_requests_are_repeatable() {
        let repeatable: Vec<_> = ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "POST", "PATCH"]
            .into_iter()
            .filter(|name| is_repeatable(&name.parse().expect("a method"), &Outgoing::empty()))
            .collect();
        assert_eq!(repeatable, ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"]);
    }
}
