//! Managers and their fields through sequences of writes, and properties of any sequence.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{Error, Scope, Write, apply, same_but_times, update};
use crate::kinds::Kinds;
use crate::structure::Schema;

/// One object, and its writers.
struct Desk {
    schema: Schema,
    scope: Scope,
    api_version: &'static str,
    live: Option<Value>,
    now: u32,
}

impl Desk {
    fn of(group: &str, version: &str, kind: &str) -> Self {
        let kinds = Kinds::new();
        let resource = kinds.by_kind(group, version, kind).unwrap();
        let api_version = if group.is_empty() { "v1" } else { "apps/v1" };
        let scope = if resource.status { Scope::AllButStatus } else { Scope::Everything };
        Self { schema: (*resource.schema).clone(), scope, api_version, live: None, now: 0 }
    }

    /// A custom kind whose `spec` has this schema.
    fn custom(spec: &Value) -> Self {
        let schema = json!({ "type": "object", "properties": { "spec": spec } });
        let schema = Schema::from_openapi(&schema).unwrap();
        Self { schema, scope: Scope::Everything, api_version: "ex.io/v1", live: None, now: 0 }
    }

    fn write<T>(&mut self, manager: &str, act: impl FnOnce(&Write<'_>, Option<&Value>) -> T) -> T {
        self.now += 1;
        let now = format!("2026-01-01T00:00:{:02}Z", self.now % 60);
        let write = Write {
            schema: &self.schema,
            api_version: self.api_version,
            manager,
            subresource: "",
            scope: self.scope,
            now: &now,
            serves: &|_| true,
        };
        act(&write, self.live.as_ref())
    }

    fn apply(&mut self, manager: &str, config: &Value, force: bool) -> Result<(), Error> {
        let made = self.write(manager, |write, live| apply(write, live, config, force))?;
        // A write without a change is none.
        if self.live.as_ref().is_none_or(|live| !same_but_times(live, &made)) {
            self.live = Some(made);
        }
        Ok(())
    }

    fn update(&mut self, manager: &str, mut new: Value) {
        self.write(manager, |write, live| update(write, live, &mut new, true));
        self.live = Some(new);
    }

    fn live(&self) -> Value {
        self.live.clone().unwrap()
    }

    /// The object without its managed fields.
    fn object(&self) -> Value {
        let mut object = self.live();
        object["metadata"].as_object_mut().unwrap().remove("managedFields");
        object
    }

    /// The fields of one manager.
    fn fields(&self, manager: &str) -> Value {
        let live = self.live();
        let entries = live["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
        let own = entries.into_iter().find(|entry| entry["manager"] == manager);
        own.map_or(Value::Null, |entry| entry["fieldsV1"].clone())
    }
}

fn map(data: Value) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "c" }, "data": data })
}

fn web(spec: Value) -> Value {
    json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web" }, "spec": spec })
}

fn pod_spec(containers: Value) -> Value {
    json!({ "selector": { "matchLabels": { "a": "b" } },
        "template": { "metadata": { "labels": { "a": "b" } }, "spec": { "containers": containers } } })
}

#[test]
fn an_applier_owns_what_it_lists_in_the_encoding_of_the_real_server() {
    let mut desk = Desk::of("apps", "v1", "Deployment");
    let spec = pod_spec(json!([{ "name": "c", "image": "i", "args": ["<x>"],
        "ports": [{ "containerPort": 80 }], "env": [{ "name": "A", "value": "1" }] }]));
    desk.apply("me", &web(spec), false).unwrap();
    assert_eq!(
        desk.live()["metadata"]["managedFields"],
        json!([{ "manager": "me", "operation": "Apply", "apiVersion": "apps/v1",
            "time": "2026-01-01T00:00:01Z", "fieldsType": "FieldsV1", "fieldsV1": {
                "f:spec": { "f:selector": {}, "f:template": {
                    "f:metadata": { "f:labels": { "f:a": {} } },
                    "f:spec": { "f:containers": { "k:{\"name\":\"c\"}": {
                        ".": {}, "f:name": {}, "f:image": {}, "f:args": {},
                        "f:ports": { "k:{\"containerPort\":80,\"protocol\":\"TCP\"}":
                            { ".": {}, "f:containerPort": {} } },
                        "f:env": { "k:{\"name\":\"A\"}": { ".": {}, "f:name": {}, "f:value": {} } }
                    } } } } } } }])
    );
}

#[test]
fn an_update_owns_what_it_changes_as_typed_clients_send_it() {
    let mut desk = Desk::of("apps", "v1", "Deployment");
    let spec = pod_spec(json!([{ "name": "c", "image": "i" }]));
    desk.update("kubectl-create", web(spec));
    assert_eq!(
        desk.fields("kubectl-create"),
        json!({ "f:spec": { "f:selector": {}, "f:template": {
            "f:metadata": { "f:labels": { ".": {}, "f:a": {} } },
            "f:spec": { "f:containers": { "k:{\"name\":\"c\"}":
                { ".": {}, "f:name": {}, "f:image": {}, "f:resources": {} } } } } } })
    );
    let mut more = desk.live();
    more["spec"]["replicas"] = 3.into();
    more["status"] = json!({ "replicas": 3 });
    desk.update("scaler", more);
    assert_eq!(desk.fields("scaler"), json!({ "f:spec": { "f:replicas": {} } }), "no status");
    let mut changed = desk.live();
    changed["spec"]["replicas"] = 4.into();
    desk.update("other", changed);
    assert_eq!(desk.fields("scaler"), Value::Null, "a field belongs to its last updater");
    let mut less = desk.live();
    less["spec"].as_object_mut().unwrap().remove("replicas");
    desk.update("third", less);
    assert_eq!((desk.fields("other"), desk.fields("third")), (Value::Null, Value::Null));
}

#[test]
fn a_changed_field_of_another_is_a_conflict_in_the_words_of_the_real_server() {
    let mut desk = Desk::of("apps", "v1", "Deployment");
    let mut spec = pod_spec(json!([{ "name": "c", "image": "i" }]));
    spec["replicas"] = 1.into();
    desk.update("kubectl-client-side-apply", web(spec));
    let two = web(json!({ "replicas": 2 }));
    let refused = desk.apply("me", &two, false).unwrap_err().to_string();
    assert_eq!(
        refused,
        "Apply failed with 1 conflict: conflict with \"kubectl-client-side-apply\" using apps/v1: .spec.replicas"
    );
    let more = web(json!({ "replicas": 2, "template": { "spec": { "containers": [
        { "name": "c", "image": "j" }] } } }));
    desk.apply("first", &web(json!({ "replicas": 1 })), false).unwrap();
    let refused = desk.apply("me", &more, false).unwrap_err().to_string();
    assert_eq!(
        refused,
        "Apply failed with 3 conflicts: conflicts with \"first\":\n- .spec.replicas\nconflicts with \"kubectl-client-side-apply\" using apps/v1:\n- .spec.replicas\n- .spec.template.spec.containers[name=\"c\"].image"
    );
    desk.apply("me", &two, true).unwrap();
    assert_eq!(desk.object()["spec"]["replicas"], 2);
    assert_eq!(desk.fields("first"), Value::Null, "nothing is left of it");
    assert_eq!(desk.fields("me"), json!({ "f:spec": { "f:replicas": {} } }));
    assert_eq!(desk.fields("kubectl-client-side-apply")["f:spec"]["f:replicas"], Value::Null);
}

#[test]
fn what_an_applier_no_longer_lists_goes_unless_another_owns_it() {
    let mut desk = Desk::of("", "v1", "ConfigMap");
    desk.apply("a", &map(json!({ "x": "1", "y": "2" })), false).unwrap();
    desk.apply("b", &map(json!({ "y": "2", "z": "3" })), false).unwrap();
    let mut edited = desk.live();
    edited["data"]["w"] = "0".into();
    desk.update("c", edited);
    desk.apply("a", &map(json!({})), false).unwrap();
    assert_eq!(desk.object()["data"], json!({ "w": "0", "y": "2", "z": "3" }));
    desk.apply("b", &map(json!({ "y": "2" })), false).unwrap();
    assert_eq!(desk.object()["data"], json!({ "w": "0", "y": "2" }));
    desk.apply("b", &json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": {} }), false)
        .unwrap();
    assert_eq!(desk.object()["data"], json!({ "w": "0" }), "the updater's stays");
    let mut alone = Desk::of("", "v1", "ConfigMap");
    alone.apply("a", &map(json!({ "x": "1" })), false).unwrap();
    alone.apply("a", &json!({ "apiVersion": "v1", "kind": "ConfigMap" }), false).unwrap();
    assert_eq!(alone.object().get("data"), None);
}

#[test]
fn items_of_keyed_lists_are_merged_and_removed_one_by_one() {
    let mut desk = Desk::of("apps", "v1", "Deployment");
    let one = |name: &str| pod_spec(json!([{ "name": name, "image": "i" }]));
    desk.apply("a", &web(one("app")), false).unwrap();
    let sidecar =
        json!({ "template": { "spec": { "containers": [{ "name": "side", "image": "s" }] } } });
    desk.apply("b", &web(sidecar), false).unwrap();
    let names = |desk: &Desk| -> Vec<String> {
        let object = desk.object();
        let list = object["spec"]["template"]["spec"]["containers"].as_array().cloned().unwrap();
        list.iter().map(|c| c["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&desk), ["app", "side"]);
    let both = json!([{ "name": "new", "image": "n" }, { "name": "app", "image": "i" }]);
    desk.apply("a", &web(pod_spec(both)), false).unwrap();
    assert_eq!(names(&desk), ["new", "app", "side"]);
    desk.apply("a", &web(one("new")), false).unwrap();
    assert_eq!(names(&desk), ["new", "side"]);
}

#[test]
fn lists_and_maps_are_what_a_crd_says() {
    let item = json!({ "type": "object", "properties": {
        "k": { "type": "string" }, "v": { "type": "integer" } } });
    let mut desk = Desk::custom(&json!({ "type": "object", "properties": {
        "plain": { "type": "array", "items": { "type": "string" } },
        "set": { "type": "array", "x-kubernetes-list-type": "set", "items": { "type": "string" } },
        "keyed": { "type": "array", "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["k"], "items": item },
        "whole": { "type": "object", "x-kubernetes-map-type": "atomic",
            "additionalProperties": { "type": "string" } },
        "parts": { "type": "object", "additionalProperties": { "type": "string" } },
        "free": { "type": "object", "x-kubernetes-preserve-unknown-fields": true },
    } }));
    let toy = |spec: Value| json!({ "apiVersion": "ex.io/v1", "kind": "Toy", "metadata": { "name": "t" }, "spec": spec });
    let first = json!({ "plain": ["a"], "set": ["a"], "keyed": [{ "k": "a", "v": 1 }],
        "whole": { "a": "1" }, "parts": { "a": "1" }, "free": { "a": { "b": [1, 2] } } });
    desk.apply("a", &toy(first), false).unwrap();
    assert_eq!(
        desk.fields("a"),
        json!({ "f:spec": { "f:plain": {}, "f:set": { "v:\"a\"": {} },
            "f:keyed": { "k:{\"k\":\"a\"}": { ".": {}, "f:k": {}, "f:v": {} } },
            "f:whole": {}, "f:parts": { "f:a": {} },
            "f:free": { "f:a": { ".": {}, "f:b": {} } } } })
    );
    let second = json!({ "set": ["b"], "keyed": [{ "k": "b", "v": 2 }], "parts": { "b": "2" },
        "free": { "c": 1 } });
    desk.apply("b", &toy(second), false).unwrap();
    let spec = desk.object()["spec"].clone();
    assert_eq!(
        (&spec["set"], &spec["parts"]),
        (&json!(["a", "b"]), &json!({ "a": "1", "b": "2" }))
    );
    assert_eq!(spec["keyed"], json!([{ "k": "a", "v": 1 }, { "k": "b", "v": 2 }]));
    assert_eq!(spec["free"], json!({ "a": { "b": [1, 2] }, "c": 1 }));
    for atomic in [json!({ "plain": ["b"] }), json!({ "whole": { "b": "2" } })] {
        let refused = desk.apply("b", &toy(atomic.clone()), false);
        assert!(matches!(refused, Err(Error::Conflicts(_))), "{atomic}: {refused:?}");
    }
}

#[test]
fn a_configuration_that_does_not_fit_is_refused_by_its_path() {
    for (config, why) in [
        (web(json!({ "replicaz": 1 })), ".spec.replicaz: field not declared in schema"),
        (
            web(json!({ "replicas": "1" })),
            ".spec.replicas: expected numeric (int or float), got string",
        ),
        (web(json!({ "template": [] })), ".spec.template: expected map, got list"),
        (
            web(pod_spec(json!([{ "name": "c" }, { "name": "c" }]))),
            ".spec.template.spec.containers: duplicate entries for key [name=\"c\"]",
        ),
        (
            web(pod_spec(json!([{ "image": "i" }]))),
            ".spec.template.spec.containers: element 0: associative list with keys has an element that omits all key fields [\"name\"] (and doesn't have default values for any key fields)",
        ),
        (
            web(json!({ "a": 1, "b": 2 })),
            "errors:\n  .spec.a: field not declared in schema\n  .spec.b: field not declared in schema",
        ),
    ] {
        let refused = Desk::of("apps", "v1", "Deployment").apply("me", &config, true).unwrap_err();
        let start = "failed to create typed patch object (/web; apps/v1, Kind=Deployment): ";
        assert_eq!(refused.to_string(), format!("{start}{why}"));
    }
    let many: Vec<Value> = vec![json!(1); 100_001];
    let refused = Desk::of("", "v1", "ConfigMap").apply("me", &map(json!(many)), false);
    assert!(matches!(refused, Err(Error::TooLarge { .. })), "{refused:?}");
    let mut managed = map(json!({}));
    managed["metadata"]["managedFields"] = json!([]);
    let refused = Desk::of("", "v1", "ConfigMap").apply("me", &managed, false).unwrap_err();
    assert_eq!(refused.to_string(), "metadata.managedFields must be nil");
}

#[test]
fn an_object_that_was_not_tracked_is_before_its_first_apply() {
    let mut desk = Desk::of("", "v1", "ConfigMap");
    desk.live = Some(map(json!({ "x": "1", "y": "2" })));
    let refused = desk.apply("me", &map(json!({ "x": "2" })), false).unwrap_err().to_string();
    assert_eq!(
        refused,
        "Apply failed with 1 conflict: conflict with \"before-first-apply\" using v1: .data.x"
    );
    desk.apply("me", &map(json!({ "x": "1" })), false).unwrap();
    assert_eq!(desk.fields("me"), json!({ "f:data": { "f:x": {} } }));
    let before = json!({ "f:data": { ".": {}, "f:x": {}, "f:y": {} } });
    assert_eq!(desk.fields("before-first-apply"), before);
    let mut untracked = Desk::of("", "v1", "ConfigMap");
    untracked.live = Some(map(json!({})));
    untracked.update("me", map(json!({ "x": "1" })));
    assert_eq!(untracked.live()["metadata"].get("managedFields"), None);
}

#[test]
fn kubectl_takes_over_what_its_client_side_apply_has_set() {
    let last = map(json!({ "x": "1", "y": "1" }));
    let mut desk = Desk::of("", "v1", "ConfigMap");
    let mut object = last.clone();
    object["metadata"]["annotations"] =
        json!({ "kubectl.kubernetes.io/last-applied-configuration": last.to_string() });
    desk.update("kubectl-client-side-apply", object);
    let next = map(json!({ "x": "2" }));
    assert!(desk.apply("helm", &next, false).is_err(), "only kubectl does");
    desk.apply("kubectl", &next, false).unwrap();
    assert_eq!(desk.object()["data"]["x"], "2");
    let annotations = desk.object()["metadata"]["annotations"].clone();
    let kept = annotations["kubectl.kubernetes.io/last-applied-configuration"].as_str().unwrap();
    assert_eq!(serde_json::from_str::<Value>(kept).unwrap(), next);
    let mut edited = desk.live();
    edited["data"]["y"] = "9".into();
    desk.update("somebody", edited);
    let refused = desk.apply("kubectl", &map(json!({ "x": "2", "y": "3" })), false).unwrap_err();
    assert!(refused.to_string().ends_with("\"somebody\" using v1: .data.y"), "{refused}");
}

#[test]
fn managed_fields_may_be_edited_and_forgotten_by_an_update() {
    let mut desk = Desk::of("", "v1", "ConfigMap");
    desk.update("a", map(json!({ "x": "1" })));
    let mut given = desk.live();
    given["metadata"]["managedFields"][0]["manager"] = "b".into();
    desk.update("c", given.clone());
    assert_eq!(desk.fields("a"), Value::Null);
    assert_eq!(desk.fields("b"), json!({ "f:data": { ".": {}, "f:x": {} } }));
    assert_eq!(desk.fields("c"), Value::Null, "nothing else changed");
    let mut absent = desk.object();
    absent["data"]["x"] = "2".into();
    desk.update("c", absent);
    assert_eq!(desk.fields("c"), json!({ "f:data": { "f:x": {} } }));
    for forget in [json!([]), json!([{}])] {
        let mut desk = Desk { live: desk.live.clone(), ..Desk::of("", "v1", "ConfigMap") };
        let mut reset = desk.live();
        reset["metadata"]["managedFields"] = forget;
        desk.update("c", reset);
        assert_eq!(desk.live()["metadata"].get("managedFields"), None);
    }
}

#[test]
fn the_oldest_of_many_updaters_become_one() {
    let mut desk = Desk::of("", "v1", "ConfigMap");
    desk.apply("applier", &map(json!({ "a": "1" })), false).unwrap();
    for n in 0..14 {
        let mut next = desk.live();
        next["data"][format!("k{n}")] = "1".into();
        desk.update(&format!("m{n:02}"), next);
    }
    let live = desk.live();
    let entries = live["metadata"]["managedFields"].as_array().unwrap();
    assert_eq!(entries.len(), 11, "ten updaters and one applier");
    let ancient = desk.fields("ancient-changes");
    assert_eq!(
        ancient,
        json!({ "f:data": { "f:k0": {}, "f:k1": {}, "f:k2": {}, "f:k3": {}, "f:k4": {} } })
    );
    assert_eq!(desk.fields("m13"), json!({ "f:data": { "f:k13": {} } }));
}

#[test]
fn a_list_that_became_atomic_is_one_field() {
    let items = json!({ "type": "array", "items": { "type": "string" } });
    let with = |list: &str| {
        let mut list_schema = items.clone();
        list_schema["x-kubernetes-list-type"] = list.into();
        Desk::custom(&json!({ "type": "object", "properties": { "l": list_schema } }))
    };
    let toy = |l: Value| json!({ "apiVersion": "ex.io/v1", "kind": "Toy", "metadata": {}, "spec": { "l": l } });
    let mut before = with("set");
    before.apply("a", &toy(json!(["x"])), false).unwrap();
    let mut after = Desk { live: before.live.clone(), ..with("atomic") };
    assert!(after.apply("b", &toy(json!(["y"])), false).is_err());
    after.apply("a", &toy(json!(["y"])), false).unwrap();
    assert_eq!(after.fields("a"), json!({ "f:spec": { "f:l": {} } }));
    assert_eq!(after.object()["spec"]["l"], json!(["y"]));
}

#[test]
fn the_times_of_managed_fields_alone_are_no_difference() {
    let entry = |time: &str, manager: &str| json!({ "time": time, "manager": manager });
    let object =
        |list: Value| json!({ "metadata": { "managedFields": list, "name": "x" }, "data": {} });
    let one = object(json!([entry("1", "a"), entry("2", "b")]));
    assert!(same_but_times(&one, &object(json!([entry("2", "b"), entry("9", "a")]))));
    assert!(!same_but_times(&one, &object(json!([entry("1", "a")]))));
    assert!(!same_but_times(&one, &object(json!([entry("1", "a"), entry("2", "c")]))));
    assert!(!same_but_times(&one, &json!({ "metadata": one["metadata"] })));
}

/// A configuration of a Deployment's labels, replicas and containers with their environment.
fn config() -> impl Strategy<Value = Value> {
    let text = prop::sample::select(vec!["p", "q", "r"]);
    let labels = prop::collection::btree_map(text.clone(), text.clone(), 0..3);
    let env = prop::collection::btree_map(text.clone(), text.clone(), 0..3);
    let containers = prop::collection::btree_map(text.clone(), (text, env), 0..3);
    (labels, prop::option::of(0..3_u32), containers).prop_map(|(labels, replicas, containers)| {
        let list: Vec<Value> = containers
            .into_iter()
            .map(|(name, (image, env))| {
                let env: Vec<Value> =
                    env.into_iter().map(|(n, v)| json!({ "name": n, "value": v })).collect();
                json!({ "name": name, "image": image, "env": env })
            })
            .collect();
        let mut spec = json!({ "template": { "spec": { "containers": list } } });
        if let Some(replicas) = replicas {
            spec["replicas"] = replicas.into();
        }
        let mut config = web(spec);
        config["metadata"]["labels"] = json!(labels);
        config
    })
}

/// The configuration with every name under a prefix, so that two have no field in common.
fn apart(mut config: Value, prefix: &str) -> Value {
    let renamed = |map: &Map<String, Value>| -> Map<String, Value> {
        map.iter().map(|(k, v)| (format!("{prefix}{k}"), v.clone())).collect()
    };
    config["metadata"]["labels"] =
        Value::Object(renamed(config["metadata"]["labels"].as_object().unwrap()));
    for container in config["spec"]["template"]["spec"]["containers"].as_array_mut().unwrap() {
        let name = format!("{prefix}{}", container["name"].as_str().unwrap());
        container["name"] = name.into();
    }
    config["spec"].as_object_mut().unwrap().remove("replicas");
    without_empty(config)
}

/// Without empty lists and maps: a list whose items have all been removed goes.
fn without_empty(value: Value) -> Value {
    let kept = |value: &Value| {
        !value.as_array().is_some_and(Vec::is_empty)
            && !value.as_object().is_some_and(Map::is_empty)
    };
    match value {
        Value::Object(map) => {
            let map = map.into_iter().map(|(name, value)| (name, without_empty(value)));
            Value::Object(map.filter(|(_, value)| kept(value)).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(without_empty).collect()),
        other => other,
    }
}

/// A configuration that sets nothing.
fn nothing() -> Value {
    json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web" } })
}

proptest! {
    #[test]
    fn applying_the_same_again_changes_nothing(one in config(), other in config()) {
        let mut desk = Desk::of("apps", "v1", "Deployment");
        desk.apply("a", &one, false).unwrap();
        desk.apply("b", &other, true).unwrap();
        let before = desk.live();
        desk.apply("b", &other, false).unwrap();
        prop_assert_eq!(before, desk.live());
    }

    #[test]
    fn managers_of_different_fields_have_no_conflicts_and_removal_gives_back(
        first in config(), one in config(), other in config()
    ) {
        let mut desk = Desk::of("apps", "v1", "Deployment");
        desk.apply("base", &apart(first, "z-"), false).unwrap();
        let start = desk.object();
        desk.apply("a", &apart(one, "x-"), false).unwrap();
        let middle = desk.object();
        desk.apply("b", &apart(other, "y-"), false).unwrap();
        desk.apply("b", &nothing(), false).unwrap();
        prop_assert_eq!(middle, desk.object());
        desk.apply("a", &nothing(), false).unwrap();
        prop_assert_eq!(start, desk.object());
    }

    #[test]
    fn the_last_applier_gets_what_it_lists(one in config(), other in config()) {
        let mut desk = Desk::of("apps", "v1", "Deployment");
        desk.apply("a", &one, false).unwrap();
        desk.update("u", desk.live());
        desk.apply("b", &other, true).unwrap();
        let object = desk.object();
        for (name, value) in other["metadata"]["labels"].as_object().unwrap() {
            prop_assert_eq!(&object["metadata"]["labels"][name], value);
        }
        // With every field of its own, one applier alone has the object that it lists.
        let mut alone = Desk::of("apps", "v1", "Deployment");
        alone.apply("b", &one, false).unwrap();
        alone.apply("b", &other, false).unwrap();
        let mut fresh = Desk::of("apps", "v1", "Deployment");
        fresh.apply("b", &other, false).unwrap();
        prop_assert_eq!(alone.fields("b"), fresh.fields("b"));
    }
}
