//! The objects that a pass observes, and the lookups that are cached for them.

use rouse_api::config::ApiConfig;
use serde_json::json;

use super::base;
use super::world::World;

#[tokio::test]
async fn a_domain_refers_to_a_route_or_to_the_route_of_a_service() {
    let serving = "serving.knative.dev/v1";
    for (api_version, kind, name, expected) in [
        (serving, "Service", "hello", "True"),
        (serving, "Route", "hello", "True"),
        (serving, "Service", "nobody", r#"Service "nobody" not found"#),
        (serving, "Route", "nobody", r#"Route "nobody" not found"#),
        (serving, "Configuration", "hello", "is not handled"),
        ("v1", "Service", "hello", "is not handled"),
        ("route.openshift.io/v1", "Route", "hello", "is not handled"),
    ] {
        let mut world = World::new(ApiConfig::default());
        world.put("Service", base("Service"));
        let mut mapping = base("DomainMapping");
        mapping["spec"]["ref"] = json!({ "apiVersion": api_version, "kind": kind, "name": name });
        world.put("DomainMapping", mapping);
        world.reconcile();
        let told = world.told("DomainMapping", "ReferenceResolved");
        assert!(told.contains(expected), "{kind} {name} of {api_version}: {told}");
    }
}

#[tokio::test]
async fn a_core_service_of_another_owner_keeps_the_name_that_a_route_needs() {
    for (name, expected) in [("hello", "False"), ("next-hello", "False"), ("other", "True")] {
        let mut world = World::new(ApiConfig::default());
        let mut service = base("Service");
        service["spec"]["traffic"] =
            json!([{ "latestRevision": true, "percent": 100, "tag": "next" }]);
        world.put("Service", service);
        world.put(
            "Service",
            json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": name, "namespace": "shop" } }),
        );
        world.reconcile();
        let told = world.told("Route", "IngressReady");
        assert!(told.starts_with(expected), "{name}: {told}");
    }
}

#[tokio::test]
async fn objects_of_another_namespace_are_not_observed() {
    let mut world = World::new(ApiConfig::default());
    let mut route = base("Route");
    route["metadata"]["namespace"] = json!("bank");
    world.put("Route", route);
    let mut configuration = base("Configuration");
    configuration["status"] = json!({ "latestReadyRevisionName": "hello-00001" });
    world.put("Configuration", configuration);
    world.reconcile();
    let told = world.told("Route", "AllTrafficAssigned");
    assert!(told.contains("\"hello\" referenced in traffic not found"), "{told}");
}

#[tokio::test]
async fn lookups_are_forgotten_with_their_object() {
    let mut world = World::new(ApiConfig::default());
    world.put("Service", base("Service"));
    world.put("DomainMapping", base("DomainMapping"));
    world.put(
        "ClusterDomainClaim",
        json!({ "metadata": { "name": "hello.example.org" }, "spec": { "namespace": "shop" } }),
    );
    // Its routing is asked about once it is written.
    world.reconcile();
    world.reconcile();
    assert_eq!(world.remembered(), [true; 3]);
    world.forget();
    assert_eq!(world.remembered(), [false; 3]);
}
