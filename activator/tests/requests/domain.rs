//! Custom domains, which a DomainMapping adds and removes.

use http::Request;
use http_body_util::Full;
use rouse_api::routing::{Host, Share};
use serde_json::Value;

use crate::harness::{
    Gate, REVISION, Spec, Stage, get, pod_at, read, routed, server, spawn, stage, text,
};

const DOMAIN: &str = "digits.example.org";
const OWN: &str = "hello.default.svc.cluster.local";

/// The domain, mapped to the stage's revision.
fn mapping() -> Value {
    let host = Host {
        public: vec![DOMAIN.to_owned()],
        split: vec![Share { revision: REVISION.to_owned(), percent: 100 }],
        rewrite_host: Some(OWN.to_owned()),
        ..Default::default()
    };
    routed("DomainMapping", DOMAIN, 4, host)
}

async fn mapped(stage: &Stage) {
    stage.api.put("domainmappings", mapping()).await;
    stage.handle.served_domain("default", DOMAIN, 4).await;
}

fn get_domain() -> Request<Full<bytes::Bytes>> {
    Request::get("/").header("host", DOMAIN).body(Full::default()).expect("a request")
}

#[tokio::test]
async fn a_pod_is_called_by_its_services_own_name_whatever_the_domain() {
    let address = server(|request| async move {
        let header = |name: &str| {
            let value = request.headers().get(name).map(|value| value.to_str().expect("text"));
            value.unwrap_or_default().to_owned()
        };
        text(format!("{} for {}", header("host"), header("x-forwarded-host")))
    })
    .await;
    let stage = stage(Spec::default()).await;
    stage.pod("a", pod_at(address)).await;
    mapped(&stage).await;
    let answer = stage.client().await.send(get_domain()).await.expect("an answer");
    assert_eq!(read(answer).await.1, format!("{OWN} for {DOMAIN}"));
}

#[tokio::test]
async fn a_domain_that_is_taken_away_finishes_what_it_began() {
    let gate = Gate::shut();
    let inside = gate.clone();
    let address = server(move |_| {
        let gate = inside.clone();
        async move {
            gate.pass().await;
            text("done")
        }
    })
    .await;
    let stage = stage(Spec::default()).await;
    stage.pod("a", pod_at(address)).await;
    mapped(&stage).await;
    let mut client = stage.client().await;
    let begun = spawn(async move { client.send(get_domain()).await });
    stage.until(|stats| stats.in_flight == 1).await;
    stage.api.delete("domainmappings", mapping()).await;
    stage.until(|stats| stats.hosts == 2).await;
    let late = stage.client().await.send(get_domain()).await.expect("an answer");
    assert_eq!(read(late).await.0, 404);
    gate.let_through(2);
    let begun = begun.await.expect("no panic").expect("an answer");
    assert_eq!(read(begun).await, (http::StatusCode::OK, "done".to_owned()));
    let own = stage.client().await.send(get("/")).await.expect("an answer");
    assert_eq!(read(own).await.0, 200, "its Route is still there");
}
