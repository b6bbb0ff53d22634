//! The names of a Route and its tags.

use std::sync::Arc;

use expect_test::expect;

use crate::route::testing::{
    LATEST, after, conditions, config, hosts, one_ready, plan, route, status,
};
use rouse_api::config::{NetworkConfig, Settings as _};

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

#[test]
fn hosts_follow_the_templates_and_local_names_do_not() {
    let mut seen = one_ready();
    let mut config = config();
    let data = [
        ("domain-template", "{{.Name}}-{{.Namespace}}.{{index .Annotations \"sub\"}}.{{.Domain}}"),
        ("tag-template", "{{.Name}}-{{.Tag}}"),
    ];
    let data = data.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    config.network = NetworkConfig::from_data(&data).unwrap();
    seen.config = Arc::new(config);
    let mut route = route("[{configurationName: greet, percent: 100, tag: next}]");
    route.metadata.annotations = Some([("sub".to_owned(), "eu".to_owned())].into());
    let status = status(&route, &seen);
    expect![[r#"
        hello-shop.eu.localhost | hello.shop.svc.cluster.local => greet-1 100%
        hello-next-shop.eu.localhost | hello-next.shop.svc.cluster.local => greet-1 100%
    "#]]
    .assert_eq(&hosts(&status));
    assert_eq!(status.traffic[0].url.as_deref(), Some("http://hello-next-shop.eu.localhost:7080"));
}

#[test]
fn a_host_that_is_no_domain_name_is_an_error_of_the_configuration() {
    let mut route = route(LATEST);
    let long = "x".repeat(64);
    for (name, problem) in [
        (long.as_str(), "must be no more than 63 characters"),
        ("under_score", "a lowercase RFC 1123"),
    ] {
        route.metadata.name = Some(name.to_owned());
        let told = &conditions(&status(&route, &one_ready()))[0];
        let begin =
            format!("False ErrorConfig domain name error: invalid domain name \"{name}.shop");
        assert!(told.starts_with(&begin) && told.contains(problem), "{told}");
    }
}

#[test]
fn a_domain_of_the_cluster_makes_a_route_local() {
    let mut seen = one_ready();
    let mut config = config();
    config.domain = rouse_api::config::DomainConfig::default();
    seen.config = Arc::new(config);
    let status = status(&route("[{configurationName: greet, percent: 100, tag: next}]"), &seen);
    expect![[r#"
        - | hello.shop.svc.cluster.local => greet-1 100%
        - | next-hello.shop.svc.cluster.local => greet-1 100%
    "#]]
    .assert_eq(&hosts(&status));
    assert_eq!(status.traffic[0].url.as_deref(), Some("http://next-hello.shop.svc.cluster.local"));
}

#[test]
fn local_urls_name_the_port_of_the_local_gateway_unless_it_is_80() {
    let service = |port: u16| {
        crate::testing::object(&format!("{{spec: {{ports: [{{name: http2, port: {port}}}]}}}}"))
    };
    let mut seen = one_ready();
    for (port, expected) in [
        (80, "http://hello.shop.svc.cluster.local"),
        (7099, "http://hello.shop.svc.cluster.local:7099"),
    ] {
        seen.gateway = seen.gateway.with_local(&service(port));
        let status = status(&route(LATEST), &seen);
        assert_eq!(status.address.unwrap().url.as_deref(), Some(expected));
    }
}
