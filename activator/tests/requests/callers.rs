//! Hosts that ask who calls: refused requests take no slot, join no queue and wake nothing.

use http::{Request, StatusCode};
use http_body_util::Full;
use rouse_api::routing::{Callers, Host, Invokers};
use tokio::time::timeout;

use crate::harness::{
    HOST, REVISION, SOON, Spec, Stage, pod_at, read, routed, server, spawn, split_host, stage, text,
};

/// The SHA-256 of `secret`.
const KEY: &str = "key:ci=sha256:2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";

fn closed(members: &[&str], issuers: &[String]) -> Host {
    let members = members.iter().map(|text| (*text).to_owned()).collect();
    let invokers = Invokers { members, issuers: issuers.to_vec(), ..Default::default() };
    let callers = Callers { networks: None, invokers: Some(invokers) };
    Host { callers: Some(callers), ..split_host(&[(REVISION, 100)]) }
}

/// An activator with one closed host and no pods.
async fn closed_stage(host: Host) -> Stage {
    let stage = stage(Spec::default()).await;
    stage.api.put("routes", routed("Route", "hello", 9, host)).await;
    timeout(SOON, stage.handle.served("default", "hello", 9)).await.expect("served in time");
    stage
}

fn get_with(headers: &[(&str, &str)]) -> Request<Full<bytes::Bytes>> {
    let request = Request::get("/").header("host", HOST);
    let all = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    all.body(Full::default()).expect("a request")
}

async fn refused(stage: &Stage, headers: &[(&str, &str)], status: u16, reason: &str) -> String {
    let answer = stage.client().await.send(get_with(headers)).await.expect("an answer");
    assert!(!answer.headers().contains_key("rouse-revision"), "strangers learn nothing");
    let challenge = answer.headers().get("www-authenticate").cloned();
    let challenge = challenge.map(|value| value.to_str().expect("text").to_owned());
    let (is, body) = read(answer).await;
    assert_eq!(is.as_u16(), status, "{body}");
    assert!(body.contains(&format!("\"reason\":\"{reason}\"")), "{body}");
    assert!(!body.contains(REVISION), "{body}");
    challenge.unwrap_or_default()
}

#[tokio::test]
async fn a_refused_request_wakes_nothing() {
    let mut stage = closed_stage(closed(&[KEY], &[])).await;
    assert_eq!(refused(&stage, &[], 403, "NoCredentials").await, "Bearer");
    let challenge = refused(&stage, &[("x-api-key", "guess")], 401, "UnknownApiKey").await;
    assert!(challenge.starts_with("Bearer error=\"invalid_token\""), "{challenge}");
    let twice = [("authorization", "Bearer secret"), ("authorization", "Bearer secret")];
    refused(&stage, &twice, 401, "TwoCredentials").await;

    // An invited one is held, and is the only arrival that the autoscaler hears of.
    let mut client = stage.client().await;
    let invited = get_with(&[("x-api-key", "secret"), ("authorization", "Basic YTpi")]);
    let waiting = spawn(async move { client.send(invited).await.expect("an answer") });
    let report = timeout(SOON, stage.load.recv()).await.expect("in time").expect("a report");
    let load = &report.revisions[0];
    assert_eq!((load.queued, load.arrivals), (1, 1));
    let seen = server(|request| async move {
        let header = |name: &str| {
            let value = request.headers().get(name).map(|value| value.to_str().expect("text"));
            value.unwrap_or("none").to_owned()
        };
        text(format!("{}, {}", header("x-api-key"), header("authorization")))
    });
    stage.pod("p", pod_at(seen.await)).await;
    let answer = timeout(SOON, waiting).await.expect("in time").expect("no panic");
    assert_eq!(read(answer).await, (StatusCode::OK, "none, Basic YTpi".to_owned()));
}

#[tokio::test]
async fn an_issuer_that_cannot_be_reached_is_a_plain_503_and_wakes_nothing() {
    use base64::Engine as _;
    // A port at which nobody listens.
    let port = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let issuer = format!("http://{}", port.local_addr().expect("bound"));
    drop(port);
    let stage = closed_stage(closed(&["subject:42"], std::slice::from_ref(&issuer))).await;
    let part = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
    let claims = part(&format!("{{\"iss\":\"{issuer}\",\"exp\":99999999999}}"));
    let token = format!("Bearer {}.{claims}.c2ln", part("{\"alg\":\"ES256\",\"kid\":\"a\"}"));
    for _ in 0..6 {
        let challenge =
            refused(&stage, &[("authorization", &token)], 503, "IssuerUnreachable").await;
        assert_eq!(challenge, "");
    }
    let stats = stage.handle.stats();
    assert_eq!((stats.queued, stats.in_flight), (0, 0));
}
