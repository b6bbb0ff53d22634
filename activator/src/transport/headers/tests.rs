//! Headers between client and pod.

use super::*;
use http::Request;
use proptest::prelude::*;

fn pass(sent: &[(&str, &str)]) -> Vec<String> {
    let mut request = Request::get("/").body(()).expect("a request");
    for (name, value) in sent {
        let name: HeaderName = name.parse().expect("a name");
        request.headers_mut().append(name, value.parse().expect("a value"));
    }
    let (mut parts, ()) = request.into_parts();
    let client = Client::new([10, 0, 0, 7].into());
    let host = HeaderValue::from_static("a.localhost:7080");
    outgoing(&mut parts, &client, &host).expect("it can be passed on");
    let mut lines: Vec<_> = parts
        .headers
        .iter()
        .map(|(name, value)| format!("{name}: {}", value.to_str().expect("text")))
        .collect();
    lines.sort();
    lines
}

#[test]
fn a_straight_request_is_told_where_it_came_from() {
    assert_eq!(
        pass(&[]),
        [
            "forwarded: for=10.0.0.7;host=\"a.localhost:7080\";proto=http",
            "k-proxy-request: activator",
            "x-forwarded-for: 10.0.0.7",
            "x-forwarded-host: a.localhost:7080",
            "x-forwarded-proto: http",
        ]
    );
}

#[test]
fn what_proxies_before_us_wrote_is_kept_and_continued() {
    let seen = pass(&[
        ("x-forwarded-for", "1.2.3.4, 2001:db8::1"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "shop.example.com"),
    ]);
    assert_eq!(
        seen[0],
        "forwarded: for=1.2.3.4;host=shop.example.com;proto=https, for=\"[2001:db8::1]\", \
         for=10.0.0.7"
    );
    assert_eq!(seen[2], "x-forwarded-for: 1.2.3.4, 2001:db8::1, 10.0.0.7");
    assert_eq!(pass(&[("forwarded", "for=me")])[0], "forwarded: for=me");
}

#[test]
fn hop_by_hop_headers_and_what_connection_names_stay_behind() {
    let seen = pass(&[
        ("connection", "keep-alive, X-Secret"),
        ("x-secret", "1"),
        ("keep-alive", "timeout=5"),
        ("te", "gzip, trailers"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "h2c"),
        ("knative-serving-revision", "other"),
        ("x-kept", "2"),
    ]);
    let names: Vec<_> = seen.iter().filter_map(|line| line.split(':').next()).collect();
    assert_eq!(
        names,
        [
            "forwarded",
            "k-proxy-request",
            "te",
            "x-forwarded-for",
            "x-forwarded-host",
            "x-forwarded-proto",
            "x-kept"
        ]
    );
    assert!(seen.contains(&"te: trailers".to_owned()));
}

#[test]
fn an_upgrade_keeps_the_two_headers_that_ask_for_it() {
    let seen = pass(&[("connection", "keep-alive, Upgrade"), ("upgrade", "websocket")]);
    assert!(seen.contains(&"connection: Upgrade".to_owned()));
    assert!(seen.contains(&"upgrade: websocket".to_owned()));
}

#[test]
fn an_upgrade_is_never_one_to_http() {
    for (offer, kept) in [
        ("h2c", None),
        ("H2C, HTTP/2.0", None),
        ("TLS/1.0, HTTP/1.1", None),
        ("websocket, h2c", Some("upgrade: websocket")),
        ("", None),
    ] {
        let seen = pass(&[("connection", "upgrade"), ("upgrade", offer)]);
        let upgrade = seen.iter().find(|line| line.starts_with("upgrade:"));
        assert_eq!(upgrade.map(String::as_str), kept, "{offer}");
        assert_eq!(seen.iter().any(|line| line.starts_with("connection:")), kept.is_some());
    }
}

/// Values of headers that matter here, and others.
fn values() -> impl Strategy<Value = Vec<(&'static str, Vec<u8>)>> {
    let names = [
        "connection",
        "upgrade",
        "te",
        "transfer-encoding",
        "keep-alive",
        "cookie",
        "forwarded",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "http2-settings",
        "host",
        "knative-serving-revision",
        "content-length",
        "x-other",
    ];
    let words = prop::sample::select(vec![
        "chunked",
        "upgrade",
        "h2c",
        "websocket",
        "close",
        "x-other",
        "trailers",
        ",",
        ";",
        "\"",
        "gzip",
        " ",
        "::1",
        "a=b",
    ]);
    let text = prop::collection::vec(words, 0..5).prop_map(|words| words.concat().into_bytes());
    let value = prop_oneof![text, prop::collection::vec(any::<u8>(), 0..20)];
    prop::collection::vec((prop::sample::select(names.to_vec()), value), 0..12)
}

proptest! {
    #[test]
    fn whatever_is_sent_a_pod_sees_no_header_of_the_connection(
        sent in values(),
        http2 in any::<bool>(),
    ) {
        let mut request = Request::get("/").body(()).expect("a request");
        if http2 {
            *request.version_mut() = Version::HTTP_2;
        }
        for (name, value) in sent {
            // What is no value at all, hyper refuses.
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                request.headers_mut().append(name, value);
            }
        }
        let (mut parts, ()) = request.into_parts();
        let _ = host(&parts);
        let client = Client::new([10, 0, 0, 7].into());
        let host = HeaderValue::from_static("a.localhost");
        if let Ok(upgrade) = outgoing(&mut parts, &client, &host) {
            let headers = &parts.headers;
            for name in ["transfer-encoding", "keep-alive", "http2-settings", "knative-serving-revision"] {
                prop_assert!(!headers.contains_key(name), "{name}: {headers:?}");
            }
            prop_assert_eq!(headers.contains_key("upgrade"), upgrade);
            prop_assert_eq!(headers.contains_key("connection"), upgrade);
            prop_assert!(!(upgrade && http2));
            let offers: Vec<_> = headers.get_all("upgrade").iter().flat_map(tokens).collect();
            prop_assert_eq!(!offers.is_empty(), upgrade);
            prop_assert!(!offers.into_iter().any(is_http), "{headers:?}");
            prop_assert!(!http2 || headers.get_all("cookie").iter().count() <= 1);
            prop_assert!(headers.contains_key("x-forwarded-for"));
        }
    }
}
