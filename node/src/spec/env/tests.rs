//! Variables: their sources, missing sources, and expansion.

use super::*;
use serde_json::{Value, json};

fn container(spec: Value) -> Container {
    let mut base = json!({"name": "user"});
    base.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    serde_json::from_value(base).unwrap()
}

fn sources() -> Sources {
    let map = json!({"data": {"COLOR": "red", "SIZE": "3"}});
    let secret = json!({"data": {"TOKEN": "czNjcmV0"}});
    Sources {
        namespace: "demo".to_owned(),
        config_maps: [("paint".to_owned(), serde_json::from_value(map).unwrap())].into(),
        secrets: [("keys".to_owned(), serde_json::from_value(secret).unwrap())].into(),
        pod_ip: Some([10, 0, 0, 7].into()),
        host_ip: Some([127, 0, 0, 1].into()),
        ..Sources::default()
    }
}

fn resolved(spec: Value) -> Result<String, String> {
    let pod: Pod = serde_json::from_value(json!({
        "metadata": {
            "name": "hello-7", "namespace": "demo", "uid": "u-3", "labels": {"a/b": "L"},
        },
        "spec": {"nodeName": "n1", "containers": []},
    }))
    .unwrap();
    let vars = resolve(&pod, &container(spec), &sources(), &BTreeMap::new())?;
    // Each has the pod's name first, unless the spec says otherwise.
    Ok(vars
        .iter()
        .filter(|var| **var != ("HOSTNAME".to_owned(), "hello-7".to_owned()))
        .map(|(name, value)| format!("{name}={value}"))
        .collect::<Vec<_>>()
        .join(" "))
}

#[test]
fn a_whole_config_map_or_secret_comes_with_its_prefix_and_env_wins() {
    let spec = json!({
        "envFrom": [
            {"configMapRef": {"name": "paint"}},
            {"prefix": "S_", "secretRef": {"name": "keys"}},
        ],
        "env": [{"name": "SIZE", "value": "4"}],
    });
    assert_eq!(resolved(spec).unwrap(), "COLOR=red SIZE=4 S_TOKEN=s3cret");
}

#[test]
fn the_host_name_is_the_pods_unless_the_spec_says_another() {
    let pod: Pod = serde_json::from_value(json!({"metadata": {"name": "a".repeat(70)}})).unwrap();
    let first = |spec: Value| {
        let vars = resolve(&pod, &container(spec), &sources(), &BTreeMap::new()).unwrap();
        vars[0].clone()
    };
    assert_eq!(first(json!({})), ("HOSTNAME".to_owned(), "a".repeat(63)));
    let own = json!({"env": [{"name": "HOSTNAME", "value": "mine"}]});
    assert_eq!(first(own), ("HOSTNAME".to_owned(), "mine".to_owned()));
}

#[test]
fn single_keys_and_fields_of_the_pod() {
    let from = |name: &str, source: Value| json!({"name": name, "valueFrom": source});
    let field = |path: &str| json!({"fieldRef": {"fieldPath": path}});
    let spec = json!({
        "resources": {"limits": {"memory": "2Mi", "cpu": "250m"}},
        "env": [
            from("C", json!({"configMapKeyRef": {"name": "paint", "key": "COLOR"}})),
            from("T", json!({"secretKeyRef": {"name": "keys", "key": "TOKEN"}})),
            from("N", field("metadata.name")),
            from("L", field("metadata.labels['a/b']")),
            from("I", field("status.podIP")),
            from("M", json!({"resourceFieldRef": {"resource": "limits.memory"}})),
            from("P", json!({"resourceFieldRef": {"resource": "limits.cpu", "divisor": "1m"}})),
        ],
    });
    assert_eq!(resolved(spec).unwrap(), "C=red T=s3cret N=hello-7 L=L I=10.0.0.7 M=2097152 P=250");
}

#[test]
fn missing_sources_are_reported_in_the_kubelets_words() {
    let key = |source: Value| json!({"env": [{"name": "X", "valueFrom": source}]});
    for (spec, want) in [
        (json!({"envFrom": [{"configMapRef": {"name": "no"}}]}), r#"configmap "no" not found"#),
        (json!({"envFrom": [{"secretRef": {"name": "no"}}]}), r#"secret "no" not found"#),
        (
            key(json!({"configMapKeyRef": {"name": "paint", "key": "K"}})),
            "couldn't find key K in ConfigMap demo/paint",
        ),
        (
            key(json!({"secretKeyRef": {"name": "keys", "key": "K"}})),
            "couldn't find key K in Secret demo/keys",
        ),
        (key(json!({"fieldRef": {"fieldPath": "spec.x"}})), "unsupported fieldPath: spec.x"),
    ] {
        assert_eq!(resolved(spec).unwrap_err(), want);
    }
}

#[test]
fn optional_sources_may_be_missing() {
    let spec = json!({
        "envFrom": [{"configMapRef": {"name": "no", "optional": true}}],
        "env": [
            {"name": "X", "valueFrom": {"secretKeyRef":
                {"name": "keys", "key": "K", "optional": true}}},
            {"name": "Y", "value": "y"},
        ],
    });
    assert_eq!(resolved(spec).unwrap(), "Y=y");
}

#[test]
fn variables_expand_in_order() {
    let spec = json!({"env": [
        {"name": "A", "value": "1"},
        {"name": "B", "value": "$(A)-$(C)-$$(A)-$"},
        {"name": "C", "value": "3"},
    ]});
    assert_eq!(resolved(spec).unwrap(), "A=1 B=1-$(C)-$(A)-$ C=3");
}

#[test]
fn other_variables_expand_to_a_forced_port() {
    let overrides = BTreeMap::from([("PORT".to_owned(), "20001".to_owned())]);
    let spec = json!({"env": [
        {"name": "PORT", "value": "8080"},
        {"name": "URL", "value": "http://localhost:$(PORT)"},
    ]});
    let vars = resolve(&Pod::default(), &container(spec), &Sources::default(), &overrides).unwrap();
    assert_eq!(vars[0].1, "20001");
    assert_eq!(vars[1].1, "http://localhost:20001");
    let args = vec!["--port=$(PORT)".to_owned(), "$(NO)".to_owned()];
    assert_eq!(expand_all(Some(&args), &vars), ["--port=20001", "$(NO)"]);
}

#[test]
fn only_what_is_referred_to_is_fetched() {
    let spec = json!({
        "envFrom": [{"configMapRef": {"name": "a"}}],
        "env": [{"name": "X", "valueFrom": {"secretKeyRef": {"name": "b", "key": "k"}}}],
    });
    let (a, b) = ("a".to_owned(), "b".to_owned());
    let want = Wanted { config_maps: [a].into(), secrets: [b].into(), ..Wanted::default() };
    assert_eq!(wanted(&container(spec)), want);
}
