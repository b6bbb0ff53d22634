//! Owners of domains, and where their requests go.

use std::sync::Arc;

use expect_test::{Expect, expect};
use rouse_api::config::ApiConfig;
use rouse_api::{ClusterDomainClaim, DomainMapping, Route};

use super::desired::{Observed, Target, desired};
use crate::lookups::served::Serving;
use crate::objects::gateway::Gateway;
use crate::testing::{now, object, text};

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

fn check(
    claim: Option<Arc<ClusterDomainClaim>>,
    held: bool,
    target: Target,
    auto: bool,
    expected: &Expect,
) {
    let gateway = Gateway { port: None };
    let mut config = ApiConfig::default();
    config.network.autocreate_cluster_domain_claims = auto;
    let (serving, config) = (Serving::Unknown, Arc::new(config));
    let seen = Observed { claim, held, target, gateway, serving, config };
    let plan = desired(&mapping(), &seen, now());
    let mut shown = text(&plan, |status| &status.conditions);
    let status = plan.status.unwrap();
    for host in status.routing.into_iter().flat_map(|routing| routing.hosts) {
        let to = host.rewrite_host.unwrap_or_default();
        shown.push_str(&format!("{} => {} as {to}\n", host.public[0], host.split[0].revision));
    }
    expected.assert_eq(&shown);
}

#[test]
fn a_claimed_domain_gets_the_main_traffic_of_its_route() {
    check(
        claim("shop", ""),
        true,
        route(),
        false,
        &expect![[r#"
        CertificateProvisioned=True TLSNotEnabled external-domain-tls is not enabled
        DomainClaimed=True
        IngressReady=Unknown Uninitialized Waiting until every activator serves the domain.
        Ready=Unknown Uninitialized Waiting until every activator serves the domain.
        ReferenceResolved=True
        digits.example.org => hello-1 as hello.shop.svc.cluster.local
    "#]],
    );
}

#[test]
fn a_claim_is_made_only_where_the_operator_allows_it() {
    check(
        None,
        false,
        route(),
        true,
        &expect![[r#"
        create ClusterDomainClaim digits.example.org
        CertificateProvisioned=True TLSNotEnabled external-domain-tls is not enabled
        DomainClaimed=True
        IngressReady=Unknown Uninitialized Waiting until every activator serves the domain.
        Ready=Unknown Uninitialized Waiting until every activator serves the domain.
        ReferenceResolved=True
        digits.example.org => hello-1 as hello.shop.svc.cluster.local
    "#]],
    );
    check(
        None,
        false,
        route(),
        false,
        &expect![[r#"
        CertificateProvisioned=True TLSNotEnabled external-domain-tls is not enabled
        DomainClaimed=False DomainClaimFailed there is no ClusterDomainClaim "digits.example.org": create one for this namespace, or set autocreate-cluster-domain-claims in config-network
        IngressReady=Unknown Uninitialized Waiting until every activator serves the domain.
        Ready=False DomainClaimFailed there is no ClusterDomainClaim "digits.example.org": create one for this namespace, or set autocreate-cluster-domain-claims in config-network
        ReferenceResolved=True
    "#]],
    );
}

#[test]
fn a_domain_of_another_namespace_is_not_answered() {
    check(
        claim("bank", ""),
        true,
        route(),
        true,
        &expect![[r#"
        CertificateProvisioned=True TLSNotEnabled external-domain-tls is not enabled
        DomainClaimed=False DomainAlreadyClaimed The domain name "digits.example.org" is already in use
        IngressReady=Unknown Uninitialized Waiting until every activator serves the domain.
        Ready=False DomainAlreadyClaimed The domain name "digits.example.org" is already in use
        ReferenceResolved=True
    "#]],
    );
}

#[test]
fn only_a_claim_that_was_made_here_and_is_not_held_is_taken_over() {
    check(
        claim("bank", ""),
        false,
        route(),
        true,
        &expect![[r#"
        CertificateProvisioned=True TLSNotEnabled external-domain-tls is not enabled
        DomainClaimed=False DomainAlreadyClaimed The domain name "digits.example.org" is already in use
        IngressReady=Unknown Uninitialized Waiting until every activator serves the domain.
        Ready=False DomainAlreadyClaimed The domain name "digits.example.org" is already in use
        ReferenceResolved=True
    "#]],
    );
    check(
        claim("bank", "rouse.dev/autocreated: 'true'"),
        false,
        route(),
        true,
        &expect![[r#"
        update ClusterDomainClaim digits.example.org
        CertificateProvisioned=True TLSNotEnabled external-domain-tls is not enabled
        DomainClaimed=True
        IngressReady=Unknown Uninitialized Waiting until every activator serves the domain.
        Ready=Unknown Uninitialized Waiting until every activator serves the domain.
        ReferenceResolved=True
        digits.example.org => hello-1 as hello.shop.svc.cluster.local
    "#]],
    );
}

#[test]
fn a_reference_to_nothing_or_to_something_else_is_told() {
    check(
        claim("shop", ""),
        true,
        Target::Missing,
        false,
        &expect![[r#"
        CertificateProvisioned=True TLSNotEnabled external-domain-tls is not enabled
        DomainClaimed=True
        IngressReady=Unknown Uninitialized Waiting until every activator serves the domain.
        Ready=False ResolveFailed Route "hello" not found
        ReferenceResolved=False ResolveFailed Route "hello" not found
    "#]],
    );
    check(
        claim("shop", ""),
        true,
        Target::Unsupported,
        false,
        &expect![[r#"
        CertificateProvisioned=True TLSNotEnabled external-domain-tls is not enabled
        DomainClaimed=True
        IngressReady=Unknown Uninitialized Waiting until every activator serves the domain.
        Ready=False ResolveFailed a reference to Route of "serving.knative.dev/v1" is not handled: refer to a Service or Route of serving.knative.dev
        ReferenceResolved=False ResolveFailed a reference to Route of "serving.knative.dev/v1" is not handled: refer to a Service or Route of serving.knative.dev
    "#]],
    );
}
