//! Headers between client and pod: hop-by-hop ones are removed, forwarding ones are set.
//!
//! | header                      | to the pod                                            |
//! |-----------------------------|-------------------------------------------------------|
//! | Host                        | as sent, or as a DomainMapping rewrites it            |
//! | X-Forwarded-For             | the client's address is appended                      |
//! | X-Forwarded-Proto, -Host    | set if absent                                         |
//! | Forwarded                   | made from the three above if absent                   |
//! | K-Proxy-Request             | `activator`                                           |
//! | Knative-Serving-Revision, -Namespace, K-Original-Host | removed                     |
//! | hop by hop, and whatever Connection names | removed; `TE: trailers` and upgrades stay |
//! | Upgrade                     | without `h2c` and other versions of HTTP              |
//! | Cookie                      | the fields of HTTP/2 are joined into one              |
//!
//! Upstream: pkg/queue/forwarded_shim.go, pkg/activator/handler/handler.go.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::net::IpAddr;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Version, request, response, uri};

/// The revision that answered, on every answer.
pub(crate) const REVISION: HeaderName = HeaderName::from_static("rouse-revision");
/// How long a request waited and for what, on answers to requests that had to wait.
pub(crate) const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const PROXY_REQUEST: HeaderName = HeaderName::from_static("k-proxy-request");
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");
const INTERNAL: [HeaderName; 3] = [
    HeaderName::from_static("knative-serving-revision"),
    HeaderName::from_static("knative-serving-namespace"),
    HeaderName::from_static("k-original-host"),
];

/// The client of one connection, with the header values that its requests share.
#[derive(Debug)]
pub(crate) struct Client {
    /// Its address, as in X-Forwarded-For.
    address: HeaderValue,
    /// `http` or `https`.
    scheme: HeaderValue,
    /// The last host and the Forwarded value made for it: most connections ask for one host.
    last: RefCell<Option<(HeaderValue, HeaderValue)>>,
}

impl Client {
    pub(crate) fn new(ip: IpAddr, secure: bool) -> Self {
        let ip = ip.to_canonical().to_string();
        let address = HeaderValue::from_str(&ip).expect("an address is a header value");
        let scheme = HeaderValue::from_static(if secure { "https" } else { "http" });
        Self { address, scheme, last: RefCell::new(None) }
    }

    /// Forwarded for a request that came straight from this client.
    fn forwarded(&self, host: &HeaderValue) -> Option<HeaderValue> {
        if let Some((known, value)) = &*self.last.borrow()
            && known == host
        {
            return Some(value.clone());
        }
        let scheme = self.scheme.to_str().ok()?;
        let text = forwarded(self.address.to_str().ok()?, host.to_str().ok()?, scheme);
        let value = HeaderValue::from_str(&text).ok()?;
        *self.last.borrow_mut() = Some((host.clone(), value.clone()));
        Some(value)
    }
}

/// Which of the headers that are handled here are present: one pass over all headers, instead of a
/// dozen lookups that mostly find nothing.
#[derive(Clone, Copy, Debug, Default)]
struct Present {
    connection: bool,
    te: bool,
    upgrade: bool,
    transfer_encoding: bool,
    cookie: bool,
    /// Any of the other hop-by-hop ones.
    hop: bool,
    /// Any that only the platform may set.
    internal: bool,
    /// Any that says where the request came from.
    forwarded: bool,
}

impl Present {
    fn of(headers: &HeaderMap) -> Self {
        let mut present = Self::default();
        for name in headers.keys() {
            match name.as_str() {
                "connection" => present.connection = true,
                "te" => present.te = true,
                "upgrade" => present.upgrade = true,
                "transfer-encoding" => present.transfer_encoding = true,
                "cookie" => present.cookie = true,
                "keep-alive" | "proxy-connection" | "http2-settings" => present.hop = true,
                "knative-serving-revision" | "knative-serving-namespace" | "k-original-host" => {
                    present.internal = true;
                }
                "x-forwarded-for" | "x-forwarded-host" | "x-forwarded-proto" | "forwarded" => {
                    present.forwarded = true;
                }
                _ => {}
            }
        }
        present
    }
}

/// A head that cannot be passed on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HeadError {
    #[error("the request names no host; send a Host header")]
    NoHost,
    #[error("the request names more than one host")]
    TwoHosts,
    #[error("the only transfer coding that is passed on is chunked")]
    TransferCoding,
}

/// Rewrites the head of a client's request for the pod; true if it asks for an upgrade. `host` is
/// the one that the client sent.
pub(crate) fn outgoing(
    parts: &mut request::Parts,
    client: &Client,
    host: &HeaderValue,
) -> Result<bool, HeadError> {
    let headers = &mut parts.headers;
    let present = Present::of(headers);
    if present.transfer_encoding && !is_only_chunked(headers) {
        return Err(HeadError::TransferCoding);
    }
    // HTTP/1.0 knows no upgrade, and HTTP/2 no such header.
    let upgrade =
        present.upgrade && parts.version == Version::HTTP_11 && offers_other_protocol(headers);
    let trailers = present.te && headers.get(header::TE).is_some_and(names_trailers);
    remove_hop_by_hop(headers, present, upgrade);
    if trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
    if present.internal {
        for name in INTERNAL {
            headers.remove(name);
        }
    }
    if present.cookie && parts.version == Version::HTTP_2 {
        join_cookies(headers);
    }
    if present.forwarded {
        extend_forwarded(headers, client, host);
    } else {
        set_forwarded(headers, client, host);
    }
    headers.insert(PROXY_REQUEST, HeaderValue::from_static("activator"));
    Ok(upgrade)
}

/// Rewrites the head of a pod's answer for the client.
pub(crate) fn incoming(parts: &mut response::Parts) -> Result<(), HeadError> {
    let upgrade = parts.status == http::StatusCode::SWITCHING_PROTOCOLS;
    let present = Present::of(&parts.headers);
    if present.transfer_encoding {
        if !is_only_chunked(&parts.headers) {
            return Err(HeadError::TransferCoding);
        }
        // Chunked framing overrides a length, RFC 9112 section 6.3.
        parts.headers.remove(header::CONTENT_LENGTH);
    }
    remove_hop_by_hop(&mut parts.headers, present, upgrade);
    Ok(())
}

/// hyper decodes `chunked` alone; any other coding would stay in the body and lose its header.
fn is_only_chunked(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter().flat_map(tokens);
    codings.next().is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"))
        && codings.next().is_none()
}

/// Whether the client asks for a protocol that is not HTTP. Removes the versions of HTTP that it
/// offers: within such a connection it could send requests past the routing table.
fn offers_other_protocol(headers: &mut HeaderMap) -> bool {
    if !is_upgrade(headers) {
        return false;
    }
    let offers = headers.get_all(header::UPGRADE).iter().flat_map(tokens);
    let others: Vec<&str> = offers.filter(|offer| !is_http(offer)).collect();
    let Ok(others) = HeaderValue::from_str(&others.join(", ")) else { return false };
    if others.is_empty() {
        return false;
    }
    headers.insert(header::UPGRADE, others);
    true
}

fn is_http(protocol: &str) -> bool {
    let name = protocol.split('/').next().unwrap_or_default().trim();
    ["h2c", "h2", "http", "tls"].iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// Whether `answer` switches to a protocol that `offer`, a value of Upgrade, names.
pub(crate) fn switches_as_offered(answer: &HeaderMap, offer: &HeaderValue) -> bool {
    let mut chosen = answer.get_all(header::UPGRADE).iter().flat_map(tokens).peekable();
    chosen.peek().is_some()
        && chosen.all(|one| tokens(offer).any(|offered| offered.eq_ignore_ascii_case(one)))
}

/// HTTP/2 clients may send each cookie in a field of its own; elsewhere there is one field, RFC
/// 9113 section 8.2.3.
fn join_cookies(headers: &mut HeaderMap) {
    let crumbs: Vec<&[u8]> =
        headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if crumbs.len() > 1
        && let Ok(joined) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..]))
    {
        headers.insert(header::COOKIE, joined);
    }
}

/// Whether the client asks to switch to another protocol.
pub(crate) fn is_upgrade(headers: &HeaderMap) -> bool {
    headers.contains_key(header::UPGRADE)
        && headers
            .get_all(header::CONNECTION)
            .iter()
            .any(|value| tokens(value).any(|token| token.eq_ignore_ascii_case("upgrade")))
}

/// Sets the headers of a request that came straight from the client.
fn set_forwarded(headers: &mut HeaderMap, client: &Client, host: &HeaderValue) {
    headers.insert(FORWARDED_FOR, client.address.clone());
    headers.insert(FORWARDED_PROTO, client.scheme.clone());
    headers.insert(FORWARDED_HOST, host.clone());
    if let Some(value) = client.forwarded(host) {
        headers.insert(header::FORWARDED, value);
    }
}

/// Extends the headers of a request that another proxy forwarded.
fn extend_forwarded(headers: &mut HeaderMap, client: &Client, host: &HeaderValue) {
    let before = headers.get_all(FORWARDED_FOR).iter();
    let addresses: Vec<&[u8]> =
        before.chain([&client.address]).map(HeaderValue::as_bytes).collect();
    if let Ok(value) = HeaderValue::from_bytes(&addresses.join(&b", "[..])) {
        headers.insert(FORWARDED_FOR, value);
    }
    headers.entry(FORWARDED_PROTO).or_insert_with(|| client.scheme.clone());
    headers.entry(FORWARDED_HOST).or_insert_with(|| host.clone());
    if !headers.contains_key(header::FORWARDED)
        && let Some(value) = forwarded_from(headers)
    {
        headers.insert(header::FORWARDED, value);
    }
}

/// Forwarded, made from the three headers that came before it.
fn forwarded_from(headers: &HeaderMap) -> Option<HeaderValue> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let value = forwarded(text(FORWARDED_FOR), text(FORWARDED_HOST), text(FORWARDED_PROTO));
    HeaderValue::from_str(&value).ok()
}

/// `for=<first>;host=H;proto=P, for=<next>`, with quotes where RFC 7239 wants them.
fn forwarded(addresses: &str, host: &str, proto: &str) -> String {
    let mut text = String::with_capacity(64);
    for (index, address) in addresses.split(',').map(str::trim).enumerate() {
        if index > 0 {
            text.push_str(", ");
        }
        if address.contains(':') && !address.starts_with('[') {
            // An IPv6 address; always in brackets, and so always in quotes.
            let _ = write!(text, "for=\"[{address}]\"");
        } else {
            pair(&mut text, "for", address);
        }
        if index == 0 {
            text.push(';');
            pair(&mut text, "host", host);
            text.push(';');
            pair(&mut text, "proto", proto);
        }
    }
    text
}

fn pair(text: &mut String, name: &str, value: &str) {
    if !value.is_empty() && value.bytes().all(is_token) {
        let _ = write!(text, "{name}={value}");
    } else {
        let quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
        let _ = write!(text, "{name}=\"{quoted}\"");
    }
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn remove_hop_by_hop(headers: &mut HeaderMap, present: Present, upgrade: bool) {
    if present.connection {
        remove_named(headers);
        if upgrade {
            headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        } else {
            headers.remove(header::CONNECTION);
        }
    }
    if present.hop {
        for name in [KEEP_ALIVE, PROXY_CONNECTION, HTTP2_SETTINGS] {
            headers.remove(name);
        }
    }
    if present.transfer_encoding {
        headers.remove(header::TRANSFER_ENCODING);
    }
    if present.te {
        headers.remove(header::TE);
    }
    if present.upgrade && !upgrade {
        headers.remove(header::UPGRADE);
    }
}

/// Removes whatever Connection names. Nearly always it names nothing that is there.
fn remove_named(headers: &mut HeaderMap) {
    let mut named: Vec<HeaderName> = Vec::new();
    for value in headers.get_all(header::CONNECTION) {
        for token in tokens(value) {
            let special = ["close", "keep-alive", "upgrade", "te"];
            if special.iter().any(|word| token.eq_ignore_ascii_case(word)) {
                continue;
            }
            named.extend(HeaderName::from_bytes(token.as_bytes()).ok());
        }
    }
    for name in named {
        headers.remove(name);
    }
}

fn names_trailers(value: &HeaderValue) -> bool {
    tokens(value).any(|token| token.eq_ignore_ascii_case("trailers"))
}

fn tokens(value: &HeaderValue) -> impl Iterator<Item = &str> {
    value.to_str().unwrap_or_default().split(',').map(str::trim).filter(|token| !token.is_empty())
}

/// The host that a request asks for: of an absolute URI, else the Host header.
pub(crate) fn host(parts: &request::Parts) -> Result<&str, HeadError> {
    let mut named = parts.headers.get_all(header::HOST).iter();
    let first = named.next();
    if named.next().is_some() {
        return Err(HeadError::TwoHosts);
    }
    let Some(authority) = parts.uri.authority() else {
        return first.and_then(|value| value.to_str().ok()).ok_or(HeadError::NoHost);
    };
    let same =
        |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(authority.as_str().as_bytes());
    // In HTTP/1.1 the URI wins, in HTTP/2 the two may not differ.
    if parts.version == Version::HTTP_2 && first.is_some_and(|value| !same(value)) {
        return Err(HeadError::TwoHosts);
    }
    Ok(authority.as_str())
}

/// The path as HTTP/1.1 sends it.
pub(crate) fn origin_form(uri: &uri::Uri) -> uri::Uri {
    let path = uri.path_and_query().cloned();
    uri::Uri::from(path.unwrap_or_else(|| uri::PathAndQuery::from_static("/")))
}

#[cfg(test)]
mod tests;
