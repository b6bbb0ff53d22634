//! The routing of a Route, and its status.

use std::sync::Arc;

use expect_test::expect;
use rouse_api::Route;
use rouse_api::config::Settings as _;
use rouse_api::config::network::HttpProtocol;
use rouse_api::routing::{HttpOption, Share, TagShares};
use rouse_kit::plan::Action;

use super::Routes;
use super::testing::{
    ASSIGNED, LATEST, NOT_SERVED, ONE_READY, TO_GREET_1, after, conditions, configuration, hosts,
    one_ready, plan, revision, route, seen, status,
};
use crate::lookups::served::Serving;
use crate::objects::gateway::Https;
use crate::reconciler::Reconciler;
use crate::testing::{now, refusal, told};

#[test]
fn a_ready_revision_is_routed_and_the_route_waits_for_the_activators() {
    let plan = plan(&route(LATEST), &one_ready());
    assert_eq!(plan.to_string(), "create Service shop/hello\n");
    let status = plan.status.unwrap();
    assert_eq!(conditions(&status), [ASSIGNED, NOT_SERVED]);
    assert_eq!(hosts(&status), TO_GREET_1);
    for (type_, expected) in [
        ("CertificateProvisioned", "True TLSNotEnabled external-domain-tls is not enabled"),
        ("Ready", NOT_SERVED),
    ] {
        assert_eq!(told(&status.conditions, type_), expected);
    }
}

#[test]
fn a_route_is_ready_when_what_is_written_is_served() {
    let mut seen = one_ready();
    seen.serving = Serving::Known { version: i64::MAX };
    let written = after(&route(LATEST), &mut seen);
    let status = written.status.as_ref().unwrap();
    assert_eq!(conditions(status), [ASSIGNED, NOT_SERVED], "not written yet");
    let version = status.routing.as_ref().unwrap().version;
    let problem = "activator-1 is starting".to_owned();
    for (serving, expected) in [
        (Serving::Unknown, NOT_SERVED),
        (Serving::Failed { version, problem }, "Unknown Uninitialized activator-1 is starting"),
        (Serving::Known { version: version - 1 }, NOT_SERVED),
        (Serving::Known { version }, "True"),
    ] {
        seen.serving = serving;
        let next = self::status(&written, &seen);
        assert_eq!(conditions(&next), [ASSIGNED, expected]);
        assert_eq!(hosts(&next), TO_GREET_1);
        assert_eq!(told(&next.conditions, "Ready"), expected);
    }
}

#[test]
fn after_a_restart_a_ready_route_stays_ready() {
    let mut seen = one_ready();
    let written = after(&route(LATEST), &mut seen);
    seen.serving = Serving::Known { version: i64::MAX };
    let ready = after(&written, &mut seen);
    seen.serving = Serving::Unknown;
    assert_eq!(plan(&ready, &seen).status, ready.status);
}

#[test]
fn its_core_service_keeps_what_users_add_to_it() {
    let mut seen = one_ready();
    let route = after(&route(LATEST), &mut seen);
    let metadata = &mut Arc::make_mut(&mut seen.placeholders[0]).metadata;
    let label = |key: &str| (key.to_owned(), "x".to_owned());
    metadata.labels = Some([label("mine")].into());
    let plan = plan(&route, &seen);
    assert_eq!(plan.to_string(), "update Service shop/hello\n");
    let Action::Replace(service) = &plan.writes[0].action else { panic!("{plan}") };
    let labels = &service["metadata"]["labels"];
    assert_eq!((labels["mine"].as_str(), labels["team"].as_str()), (Some("x"), Some("blue")));
}

#[test]
fn the_version_grows_with_each_change_and_with_nothing_else() {
    let mut seen = seen(
        configuration(ONE_READY),
        vec![revision("greet-1", "active", "True"), revision("greet-2", "pending", "True")],
    );
    let version = |route: &Route| route.status.as_ref().unwrap().routing.as_ref().unwrap().version;
    let first = after(&route(LATEST), &mut seen);
    assert_eq!(version(&first), now().as_millisecond());
    assert_eq!(version(&after(&first, &mut seen)), version(&first));
    seen.configurations.insert(
        "greet".to_owned(),
        configuration("{latestCreatedRevisionName: greet-2, latestReadyRevisionName: greet-2}"),
    );
    assert_eq!(version(&after(&first, &mut seen)), version(&first) + 1);
}

const SPLIT: &str = "[{revisionName: greet-1, percent: 60, tag: old}, {revisionName: greet-1, percent: 15}, {configurationName: greet, percent: 25}, {revisionName: greet-1, tag: idle}]";

#[test]
fn shares_of_one_revision_add_up_and_each_tag_has_its_host() {
    let two = "{observedGeneration: 2, latestCreatedRevisionName: greet-2, latestReadyRevisionName: greet-2}";
    let seen = seen(
        configuration(two),
        vec![revision("greet-1", "active", "True"), revision("greet-2", "active", "True")],
    );
    let route = route(SPLIT);
    expect![[r#"
        create Service shop/hello
        create Service shop/old-hello
        create Service shop/idle-hello
    "#]]
    .assert_eq(&plan(&route, &seen).to_string());
    expect![[r#"
        hello.shop.localhost | hello.shop.svc.cluster.local => greet-1 75%, greet-2 25%
        old-hello.shop.localhost | old-hello.shop.svc.cluster.local => greet-1 100%
        idle-hello.shop.localhost | idle-hello.shop.svc.cluster.local => greet-1 100%
    "#]]
    .assert_eq(&hosts(&status(&route, &seen)));
    let traffic = status(&route, &seen).traffic;
    expect![[r#"
        - tag: old
          revisionName: greet-1
          latestRevision: false
          percent: 60
          url: http://old-hello.shop.localhost:7080
        - revisionName: greet-1
          latestRevision: false
          percent: 15
        - revisionName: greet-2
          latestRevision: true
          percent: 25
        - tag: idle
          revisionName: greet-1
          latestRevision: false
          percent: 0
          url: http://idle-hello.shop.localhost:7080
    "#]]
    .assert_eq(&serde_yaml::to_string(&traffic).unwrap());
}

#[test]
fn old_traffic_stays_while_a_target_cannot_be_routed_to() {
    let mut seen = one_ready();
    let written = after(&route(LATEST), &mut seen);
    seen.serving = Serving::Known { version: i64::MAX };
    let mut ready = after(&written, &mut seen);
    ready.spec = route("[{revisionName: greet-9, percent: 100}]").spec;
    ready.metadata.generation = Some(4);
    let next = status(&ready, &seen);
    let missing = "False RevisionMissing Revision \"greet-9\" referenced in traffic not found.";
    assert_eq!(conditions(&next), [missing, "True"]);
    assert_eq!(hosts(&next), TO_GREET_1);
}

#[test]
fn a_core_service_of_another_owner_keeps_its_name() {
    let mut seen = one_ready();
    seen.foreign_services = vec!["hello".to_owned()];
    let plan = plan(&route(LATEST), &seen);
    assert_eq!(plan.to_string(), "");
    let taken = "False NotOwned There is an existing Service \"hello\" that we do not own.";
    assert_eq!(conditions(&plan.status.unwrap()), ["Unknown", taken]);
}

#[test]
fn a_tag_that_goes_keeps_its_core_service_until_the_state_without_it_is_served() {
    let mut seen = one_ready();
    let tagged = route("[{configurationName: greet, percent: 100, tag: next}]");
    let mut route = after(&tagged, &mut seen);
    seen.serving = Serving::Known { version: i64::MAX };
    for _ in 0..2 {
        route = after(&route, &mut seen);
    }
    route.spec = self::route(LATEST).spec;
    route.metadata.generation = Some(4);
    let mut told = Vec::new();
    for serving in [
        Serving::Unknown,
        Serving::Unknown,
        Serving::Known { version: i64::MAX },
        Serving::Known { version: i64::MAX },
    ] {
        seen.serving = serving;
        told.push((plan(&route, &seen).to_string(), conditions(&status(&route, &seen))[1].clone()));
        route = after(&route, &mut seen);
    }
    let told: Vec<_> = told.iter().map(|(writes, ingress)| (&**writes, &**ingress)).collect();
    assert_eq!(
        told,
        [
            ("", NOT_SERVED),
            ("", NOT_SERVED),
            ("", "True"),
            ("delete Service shop/next-hello\n", "True"),
        ]
    );
}

#[test]
fn its_core_service_leads_to_the_local_gateway() {
    let mut route = route(LATEST);
    let annotations =
        [("color", "red"), ("kubectl.kubernetes.io/last-applied-configuration", "{}")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()));
    route.metadata.annotations = Some(annotations.into());
    let plan = plan(&route, &one_ready());
    let Action::Create(service) = &plan.writes[0].action else { panic!("{plan}") };
    expect![[r#"
        apiVersion: v1
        kind: Service
        metadata:
          annotations:
            color: red
          labels:
            serving.knative.dev/route: hello
            team: blue
          name: hello
          namespace: shop
          ownerReferences:
          - apiVersion: serving.knative.dev/v1
            blockOwnerDeletion: true
            controller: true
            kind: Route
            name: hello
            uid: rt-1
        spec:
          externalName: gateway-local.knative-serving.svc.cluster.local
          ports:
          - appProtocol: kubernetes.io/h2c
            name: http2
            port: 80
            protocol: TCP
            targetPort: 80
          sessionAffinity: None
          type: ExternalName
    "#]]
    .assert_eq(&serde_yaml::to_string(service).unwrap());
}

#[test]
fn a_refused_core_service_is_reported() {
    let error = refusal("Service");
    let status = Routes::refused(&route(LATEST), &error, now()).unwrap();
    assert_eq!(conditions(&status), ["Unknown".to_owned(), format!("False Refused {error}")]);
}

#[test]
fn with_tag_header_routing_the_main_host_knows_all_tags() {
    let mut seen = one_ready();
    let tagged = route("[{configurationName: greet, percent: 100, tag: next}]");
    let by_header = |seen: &super::observed::Observed| {
        let routing = status(&tagged, seen).routing.unwrap();
        routing.hosts.into_iter().map(|host| host.header_tags).collect::<Vec<_>>()
    };
    assert_eq!(by_header(&seen), [None, None]);
    for (value, on) in [("enabled", true), ("Enabled", true), ("allowed", false)] {
        let data = [("tag-header-based-routing".to_owned(), value.to_owned())].into();
        let mut config = super::testing::config();
        config.features = rouse_api::config::Features::from_data(&data).unwrap();
        seen.config = Arc::new(config);
        let split = vec![Share { revision: "greet-1".to_owned(), percent: 100 }];
        let next = TagShares { tag: "next".to_owned(), split };
        let expected = if on { [Some(vec![next]), Some(vec![])] } else { [None, None] };
        assert_eq!(by_header(&seen), expected, "{value}");
    }
}

#[test]
fn http_is_redirected_where_the_annotation_or_the_cluster_says_so() {
    let mut seen = one_ready();
    let mut asked = route(LATEST);
    let option = |asked: &Route, seen: &super::observed::Observed| {
        status(asked, seen).routing.unwrap().hosts[0].http
    };
    asked.metadata.annotations =
        Some([("networking.knative.dev/http-protocol".to_owned(), "redirected".to_owned())].into());
    assert_eq!(option(&asked, &seen), HttpOption::Enabled, "there is no https");
    seen.gateway.https = Some(Https { port: Some(7081) });
    assert_eq!(option(&asked, &seen), HttpOption::Redirected);
    assert_eq!(option(&route(LATEST), &seen), HttpOption::Enabled);
    let mut config = super::testing::config();
    config.network.http_protocol = HttpProtocol::Redirected;
    seen.config = Arc::new(config);
    assert_eq!(option(&route(LATEST), &seen), HttpOption::Redirected);
}

#[test]
fn with_external_domain_tls_public_urls_are_https() {
    let traffic = "[{configurationName: greet, percent: 100, tag: next}]";
    let provisioned = |route: &Route, seen: &super::observed::Observed| {
        let status = status(route, seen);
        let condition = told(&status.conditions, "CertificateProvisioned");
        (status.url.unwrap(), status.traffic[0].url.clone().unwrap(), condition)
    };
    let label = ("networking.knative.dev/visibility".to_owned(), "cluster-local".to_owned());
    let mut local = route(traffic);
    local.metadata.labels = Some([label].into());
    let mut off = route(traffic);
    let key = "networking.knative.dev/disable-external-domain-tls".to_owned();
    off.metadata.annotations = Some([(key, "true".to_owned())].into());
    let http = ("http://hello.shop.localhost:7080", "http://next-hello.shop.localhost:7080");
    let https = ("https://hello.shop.localhost:7081", "https://next-hello.shop.localhost:7081");
    let bare = ("https://hello.shop.localhost:7080", "https://next-hello.shop.localhost:7080");
    let inside =
        ("http://hello.shop.svc.cluster.local", "http://next-hello.shop.svc.cluster.local");
    let not_enabled = "True TLSNotEnabled external-domain-tls is not enabled";
    let (enabled, redirected) = (HttpProtocol::Enabled, HttpProtocol::Redirected);
    for (route, listener, http_protocol, urls, condition) in [
        (&route(traffic), true, enabled, https, "True"),
        (&off, true, enabled, http, not_enabled),
        (&local, true, enabled, inside, "True TLSNotEnabled TLS is not enabled for cluster-local"),
        (
            &route(traffic),
            false,
            enabled,
            http,
            "True HTTPDowngrade the gateway has no port for https",
        ),
        (
            &route(traffic),
            false,
            redirected,
            bare,
            "Unknown CertificateNotReady the gateway has no port for https",
        ),
    ] {
        let mut seen = one_ready();
        seen.gateway.https = listener.then_some(Https { port: Some(7081) });
        let mut config = super::testing::config();
        config.network.external_domain_tls = true;
        config.network.http_protocol = http_protocol;
        seen.config = Arc::new(config);
        let expected = (urls.0.to_owned(), urls.1.to_owned(), condition.to_owned());
        assert_eq!(provisioned(route, &seen), expected);
    }
}

#[test]
fn ingress_settings_and_callers_are_compiled_for_each_host() {
    let annotated = |annotations: &[(&str, &str)]| {
        let mut route =
            route("[{configurationName: greet, percent: 100}, {revisionName: greet-1, tag: next}]");
        let pairs = annotations.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        route.metadata.annotations = Some(pairs.collect());
        status(&route, &one_ready())
    };
    let open = annotated(&[("run.googleapis.com/ingress", "all")]);
    assert!(hosts(&open).starts_with("hello.shop.localhost |"));
    for ingress in ["internal", "internal-and-cloud-load-balancing"] {
        let inside = annotated(&[("run.googleapis.com/ingress", ingress)]);
        assert!(hosts(&inside).lines().all(|host| host.starts_with("- | ")), "{}", hosts(&inside));
        assert_eq!(inside.url.as_deref(), Some("http://hello.shop.svc.cluster.local"));
    }
    let of = |status: &rouse_api::RouteStatus| {
        let hosts = &status.routing.as_ref().unwrap().hosts;
        let rules: Vec<_> = hosts.iter().map(|host| host.callers.clone()).collect();
        assert_eq!(rules[0], rules[1], "tags have the rule of their Service");
        rules[0].clone()
    };
    assert_eq!(of(&open), None);
    let closed = annotated(&[("rouse.dev/invokers", "serviceAccount:robot")]);
    expect![[r#"
        invokers:
          members:
          - serviceAccount:robot@shop
          hosts:
          - hello.shop.localhost
          - hello.shop.svc.cluster.local
          - hello.shop.svc
          - hello.shop
    "#]]
    .assert_eq(&serde_yaml::to_string(&of(&closed)).unwrap());
}
