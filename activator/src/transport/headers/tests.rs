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
    let client = Client::new([10, 0, 0, 7].into(), false);
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
fn only_trailers_are_left_of_te_and_only_http2_splits_cookies() {
    assert!(!pass(&[("te", "gzip")]).iter().any(|line| line.starts_with("te:")));
    let cookies = pass(&[("cookie", "a=1"), ("cookie", "b=2")]);
    assert_eq!(cookies[..2], ["cookie: a=1", "cookie: b=2"]);
}

#[test]
fn the_cookies_of_http2_are_one_field() {
    for (sent, joined) in [(&["a=1", "b=2"][..], "a=1; b=2"), (&["a=1"], "a=1")] {
        let mut request = Request::get("/").version(Version::HTTP_2);
        for cookie in sent {
            request = request.header("cookie", *cookie);
        }
        let (mut parts, ()) = request.body(()).expect("a request").into_parts();
        let client = Client::new([10, 0, 0, 7].into(), false);
        let host = HeaderValue::from_static("a.localhost");
        outgoing(&mut parts, &client, &host).expect("it can be passed on");
        let seen: Vec<_> = parts.headers.get_all("cookie").iter().collect();
        assert_eq!(seen, [joined]);
    }
}

#[test]
fn each_host_that_a_client_asks_for_is_the_one_that_a_pod_is_told() {
    let client = Client::new([10, 0, 0, 7].into(), false);
    for name in ["a.localhost", "a.localhost", "b.localhost", "a.localhost"] {
        let (mut parts, ()) = Request::get("/").body(()).expect("a request").into_parts();
        let host = HeaderValue::from_static(name);
        outgoing(&mut parts, &client, &host).expect("it can be passed on");
        let forwarded = parts.headers.get("forwarded").expect("it is set");
        assert_eq!(forwarded, &format!("for=10.0.0.7;host={name};proto=http"));
    }
}

#[test]
fn only_http1_1_knows_upgrades() {
    for (version, known) in
        [(Version::HTTP_10, false), (Version::HTTP_11, true), (Version::HTTP_2, false)]
    {
        let request = Request::get("/").version(version);
        let request = request.header("connection", "upgrade").header("upgrade", "websocket");
        let (mut parts, ()) = request.body(()).expect("a request").into_parts();
        let client = Client::new([10, 0, 0, 7].into(), false);
        let host = HeaderValue::from_static("a.localhost");
        let upgrade = outgoing(&mut parts, &client, &host).expect("it can be passed on");
        assert_eq!(upgrade, known, "{version:?}");
    }
}

/// The headers of an answer that is passed on.
fn answer(status: u16, sent: &[(&'static str, &str)]) -> Result<Vec<String>, HeadError> {
    let mut answer = http::Response::builder().status(status);
    for (name, value) in sent {
        answer = answer.header(*name, *value);
    }
    let (mut parts, ()) = answer.body(()).expect("an answer").into_parts();
    incoming(&mut parts)?;
    Ok(parts.headers.keys().map(|name| name.as_str().to_owned()).collect())
}

#[test]
fn an_answer_keeps_no_header_of_the_pods_connection() {
    let sent = [("connection", "keep-alive, x-hop"), ("keep-alive", "timeout=5"), ("x-hop", "1")];
    assert_eq!(answer(200, &[&sent[..], &[("x-kept", "2")]].concat()).expect("whole"), ["x-kept"]);
    let switch = [("connection", "upgrade"), ("upgrade", "websocket")];
    assert_eq!(answer(101, &switch).expect("whole"), ["connection", "upgrade"]);
    assert_eq!(answer(200, &switch).expect("whole"), [""; 0]);
    // With chunks, a length is wrong.
    let chunked = [("transfer-encoding", "chunked"), ("content-length", "3")];
    assert_eq!(answer(200, &chunked).expect("whole"), [""; 0]);
    for coding in ["gzip, chunked", "chunked, gzip", "gzip"] {
        answer(200, &[("transfer-encoding", coding)]).expect_err(coding);
    }
}

#[test]
fn a_pod_may_switch_only_to_what_was_offered() {
    for (offer, chosen, may) in [
        ("websocket", Some("websocket"), true),
        ("a, WebSocket", Some("websocket"), true),
        ("websocket", Some("websocket, other"), false),
        ("websocket", Some("other"), false),
        ("websocket", Some(""), false),
        ("websocket", None, false),
    ] {
        let mut answer = HeaderMap::new();
        if let Some(chosen) = chosen {
            answer.insert(header::UPGRADE, HeaderValue::from_static(chosen));
        }
        let offer = HeaderValue::from_static(offer);
        assert_eq!(switches_as_offered(&answer, &offer), may, "{offer:?} {chosen:?}");
    }
}

#[test]
fn a_request_asks_for_one_host() {
    let asked = |uri: &str, version: Version, sent: &[&str]| {
        let mut request = Request::get(uri).version(version);
        for host in sent {
            request = request.header("host", *host);
        }
        let (parts, ()) = request.body(()).expect("a request").into_parts();
        host(&parts).map(str::to_owned).map_err(|error| matches!(error, HeadError::TwoHosts))
    };
    let (none, two) = (Err(false), Err(true));
    let named = |name: &str| Ok(name.to_owned());
    for (uri, version, sent, want) in [
        ("/", Version::HTTP_11, &["a:80"][..], named("a:80")),
        ("/", Version::HTTP_11, &[], none.clone()),
        ("/", Version::HTTP_11, &["\u{e9}"], none),
        ("/", Version::HTTP_11, &["a", "a"], two.clone()),
        ("http://b/", Version::HTTP_11, &[], named("b")),
        ("http://b/", Version::HTTP_11, &["a"], named("b")),
        ("http://b/", Version::HTTP_2, &["B"], named("b")),
        ("http://b/", Version::HTTP_2, &["a"], two),
    ] {
        assert_eq!(asked(uri, version, sent), want, "{uri} {version:?} {sent:?}");
    }
}

#[test]
fn a_pod_is_sent_the_path_alone() {
    for (uri, path) in
        [("http://a/p?q=1", "/p?q=1"), ("/p", "/p"), ("http://a", "/"), ("a:80", "/")]
    {
        assert_eq!(origin_form(&uri.parse().expect("an address")), path);
    }
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
            // hyper refuses malformed values before this code sees them.
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                request.headers_mut().append(name, value);
            }
        }
        let (mut parts, ()) = request.into_parts();
        let _ = host(&parts);
        let client = Client::new([10, 0, 0, 7].into(), false);
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
