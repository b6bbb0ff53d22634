//! Claims on domains, and the routing of their requests.

use std::sync::Arc;

use rouse_api::config::ApiConfig;
use rouse_api::domainmapping::SecretTls;
use rouse_api::routing::{Callers, Host, HttpOption, Invokers};
use rouse_api::{ClusterDomainClaim, DomainMapping, DomainMappingStatus, Route};
use rouse_kit::Plan;
use rouse_kit::certificates::CertificateError;
use rouse_kit::plan::Action;

use super::DomainMappings;
use super::certificate::Certificate;
use super::desired::{Observed, Target, desired};
use crate::lookups::served::Serving;
use crate::objects::gateway::{Gateway, Https};
use crate::reconciler::Reconciler;
use crate::testing::{now, object, refusal, told};

fn mapping() -> DomainMapping {
    object(
        r#"
metadata: {name: digits.example.org, namespace: shop, generation: 1}
spec: {ref: {apiVersion: serving.knative.dev/v1, kind: Route, name: hello}}
"#,
    )
}

fn route() -> Target {
    let route: Route = object(
        r#"
metadata: {name: hello, namespace: shop}
spec: {}
status:
  routing:
    version: 7
    hosts:
    - {tag: next, public: [next-hello.shop.localhost], split: [{revision: hello-2, percent: 100}]}
    - {public: [hello.shop.localhost], split: [{revision: hello-1, percent: 100}]}
"#,
    );
    Target::Route(Arc::new(route))
}

fn claim(namespace: &str, annotations: &str) -> Option<Arc<ClusterDomainClaim>> {
    Some(Arc::new(object(&format!(
        "{{metadata: {{name: digits.example.org, annotations: {{{annotations}}}}}, spec: {{namespace: {namespace}}}}}"
    ))))
}

const MADE_HERE: &str = "rouse.dev/autocreated: 'true'";

/// The namespace has claimed the domain, and the Route exists.
fn seen() -> Observed {
    Observed {
        claim: claim("shop", ""),
        held: true,
        target: route(),
        certificate: None,
        gateway: Gateway { port: Some(7080), https: None, local: None },
        serving: Serving::Unknown,
        config: with_claims_made(false),
    }
}

fn with_claims_made(auto: bool) -> Arc<ApiConfig> {
    let mut config = ApiConfig::default();
    config.network.autocreate_cluster_domain_claims = auto;
    Arc::new(config)
}

fn plan(seen: &Observed) -> Plan<DomainMappingStatus> {
    desired(&mapping(), seen, now())
}

/// The hosts that activators are to serve.
fn hosts(status: &DomainMappingStatus) -> &[Host] {
    status.routing.as_ref().map_or(&[], |routing| &routing.hosts)
}

#[test]
fn a_claimed_domain_gets_the_main_traffic_of_its_route() {
    let plan = plan(&seen());
    assert_eq!(plan.to_string(), "");
    let status = plan.status.unwrap();
    let url = Some("http://digits.example.org:7080".to_owned());
    assert_eq!(status.address.as_ref().map(|address| &address.url), Some(&url));
    assert_eq!(status.url, url);
    let [host] = hosts(&status) else { panic!("{status:?}") };
    assert_eq!(host.public, ["digits.example.org"]);
    assert_eq!(host.split[0].revision, "hello-1");
    assert_eq!(host.rewrite_host.as_deref(), Some("hello.shop.svc.cluster.local"));
    for (type_, expected) in [
        ("CertificateProvisioned", "True TLSNotEnabled external-domain-tls is not enabled"),
        ("DomainClaimed", "True"),
        ("ReferenceResolved", "True"),
    ] {
        assert_eq!(told(&status.conditions, type_), expected, "{type_}");
    }
}

const NO_CLAIM: &str = "False DomainClaimFailed there is no ClusterDomainClaim \"digits.example.org\": create one for this namespace, or set autocreate-cluster-domain-claims in config-network";
const IN_USE: &str =
    "False DomainAlreadyClaimed The domain name \"digits.example.org\" is already in use";

#[test]
fn a_domain_is_routed_only_where_its_claim_is_held_or_may_be_taken_over() {
    let (made, taken) = (
        "create ClusterDomainClaim digits.example.org\n",
        "update ClusterDomainClaim digits.example.org\n",
    );
    for (claim, held, auto, writes, claimed) in [
        (claim("shop", ""), true, false, "", "True"),
        (None, false, true, made, "True"),
        (None, false, false, "", NO_CLAIM),
        (claim("bank", ""), true, true, "", IN_USE),
        (claim("bank", ""), false, true, "", IN_USE),
        (claim("bank", MADE_HERE), true, true, "", IN_USE),
        (claim("bank", MADE_HERE), false, true, taken, "True"),
    ] {
        let what = format!("{claim:?} held {held} auto {auto}");
        let plan = plan(&Observed { claim, held, config: with_claims_made(auto), ..seen() });
        assert_eq!(plan.to_string(), writes, "{what}");
        let status = plan.status.unwrap();
        assert_eq!(told(&status.conditions, "DomainClaimed"), claimed, "{what}");
        let ready = told(&status.conditions, "Ready");
        assert_eq!(ready.starts_with("False"), claimed != "True", "{what}: {ready}");
        assert_eq!(hosts(&status).is_empty(), claimed != "True", "{what}");
    }
}

#[test]
fn a_claim_created_here_may_be_taken_over_once_its_mapping_is_gone() {
    let first = plan(&Observed { claim: None, config: with_claims_made(true), ..seen() });
    let Action::Create(body) = first.writes[0].action.clone() else { panic!("{first}") };
    let mut made: ClusterDomainClaim = serde_json::from_value(body).unwrap();
    assert_eq!(made.spec.namespace, "shop");
    made.spec.namespace = "bank".to_owned();
    let later = plan(&Observed { claim: Some(Arc::new(made)), held: false, ..seen() });
    assert_eq!(later.to_string(), "update ClusterDomainClaim digits.example.org\n");
}

#[test]
fn a_reference_to_a_missing_or_unsupported_object_is_reported() {
    for (target, expected) in [
        (Target::NotYet, "True"),
        (Target::Missing, "False ResolveFailed Route \"hello\" not found"),
        (
            Target::Unsupported,
            "False ResolveFailed a reference to Route of \"serving.knative.dev/v1\" is not handled: refer to a Service or Route of serving.knative.dev",
        ),
    ] {
        let status = plan(&Observed { target, ..seen() }).status.unwrap();
        assert_eq!(told(&status.conditions, "ReferenceResolved"), expected);
        assert_eq!(hosts(&status), []);
    }
}

#[test]
fn a_domain_is_ready_when_what_is_written_is_served_and_stays_so_after_a_restart() {
    let waiting = "Unknown Uninitialized Waiting until every activator serves the domain.";
    let first = plan(&Observed { serving: Serving::Known { version: i64::MAX }, ..seen() });
    let mut mapping = DomainMapping { status: first.status, ..mapping() };
    let version = mapping.status.as_ref().unwrap().routing.as_ref().unwrap().version;
    let ready = |mapping: &DomainMapping| {
        told(&mapping.status.as_ref().unwrap().conditions, "IngressReady")
    };
    assert_eq!(ready(&mapping), waiting, "not written yet");
    let problem = "activator-1 is starting".to_owned();
    for (serving, expected) in [
        (Serving::Unknown, waiting),
        (Serving::Asked { version }, waiting),
        (Serving::Failed { version, problem }, "Unknown Uninitialized activator-1 is starting"),
        (Serving::Known { version: version - 1 }, waiting),
        (Serving::Known { version }, "True"),
        (Serving::Unknown, "True"),
    ] {
        mapping.status = desired(&mapping, &Observed { serving, ..seen() }, now()).status;
        assert_eq!(ready(&mapping), expected);
    }
    // Changed traffic is a new version, which no activator was asked about yet.
    let Target::Route(route) = route() else { unreachable!() };
    let mut moved = Arc::unwrap_or_clone(route);
    let routing = moved.status.as_mut().unwrap().routing.as_mut().unwrap();
    routing.hosts[1].split[0].revision = "hello-2".to_owned();
    let seen = Observed { target: Target::Route(Arc::new(moved)), ..seen() };
    mapping.status = desired(&mapping, &seen, now()).status;
    assert_eq!(ready(&mapping), waiting);
}

#[test]
fn a_refused_claim_is_reported() {
    let error = refusal("ClusterDomainClaim");
    let status = DomainMappings::refused(&mapping(), &error, now()).unwrap();
    assert_eq!(
        told(&status.conditions, "DomainClaimed"),
        format!("False DomainClaimFailed {error}")
    );
}

#[test]
fn a_domain_with_a_certificate_of_its_own_is_https_and_says_what_is_wrong_with_it() {
    let mut mapping = mapping();
    mapping.spec.tls = Some(SecretTls { secret_name: "own".to_owned() });
    let secret = || "own".to_owned();
    for (certificate, expected) in [
        (
            Certificate::Usable,
            "True CertificateExternallyProvided TLS certificate was provided externally",
        ),
        (
            Certificate::Missing { secret: secret() },
            "False SecretNotFound there is no Secret \"own\" of type kubernetes.io/tls here: kubectl create secret tls own --cert FILE --key FILE",
        ),
        (
            Certificate::Broken {
                secret: secret(),
                cause: CertificateError::Absent { name: "tls.key" },
            },
            "False SecretInvalid the Secret \"own\" has no certificate to serve: it has no tls.key",
        ),
    ] {
        let gateway =
            Gateway { port: Some(7080), https: Some(Https { port: Some(7081) }), local: None };
        let seen = Observed { certificate: Some(certificate), gateway, ..seen() };
        let status = desired(&mapping, &seen, now()).status.unwrap();
        assert_eq!(told(&status.conditions, "CertificateProvisioned"), expected);
        assert_eq!(status.url.as_deref(), Some("https://digits.example.org:7081"));
        assert_eq!(hosts(&status)[0].tls_secret.as_deref(), Some("own"));
    }
}

#[test]
fn http_of_a_domain_is_redirected_by_its_own_annotation() {
    let mut mapping = mapping();
    let key = "networking.knative.dev/http-protocol".to_owned();
    mapping.metadata.annotations = Some([(key, "redirected".to_owned())].into());
    let gateway =
        Gateway { port: Some(7080), https: Some(Https { port: Some(7081) }), local: None };
    let status = desired(&mapping, &Observed { gateway, ..seen() }, now()).status.unwrap();
    assert_eq!(hosts(&status)[0].http, HttpOption::Redirected);
}

#[test]
fn a_domain_asks_its_services_callers_and_follows_its_ingress() {
    let with = |ingress: &str| {
        let Target::Route(mut route) = route() else { unreachable!("it is one") };
        let changed = Arc::make_mut(&mut route);
        let pair = ("run.googleapis.com/ingress".to_owned(), ingress.to_owned());
        changed.metadata.annotations = Some([pair].into());
        let main = &mut changed.status.as_mut().unwrap().routing.as_mut().unwrap().hosts[1];
        main.callers = Some(Callers {
            networks: None,
            invokers: Some(Invokers { hosts: vec!["own".to_owned()], ..Invokers::default() }),
        });
        let status = plan(&Observed { target: Target::Route(route), ..seen() }).status.unwrap();
        let host = hosts(&status)[0].clone();
        let audiences = host.callers.unwrap().invokers.unwrap().hosts;
        assert_eq!(audiences, ["own", "digits.example.org"]);
        (host.public.len(), host.local.len())
    };
    assert_eq!(with("all"), (1, 0));
    assert_eq!(with("internal-and-cloud-load-balancing"), (1, 0));
    assert_eq!(with("internal"), (0, 1), "404 outside");
}
