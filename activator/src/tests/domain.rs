//! Domains of the user's own, as a DomainMapping brings and takes them.

use http::Request;
use http_body_util::Full;
use rouse_api::routing::{Host, Routing, Share};

use super::harness::{Gate, REVISION, Stage, get, pod_at, read, server, stage, text};
use crate::control::change::Change;
use crate::state::keys::{RouteKey, RouteKind};
use crate::state::settings::Settings;

const DOMAIN: &str = "digits.example.org";
const OWN: &str = "hello.default.svc.cluster.local";

fn key() -> RouteKey {
    RouteKey {
        kind: RouteKind::DomainMapping,
        namespace: "default".to_owned(),
        name: DOMAIN.to_owned(),
    }
}

/// Maps the domain to the stage's revision.
async fn mapped(stage: &Stage) {
    let host = Host {
        public: vec![DOMAIN.to_owned()],
        split: vec![Share { revision: REVISION.to_owned(), percent: 100, ..Default::default() }],
        rewrite_host: Some(OWN.to_owned()),
        ..Default::default()
    };
    let routing = Routing { version: 4, hosts: vec![host] };
    stage.tell(Change::Route(key(), Some(routing))).await;
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
    let stage = stage(Settings::default()).await;
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
    let stage = stage(Settings::default()).await;
    stage.pod("a", pod_at(address)).await;
    mapped(&stage).await;
    let mut client = stage.client().await;
    let begun = tokio::spawn(async move { client.send(get_domain()).await });
    stage.until(|stats| stats.in_flight == 1).await;
    stage.tell(Change::Route(key(), None)).await;
    stage.until(|stats| stats.hosts == 2).await;
    let late = stage.client().await.send(get_domain()).await.expect("an answer");
    assert_eq!(read(late).await.0, 404);
    gate.let_through(2);
    let begun = begun.await.expect("no panic").expect("an answer");
    assert_eq!(read(begun).await, (http::StatusCode::OK, "done".to_owned()));
    let own = stage.client().await.send(get("/")).await.expect("an answer");
    assert_eq!(read(own).await.0, 200, "its Route is still there");
}
