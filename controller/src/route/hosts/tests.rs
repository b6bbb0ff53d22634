//! The names of a Route and its tags.

use std::sync::Arc;

use expect_test::expect;

use crate::route::testing::{LATEST, after, hosts, one_ready, plan, route, status};

#[test]
fn a_route_that_is_local_has_no_public_host() {
    let mut route = route(LATEST);
    let label = ("networking.knative.dev/visibility".to_owned(), "cluster-local".to_owned());
    route.metadata.labels = Some([label].into());
    let seen = one_ready();
    let status = status(&route, &seen);
    assert_eq!(hosts(&status), "- | hello.shop.svc.cluster.local => greet-1 100%\n");
    assert_eq!(status.url.as_deref(), Some("http://hello.shop.svc.cluster.local"));
}

#[test]
fn a_label_on_the_core_service_makes_its_tag_local() {
    let mut seen = one_ready();
    let tagged = route("[{configurationName: greet, percent: 100, tag: next}]");
    let written = after(&tagged, &mut seen);
    let next =
        seen.placeholders.iter_mut().find(|s| s.metadata.name.as_deref() == Some("next-hello"));
    let label = ("networking.knative.dev/visibility".to_owned(), "cluster-local".to_owned());
    Arc::make_mut(next.unwrap()).metadata.labels.as_mut().unwrap().extend([label]);
    expect![[r#"
        hello.shop.localhost | hello.shop.svc.cluster.local => greet-1 100%
        - | next-hello.shop.svc.cluster.local => greet-1 100%
    "#]]
    .assert_eq(&hosts(&status(&written, &seen)));
}

#[test]
fn each_tag_has_one_host_and_an_empty_one_none() {
    let tagged = "[{revisionName: greet-1, percent: 100, tag: a}, {revisionName: greet-1, tag: ''}, {revisionName: greet-1, tag: a}]";
    assert_eq!(
        plan(&route(tagged), &one_ready()).to_string(),
        "create Service shop/hello\ncreate Service shop/a-hello\n"
    );
}
