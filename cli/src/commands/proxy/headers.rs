//! The headers of a request and of an answer on their way through. Pure.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::identity::SERVERLESS;
use crate::reach::FORWARDED_PROTO;

/// Headers of one connection, besides those that `Connection` names.
const OF_THE_CONNECTION: [HeaderName; 5] = [
    header::TRANSFER_ENCODING,
    header::TRAILER,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("http2-settings"),
];

/// How the headers of one proxy's requests change.
#[derive(Debug)]
pub(super) struct Rules {
    /// The Service's host, and its port where the URL names one.
    pub(super) authority: String,
    /// The Service's origin as its URL has it: scheme, host, port.
    pub(super) origin: String,
    /// The origins by which browsers know the proxy.
    pub(super) own_origins: Vec<String>,
    pub(super) https: bool,
    /// Sent where the request has none.
    pub(super) authorization: Option<HeaderValue>,
    /// The platform's own, where the Service asks its callers who they are; sent where the request has none.
    pub(super) serverless: Option<HeaderValue>,
}

impl Rules {
    /// Makes a client's headers those of a request to the Service.
    pub(super) fn request(&self, headers: &mut HeaderMap, upgrade: bool) {
        remove_those_of_the_connection(headers, upgrade);
        if let Ok(host) = HeaderValue::from_str(&self.authority) {
            headers.insert(header::HOST, host);
        }
        if self.https {
            let proto = HeaderName::from_static(FORWARDED_PROTO);
            headers.insert(proto, HeaderValue::from_static("https"));
        }
        if let Some(token) = &self.authorization {
            headers.entry(header::AUTHORIZATION).or_insert_with(|| token.clone());
        }
        if let Some(token) = &self.serverless {
            headers.entry(SERVERLESS).or_insert_with(|| token.clone());
        }
        // Servers of WebSockets compare it with the host.
        let own = headers.get(header::ORIGIN).and_then(|value| value.to_str().ok());
        if own.is_some_and(|origin| self.own_origins.iter().any(|o| o == origin))
            && let Ok(origin) = HeaderValue::from_str(&self.origin)
        {
            headers.insert(header::ORIGIN, origin);
        }
    }

    /// Makes the Service's headers those of an answer by the proxy: a redirection within the Service stays there.
    pub(super) fn answer(&self, headers: &mut HeaderMap, upgrade: bool) {
        remove_those_of_the_connection(headers, upgrade);
        let place = headers.get(header::LOCATION).and_then(|value| value.to_str().ok());
        let within = place.and_then(|place| place.strip_prefix(self.origin.as_str()));
        let path = within.and_then(|rest| match rest.chars().next() {
            None => Some("/".to_owned()),
            Some('/') => Some(rest.to_owned()),
            Some('?') => Some(format!("/{rest}")),
            Some(_) => None,
        });
        if let Some(Ok(path)) = path.map(|path| HeaderValue::from_str(&path)) {
            headers.insert(header::LOCATION, path);
        }
    }
}

/// Whether a request asks for another protocol on its connection.
pub(super) fn asks_for_upgrade(headers: &HeaderMap) -> bool {
    headers.contains_key(header::UPGRADE)
        && named_by_connection(headers).any(|name| name == header::UPGRADE)
}

fn named_by_connection(headers: &HeaderMap) -> impl Iterator<Item = HeaderName> {
    let values = headers.get_all(header::CONNECTION).iter();
    let lines = values.filter_map(|value| value.to_str().ok());
    let names = lines.flat_map(|line| line.split(','));
    names.filter_map(|name| name.trim().parse().ok())
}

fn remove_those_of_the_connection(headers: &mut HeaderMap, upgrade: bool) {
    let named: Vec<HeaderName> = named_by_connection(headers).collect();
    headers.remove(header::CONNECTION);
    for name in named.iter().chain(&OF_THE_CONNECTION) {
        if name != header::UPGRADE {
            headers.remove(name);
        }
    }
    if upgrade {
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    } else {
        headers.remove(header::UPGRADE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> Rules {
        Rules {
            authority: "shop.default.localhost:7080".to_owned(),
            origin: "http://shop.default.localhost:7080".to_owned(),
            own_origins: vec!["http://127.0.0.1:8080".to_owned()],
            https: true,
            authorization: Some(HeaderValue::from_static("Bearer t")),
            serverless: None,
        }
    }

    fn map(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        lines.iter().map(pair).collect()
    }

    #[test]
    fn a_request_is_one_to_the_service() {
        let mut headers = map(&[
            ("host", "127.0.0.1:8080"),
            ("origin", "http://127.0.0.1:8080"),
            ("connection", "keep-alive, x-own"),
            ("keep-alive", "5"),
            ("x-own", "1"),
            ("x-kept", "1"),
        ]);
        assert!(!asks_for_upgrade(&headers));
        rules().request(&mut headers, false);
        let expected = map(&[
            ("host", "shop.default.localhost:7080"),
            ("origin", "http://shop.default.localhost:7080"),
            ("x-kept", "1"),
            ("x-forwarded-proto", "https"),
            ("authorization", "Bearer t"),
        ]);
        assert_eq!(headers, expected);
    }

    #[test]
    fn what_the_client_says_of_itself_stays() {
        let mut headers = map(&[("authorization", "Basic u"), ("origin", "http://other.example")]);
        rules().request(&mut headers, false);
        assert_eq!(headers["authorization"], "Basic u");
        assert_eq!(headers["origin"], "http://other.example");
    }

    #[test]
    fn an_upgrade_keeps_its_two_headers() {
        let mut headers = map(&[("connection", "Upgrade, x-own"), ("upgrade", "websocket")]);
        assert!(asks_for_upgrade(&headers));
        rules().request(&mut headers, true);
        assert_eq!(
            (&headers["connection"], &headers["upgrade"]),
            (&"upgrade".parse().unwrap(), &"websocket".parse().unwrap())
        );
    }

    #[test]
    fn a_redirection_within_the_service_stays_at_the_proxy() {
        for (from, to) in [
            ("http://shop.default.localhost:7080/a?b", "/a?b"),
            ("http://shop.default.localhost:7080", "/"),
            ("http://shop.default.localhost:70801/a", "http://shop.default.localhost:70801/a"),
            ("https://accounts.example/a", "https://accounts.example/a"),
            ("/a", "/a"),
        ] {
            let mut headers = map(&[]);
            headers.insert("location", from.parse().unwrap());
            rules().answer(&mut headers, false);
            assert_eq!(headers["location"], to);
        }
    }
}
