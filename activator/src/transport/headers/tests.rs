//! Headers between client and pod.

use super::*;
use http::Request;

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
