//! Lines of the request log.

use super::*;
use http::Request;
use rouse_api::config::observability::DEFAULT_REQUEST_LOG_TEMPLATE;

fn log(template: &str, probes: bool) -> (RequestLog, mpsc::Receiver<String>) {
    let (log, lines) = RequestLog::new();
    let template = Template::parse(template).expect("a template");
    log.set(Some(Format { template, probes }));
    (log, lines)
}

fn parts(headers: &[(&str, &str)]) -> request::Parts {
    let mut request = Request::post("/predict?n=3");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).expect("a request").into_parts().0
}

const HOST: HeaderValue = HeaderValue::from_static("hello.example.com");

fn line(template: &str, headers: &[(&str, &str)], outcome: &Outcome<'_>) -> String {
    let (log, _lines) = log(template, false);
    let remote = ([10, 0, 0, 7], 4711).into();
    log.begin(&parts(headers), &HOST, remote).expect("it is on").render(outcome)
}

#[test]
fn the_default_line_is_knatives() {
    let headers = [
        ("content-length", "6"),
        ("user-agent", "curl/8 \"q\""),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"),
    ];
    let outcome = Outcome {
        code: 200,
        size: 42,
        took: Duration::from_micros(1500),
        pod: Some(("p", ([10, 1, 1, 1], 8080).into())),
        ..Outcome::default()
    };
    assert_eq!(
        line(DEFAULT_REQUEST_LOG_TEMPLATE, &headers, &outcome),
        concat!(
            r#"{"httpRequest": {"requestMethod": "POST", "requestUrl": "/predict?n\u003D3", "#,
            r#""requestSize": "6", "status": 200, "responseSize": "42", "#,
            r#""userAgent": "curl/8 \"q\"", "remoteIp": "10.0.0.7:4711", "#,
            r#""serverIp": "10.1.1.1", "referer": "", "latency": "0.0015s", "#,
            r#""protocol": "HTTP/1.1"}, "traceId": "0af7651916cd43dd8448eb211c80319c"}"#,
            "\n"
        )
    );
}

#[test]
fn every_field_has_its_value() {
    let all = "{{.Request.URL.Path}} {{.Request.Host}} {{.Request.Header.Get \"X-B\"}} \
               {{.Request.Header.Get \"x-a\"}} {{.Revision.Name}} {{.Revision.Namespace}} \
               {{.Revision.Service}} {{.Revision.Configuration}} {{.Revision.PodName}} \
               {{.Request.ContentLength}} {{.TraceID}} {{.Response.Latency}}";
    let headers = [("x-a", "a"), ("x-b", "b"), ("transfer-encoding", "chunked")];
    let outcome = Outcome {
        namespace: "default",
        name: "hello-00001",
        service: "hello",
        configuration: "config",
        took: Duration::from_micros(15),
        trace_id: Some("trace".to_owned()),
        ..Outcome::default()
    };
    assert_eq!(
        line(all, &headers, &outcome),
        "/predict hello.example.com b a hello-00001 default hello config  -1 trace 1.5e-05\n"
    );
}

#[test]
fn a_request_without_a_body_has_no_length_and_a_stated_length_is_told() {
    for (headers, length) in [
        (&[][..], "0\n"),
        (&[("content-length", "6")], "6\n"),
        (&[("transfer-encoding", "chunked")], "-1\n"),
    ] {
        let seen = line("{{.Request.ContentLength}}", headers, &Outcome::default());
        assert_eq!(seen, length, "{headers:?}");
    }
}

#[test]
fn a_version_is_named_as_go_does() {
    let (log, _lines) = log("{{.Request.Proto}}", false);
    for (version, name) in [
        (Version::HTTP_10, "HTTP/1.0\n"),
        (Version::HTTP_11, "HTTP/1.1\n"),
        (Version::HTTP_2, "HTTP/2.0\n"),
    ] {
        let mut parts = parts(&[]);
        parts.version = version;
        let line = log.begin(&parts, &HOST, ([10, 0, 0, 7], 4711).into()).expect("it is on");
        assert_eq!(line.render(&Outcome::default()), name);
    }
}

#[test]
fn probes_are_logged_only_if_asked_for() {
    let remote = ([10, 0, 0, 7], 4711).into();
    let logged = |log: &RequestLog, headers: &[(&str, &str)]| {
        log.begin(&parts(headers), &HOST, remote).is_some()
    };
    let (quiet, _lines) = log("x", false);
    assert!(logged(&quiet, &[]));
    assert!(!logged(&quiet, &[("user-agent", "kube-probe/1.35")]));
    assert!(!logged(&quiet, &[("k-network-probe", "queue")]));
    assert!(logged(&log("x", true).0, &[("user-agent", "kube-probe/1.35")]));
    quiet.set(None);
    assert!(!logged(&quiet, &[]), "off");
}

#[test]
fn lines_that_nobody_takes_are_dropped_and_counted() {
    let (log, mut lines) = log("x", false);
    for _ in 0..LINES + 3 {
        log.write("x\n".to_owned());
    }
    assert_eq!(log.dropped(), 3);
    assert_eq!(lines.try_recv().as_deref(), Ok("x\n"));
}
