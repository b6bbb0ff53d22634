//! The registry by the results and errors of writes.

use serde_json::{Value, json};

use super::*;
use crate::identity::UserInfo;
use crate::store::Store;

fn registry() -> Registry {
    let registry = Registry::new(Arc::new(Kinds::new()), Store::memory(), Clock::of_tokio());
    create(&registry, "", "Namespace", json!({ "metadata": { "name": "d" } })).unwrap();
    registry
}

fn create(registry: &Registry, group: &str, kind: &str, object: Value) -> Result<Value, Failure> {
    let resource = registry.kinds.by_kind(group, "v1", kind).unwrap();
    registry.create(&resource, "d", object, &Options::internal()).map(|w| w.object.value())
}

fn map(registry: &Registry, name: &str) -> Value {
    create(registry, "", "ConfigMap", json!({ "metadata": { "name": name }, "data": { "a": "b" } }))
        .unwrap()
}

fn config_maps(registry: &Registry) -> Arc<Resource> {
    registry.builtin("", "v1", "ConfigMap")
}

#[tokio::test]
async fn a_created_object_has_the_fields_that_only_the_server_sets() {
    let made = map(&registry(), "x");
    assert_eq!(made["kind"], "ConfigMap");
    assert_eq!(made["metadata"]["namespace"], "d");
    for field in ["uid", "resourceVersion", "creationTimestamp"] {
        assert!(made["metadata"][field].is_string(), "{field} in {made}");
    }
}

#[tokio::test]
async fn names_are_generated_checked_and_taken_once() {
    let registry = registry();
    let made = create(&registry, "", "ConfigMap", json!({ "metadata": { "generateName": "g-" } }))
        .unwrap();
    assert!(made["metadata"]["name"].as_str().unwrap().starts_with("g-"));
    let refused = |object| create(&registry, "", "ConfigMap", object).unwrap_err();
    assert_eq!(
        refused(json!({ "metadata": {} })).message,
        "ConfigMap \"\" is invalid: metadata.name: Required value: name or generateName is required"
    );
    assert!(
        refused(json!({ "metadata": { "name": "A_b" } }))
            .message
            .contains("a lowercase RFC 1123 subdomain")
    );
    map(&registry, "x");
    assert_eq!(
        refused(json!({ "metadata": { "name": "x" } })).message,
        "configmaps \"x\" already exists"
    );
    let kind = json!({ "kind": "Secret", "apiVersion": "v1", "metadata": { "name": "y" } });
    assert!(refused(kind).message.contains("cannot be handled as a ConfigMap"));
}

#[tokio::test]
async fn unknown_fields_are_refused_if_strict_and_dropped_if_not() {
    let registry = registry();
    let object = json!({ "metadata": { "name": "s", "foo": 1 }, "dataz": {} });
    let strict = Options { validation: Validation::Strict, ..Options::internal() };
    let error = registry.create(&config_maps(&registry), "d", object.clone(), &strict).unwrap_err();
    assert_eq!(
        error.message,
        "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: strict decoding error: unknown field \"metadata.foo\", unknown field \"dataz\""
    );
    let made = create(&registry, "", "ConfigMap", object).unwrap();
    assert!(made["dataz"].is_null() && made["metadata"]["foo"].is_null());
}

#[tokio::test]
async fn an_old_version_does_not_overwrite_a_newer_one() {
    let registry = registry();
    let first = map(&registry, "x");
    let kind = config_maps(&registry);
    let mut second = first.clone();
    second["data"]["a"] = "c".into();
    registry.update(&kind, "d", "x", Part::Main, second, &Options::internal()).unwrap();
    let error =
        registry.update(&kind, "d", "x", Part::Main, first, &Options::internal()).unwrap_err();
    assert!(error.is_conflict());
    assert!(error.message.contains("the object has been modified"));
}

#[tokio::test]
async fn a_write_that_changes_nothing_makes_no_version() {
    let registry = registry();
    let first = map(&registry, "x");
    let kind = config_maps(&registry);
    let again = registry
        .patch(
            &kind,
            "d",
            "x",
            Part::Main,
            &Patch::Merge(json!({ "data": { "a": "b" } })),
            &Options::internal(),
        )
        .unwrap();
    assert_eq!(first["metadata"]["resourceVersion"], again.object.resource_version.to_string());
}

fn deployment() -> Value {
    json!({ "metadata": { "name": "web" }, "spec": { "replicas": 2, "selector": { "matchLabels": { "a": "b" } },
        "template": { "metadata": { "labels": { "a": "b" } }, "spec": { "containers": [{ "name": "c", "image": "i" }] } } } })
}

#[tokio::test]
async fn generation_counts_changes_of_spec_alone() {
    let registry = registry();
    create(&registry, "apps", "Deployment", deployment()).unwrap();
    let kind = registry.builtin("apps", "v1", "Deployment");
    let patched = |part, patch| {
        let patch = Patch::Merge(patch);
        registry.patch(&kind, "d", "web", part, &patch, &Options::internal()).unwrap().object
    };
    assert_eq!(
        patched(Part::Main, json!({ "metadata": { "labels": { "x": "y" } } })).generation,
        1
    );
    assert_eq!(patched(Part::Status, json!({ "status": { "replicas": 2 } })).generation, 1);
    assert_eq!(patched(Part::Main, json!({ "spec": { "paused": true } })).generation, 2);
    let scaled = patched(Part::Scale, json!({ "spec": { "replicas": 5 } }));
    assert_eq!((scaled.generation, scaled.value()["spec"]["replicas"].as_i64()), (3, Some(5)));
    assert_eq!(scaled.value()["status"]["replicas"], 2, "a main write keeps the status");
}

#[tokio::test]
async fn finalizers_hold_an_object_until_the_last_is_gone() {
    let registry = registry();
    let kind = config_maps(&registry);
    create(
        &registry,
        "",
        "ConfigMap",
        json!({ "metadata": { "name": "f", "finalizers": ["x.io/y"] } }),
    )
    .unwrap();
    let deleted =
        registry.delete(&kind, "d", "f", &DeleteOptions::default(), &Options::internal()).unwrap();
    assert!(matches!(deleted, Deleted::Waiting(_)));
    let more = Patch::Merge(json!({ "metadata": { "finalizers": ["x.io/y", "z.io/new"] } }));
    let error =
        registry.patch(&kind, "d", "f", Part::Main, &more, &Options::internal()).unwrap_err();
    assert!(error.message.contains("no new finalizers can be added"), "{error}");
    let none = Patch::Merge(json!({ "metadata": { "finalizers": null } }));
    registry.patch(&kind, "d", "f", Part::Main, &none, &Options::internal()).unwrap();
    assert!(registry.get(&kind, "d", "f").is_err());
}

#[tokio::test]
async fn a_running_pod_gets_its_grace_period_and_a_waiting_one_none() {
    let registry = registry();
    let kind = registry.builtin("", "v1", "Pod");
    let pod = |name: &str| json!({ "metadata": { "name": name }, "spec": { "containers": [{ "name": "c", "image": "i" }] } });
    create(&registry, "", "Pod", pod("waiting")).unwrap();
    let gone = registry
        .delete(&kind, "d", "waiting", &DeleteOptions::default(), &Options::internal())
        .unwrap();
    assert!(matches!(gone, Deleted::Gone(_)));
    create(&registry, "", "Pod", pod("runs")).unwrap();
    let place = Patch::Merge(json!({ "spec": { "nodeName": "n" } }));
    registry.patch(&kind, "d", "runs", Part::Main, &place, &Options::internal()).unwrap();
    let waits = registry
        .delete(&kind, "d", "runs", &DeleteOptions::default(), &Options::internal())
        .unwrap();
    assert_eq!(waits.object().value()["metadata"]["deletionGracePeriodSeconds"], 30);
    let now = DeleteOptions { grace_seconds: Some(0), ..DeleteOptions::default() };
    let gone = registry.delete(&kind, "d", "runs", &now, &Options::internal()).unwrap();
    assert!(matches!(gone, Deleted::Gone(_)));
}

#[tokio::test]
async fn only_a_node_agent_sets_the_address_of_a_pod() {
    let registry = registry();
    let kind = registry.builtin("", "v1", "Pod");
    let pod = |name: &str, annotations: Value| json!({ "metadata": { "name": name, "annotations": annotations }, "spec": { "containers": [{ "name": "c", "image": "i" }] } });
    let address = json!({ "rouse.dev/address": "{\"80\":\"127.0.0.1:1\"}" });
    let refused = create(&registry, "", "Pod", pod("mine", address.clone())).unwrap_err();
    assert_eq!(refused.code, 403);
    create(&registry, "", "Pod", pod("p", json!({}))).unwrap();
    let change = Patch::Merge(json!({ "metadata": { "annotations": address } }));
    let user = Options::of(Actor::user(UserInfo::administrator()));
    assert!(registry.patch(&kind, "d", "p", Part::Main, &change, &user).is_err());
    let agent = Options::of(Actor::user(UserInfo::component("system:node:n")));
    registry.patch(&kind, "d", "p", Part::Main, &change, &agent).unwrap();
    // An annotation that is already set is no change.
    let label = Patch::Merge(json!({ "metadata": { "labels": { "a": "b" } } }));
    registry.patch(&kind, "d", "p", Part::Main, &label, &user).unwrap();
}

fn crd() -> Value {
    json!({ "metadata": { "name": "books.lib.io" }, "spec": { "group": "lib.io", "scope": "Namespaced",
        "names": { "plural": "books", "singular": "book", "kind": "Book", "listKind": "BookList" },
        "versions": [{ "name": "v1", "served": true, "storage": true, "subresources": { "status": {} },
            "schema": { "openAPIV3Schema": { "type": "object", "properties": {
                "spec": { "type": "object", "properties": {
                    "pages": { "type": "integer", "minimum": 1 }, "title": { "type": "string", "default": "none" } } },
                "status": { "type": "object", "x-kubernetes-preserve-unknown-fields": true } } } } }] } })
}

#[tokio::test]
async fn a_crd_serves_its_kind_at_once_and_takes_its_objects_with_it() {
    let registry = registry();
    let made =
        create(&registry, "apiextensions.k8s.io", "CustomResourceDefinition", crd()).unwrap();
    let established = made["status"]["conditions"]
        .as_array()
        .unwrap()
        .iter()
        .any(|c| c["type"] == "Established" && c["status"] == "True");
    assert!(established, "{made}");
    let book = create(
        &registry,
        "lib.io",
        "Book",
        json!({ "metadata": { "name": "b" }, "spec": { "pages": 3, "ink": 1 } }),
    )
    .unwrap();
    assert_eq!(book["spec"], json!({ "pages": 3, "title": "none" }));
    let bad = create(
        &registry,
        "lib.io",
        "Book",
        json!({ "metadata": { "name": "c" }, "spec": { "pages": 0 } }),
    )
    .unwrap_err();
    assert_eq!(bad.code, 422);
    let kind = registry.builtin("apiextensions.k8s.io", "v1", "CustomResourceDefinition");
    registry
        .delete(&kind, "", "books.lib.io", &DeleteOptions::default(), &Options::internal())
        .unwrap();
    assert!(registry.kinds.by_kind("lib.io", "v1", "Book").is_none());
    assert_eq!(registry.store.count("books.lib.io"), 0);
}

#[tokio::test]
async fn a_crd_that_waits_for_its_objects_says_so_and_takes_no_new_ones() {
    let registry = registry();
    create(&registry, "apiextensions.k8s.io", "CustomResourceDefinition", crd()).unwrap();
    let held = json!({ "metadata": { "name": "held", "finalizers": ["lib.io/wait"] } });
    create(&registry, "lib.io", "Book", held).unwrap();
    let kind = registry.builtin("apiextensions.k8s.io", "v1", "CustomResourceDefinition");
    let (how, options) = (DeleteOptions::default(), Options::internal());
    registry.delete(&kind, "", "books.lib.io", &how, &options).unwrap();
    let refused =
        create(&registry, "lib.io", "Book", json!({ "metadata": { "name": "new" } })).unwrap_err();
    assert_eq!((refused.code.as_u16(), refused.reason), (405, "MethodNotAllowed"));
    assert_eq!(
        refused.message,
        "create not allowed while custom resource definition is terminating"
    );
    let label = Patch::Merge(json!({ "metadata": { "labels": { "a": "b" } } }));
    registry.patch(&kind, "", "books.lib.io", Part::Main, &label, &options).unwrap();
    let crd = registry.get(&kind, "", "books.lib.io").unwrap().value();
    let conditions = crd["status"]["conditions"].as_array().unwrap();
    assert!(conditions.iter().any(|c| c["type"] == "Terminating" && c["status"] == "True"));
    let book = registry.kinds.by_kind("lib.io", "v1", "Book").unwrap();
    let let_go = Patch::Merge(json!({ "metadata": { "finalizers": null } }));
    registry.patch(&book, "d", "held", Part::Main, &let_go, &options).unwrap();
    assert!(registry.get(&kind, "", "books.lib.io").unwrap_err().is_not_found());
}

#[tokio::test]
async fn a_pod_needs_an_existing_service_account() {
    let registry = registry();
    let pod = |account: &str| {
        json!({ "metadata": { "name": "p" },
            "spec": { "serviceAccountName": account, "containers": [{ "name": "c", "image": "i" }] } })
    };
    let error = create(&registry, "", "Pod", pod("robot")).unwrap_err();
    assert_eq!(error.code.as_u16(), 403);
    assert_eq!(
        error.message,
        "pods \"p\" is forbidden: error looking up service account d/robot: serviceaccount \"robot\" not found"
    );
    create(&registry, "", "ServiceAccount", json!({ "metadata": { "name": "robot" } })).unwrap();
    create(&registry, "", "Pod", pod("robot")).unwrap();
}

#[tokio::test]
async fn nothing_is_created_in_a_namespace_that_does_not_exist() {
    let registry = registry();
    let error = registry
        .create(
            &config_maps(&registry),
            "nonsuch",
            json!({ "metadata": { "name": "x" } }),
            &Options::internal(),
        )
        .unwrap_err();
    assert_eq!(
        (error.code.as_u16(), error.message.as_str()),
        (404, "namespaces \"nonsuch\" not found")
    );
}

#[tokio::test]
async fn a_dry_run_stores_nothing() {
    let registry = registry();
    let dry = Options { dry_run: true, ..Options::internal() };
    registry
        .create(&config_maps(&registry), "d", json!({ "metadata": { "name": "x" } }), &dry)
        .unwrap();
    assert!(registry.get(&config_maps(&registry), "d", "x").is_err());
}

#[tokio::test]
async fn a_trusted_actor_skips_admission_and_no_other_rule() {
    let registry = registry();
    let kind = config_maps(&registry);
    let deny = Hook {
        name: "deny.example.com".to_owned(),
        phase: crate::admission::Phase::Validating,
        rules: vec![crate::admission::Rule {
            group: String::new(),
            resources: vec!["configmaps".to_owned()],
            operations: vec!["*".to_owned()],
        }],
        review: Arc::new(|request| {
            kube::core::admission::AdmissionResponse::from(request).deny("never")
        }),
    };
    registry.set_hooks(vec![deny]);
    let object = |name: &str| json!({ "metadata": { "name": name } });
    let user = Options::internal();
    let trusted = Options::of(Actor::trusted("system:kube-controller-manager"));
    let denied = registry.create(&kind, "d", object("x"), &user).unwrap_err();
    assert!(denied.message.contains("denied the request: never"), "{denied}");
    registry.create(&kind, "d", object("x"), &trusted).unwrap();
    assert!(registry.create(&kind, "d", object("x"), &trusted).unwrap_err().is_already_exists());
    assert!(registry.create(&kind, "no", object("x"), &trusted).unwrap_err().is_not_found());
    let namespaces = registry.builtin("", "v1", "Namespace");
    create(&registry, "", "Namespace", json!({ "metadata": { "name": "default" } })).unwrap();
    let how = DeleteOptions::default();
    let refused = registry.delete(&namespaces, "", "default", &how, &trusted).unwrap_err();
    assert_eq!(refused.code, 403);
    let edit = |object: &mut Value| object["data"] = json!({ "a": "b" });
    let target = Target { resource: &kind, namespace: "d", name: "x" };
    let written = registry.write(target, Change::Edit(Part::Main, &edit), &trusted).unwrap();
    assert_eq!(written.object.value()["data"], json!({ "a": "b" }));
    let again = registry.write(target, Change::Edit(Part::Main, &edit), &trusted).unwrap();
    assert_eq!(again.object.resource_version, written.object.resource_version);
    assert!(registry.delete(&kind, "d", "x", &how, &user).is_err());
    assert!(matches!(registry.delete(&kind, "d", "x", &how, &trusted), Ok(Deleted::Gone(_))));
}

#[tokio::test]
async fn a_grace_period_of_any_length_is_kept_and_may_only_be_shortened() {
    let registry = registry();
    let kind = registry.builtin("", "v1", "Pod");
    let pod = json!({ "metadata": { "name": "p" }, "spec": { "nodeName": "n",
        "terminationGracePeriodSeconds": i64::MAX, "containers": [{ "name": "c", "image": "i" }] } });
    create(&registry, "", "Pod", pod).unwrap();
    let seconds = |how: DeleteOptions| {
        registry.delete(&kind, "d", "p", &how, &Options::internal()).unwrap();
        let pod = registry.get(&kind, "d", "p").unwrap().value();
        let end: jiff::Timestamp =
            pod["metadata"]["deletionTimestamp"].as_str().unwrap().parse().unwrap();
        assert!(end > jiff::Timestamp::now());
        pod["metadata"]["deletionGracePeriodSeconds"].as_i64().unwrap()
    };
    let asked = |n| DeleteOptions { grace_seconds: Some(n), ..DeleteOptions::default() };
    assert_eq!(seconds(DeleteOptions::default()), i64::MAX);
    assert_eq!(seconds(asked(60)), 60);
    assert_eq!(seconds(asked(90)), 60, "only shortened");
    assert_eq!(seconds(DeleteOptions::default()), 60);
}

#[tokio::test]
async fn finalizers_in_spec_hold_a_namespace_and_nothing_else() {
    let registry = registry();
    let kind = registry.builtin("", "v1", "Namespace");
    let how = DeleteOptions::default();
    let deleted = registry.delete(&kind, "", "d", &how, &Options::internal()).unwrap();
    assert!(matches!(deleted, Deleted::Waiting(_)));
    assert_eq!(deleted.object().value()["status"]["phase"], "Terminating");
    let edit = |object: &mut Value| object["spec"]["finalizers"] = json!([]);
    let target = Target { resource: &kind, namespace: "", name: "d" };
    let trusted = Options::of(Actor::trusted("system:kube-controller-manager"));
    let kept = registry.write(target, Change::Edit(Part::Main, &edit), &trusted).unwrap();
    assert_eq!(kept.object.value()["spec"]["finalizers"], json!(["kubernetes"]));
    assert!(registry.write(target, Change::Edit(Part::Finalize, &edit), &trusted).unwrap().gone);
    assert!(registry.get(&kind, "", "d").unwrap_err().is_not_found());
}

#[tokio::test]
async fn a_service_keeps_its_address_through_updates_and_gives_it_up_with_its_type() {
    let registry = registry();
    let resource = registry.builtin("", "v1", "Service");
    let service = |spec: Value| json!({ "metadata": { "name": "s" }, "spec": spec });
    let ports = json!([{ "port": 80 }]);
    let made = create(&registry, "", "Service", service(json!({ "ports": ports }))).unwrap();
    let address = made["spec"]["clusterIP"].clone();
    let update = |spec: Value| {
        let options = Options::internal();
        let written =
            registry.update(&resource, "d", "s", Part::Main, service(spec), &options).unwrap();
        written.object.value()["spec"].clone()
    };
    for spec in [
        json!({ "ports": ports }),
        json!({ "ports": ports, "clusterIP": "" }),
        json!({ "ports": ports, "clusterIP": "", "clusterIPs": [""] }),
        json!({ "ports": ports, "clusterIP": address }),
    ] {
        let kept = update(spec.clone());
        assert_eq!(
            (&kept["clusterIP"], &kept["clusterIPs"]),
            (&address, &json!([address])),
            "{spec}"
        );
    }
    let external = json!({ "type": "ExternalName", "externalName": "a.example", "ports": ports });
    for given in [Value::Null, json!(""), Value::Null] {
        let mut external = external.clone();
        if !given.is_null() {
            external["clusterIP"] = given;
        }
        let gone = update(external);
        assert_eq!((&gone["clusterIP"], &gone["clusterIPs"]), (&Value::Null, &Value::Null));
        let back = update(json!({ "ports": ports }));
        assert!(back["clusterIP"].as_str().is_some_and(|ip| ip.starts_with("10.")), "{back}");
    }
}
