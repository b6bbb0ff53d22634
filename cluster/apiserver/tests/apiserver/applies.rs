//! Server-side apply and managed fields, as requests and answers.

use rouse_apiserver::registry::{Actor, Change, Options, Part, Target};
use rouse_apiserver::{Cluster, Storage};
use serde_json::{Value, json};

use crate::common::{Answer, ask, cluster_with};

const MAP: &str = "/api/v1/namespaces/default/configmaps/c";
const WEB: &str = "/apis/apps/v1/namespaces/default/deployments/web";
const APPLY: (&str, &str) = ("content-type", "application/apply-patch+yaml");
const MERGE: (&str, &str) = ("content-type", "application/merge-patch+json");
const KUBECTL: (&str, &str) = ("user-agent", "kubectl/v1.32.4 (linux/amd64)");

fn cluster() -> Cluster {
    cluster_with(Storage::Memory, Vec::new())
}

async fn apply(cluster: &Cluster, path: &str, body: impl Into<String>) -> Answer {
    ask(cluster, "PATCH", path, &[APPLY], body.into()).await
}

async fn get(cluster: &Cluster, path: &str) -> Value {
    ask(cluster, "GET", path, &[], "").await.json()
}

fn map(data: Value) -> String {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "c" }, "data": data })
        .to_string()
}

fn web(replicas: Option<u32>) -> String {
    let mut web = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web" },
        "spec": { "selector": { "matchLabels": { "a": "b" } },
            "template": { "metadata": { "labels": { "a": "b" } },
                "spec": { "containers": [{ "name": "c", "image": "i" }] } } } });
    if let Some(replicas) = replicas {
        web["spec"]["replicas"] = replicas.into();
    }
    web.to_string()
}

/// `manager operation subresource` of each entry, and its fields.
fn managers(object: &Value) -> Vec<(String, Value)> {
    let entries = object["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let named = |e: &Value| {
        let words = [text(&e["manager"]), text(&e["operation"]), text(&e["subresource"])];
        (words.join(" ").trim().to_owned(), e["fieldsV1"].clone())
    };
    entries.iter().map(named).collect()
}

fn message(answer: &Answer) -> String {
    answer.json()["message"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn an_apply_creates_merges_and_does_nothing_the_second_time() {
    let cluster = cluster();
    let path = format!("{MAP}?fieldManager=me");
    let dry = apply(&cluster, &format!("{path}&dryRun=All"), map(json!({ "x": "1" }))).await;
    assert_eq!(dry.code, 201, "{}", dry.json());
    assert_eq!(get(&cluster, MAP).await["code"], 404);
    let made = apply(&cluster, &path, "apiVersion: v1\nkind: ConfigMap\ndata: {x: '1'}\n").await;
    assert_eq!((made.code, &made.json()["metadata"]["name"]), (201, &json!("c")));
    let again = apply(&cluster, &path, map(json!({ "x": "1" }))).await;
    assert_eq!((again.code, again.json()), (200, made.json()), "not even the version");
    let dry = apply(&cluster, &format!("{path}&dryRun=All"), map(json!({ "x": "2" }))).await;
    assert_eq!(dry.json()["data"]["x"], "2");
    assert_eq!(get(&cluster, MAP).await, made.json());
    let changed = apply(&cluster, &path, map(json!({ "y": "2" }))).await;
    assert_eq!(changed.json()["data"], json!({ "y": "2" }));
    assert_ne!(
        changed.json()["metadata"]["resourceVersion"],
        made.json()["metadata"]["resourceVersion"]
    );
}

#[tokio::test]
async fn defaults_are_nobodys_and_do_not_make_a_write_of_an_apply() {
    let cluster = cluster();
    let path = format!("{WEB}?fieldManager=me");
    let made = apply(&cluster, &path, web(None)).await;
    assert_eq!(made.code, 201, "{}", made.json());
    assert_eq!(made.json()["spec"]["replicas"], 1);
    let (_, fields) = managers(&made.json()).remove(0);
    assert_eq!(fields["f:spec"].get("f:replicas"), None);
    assert_eq!(apply(&cluster, &path, web(None)).await.json(), made.json());
    let other = format!("{WEB}?fieldManager=other");
    let two = apply(
        &cluster,
        &other,
        r#"{"apiVersion":"apps/v1","kind":"Deployment","spec":{"replicas":2}}"#,
    )
    .await;
    assert_eq!((two.code, &two.json()["spec"]["replicas"]), (200, &json!(2)), "no conflict");
    assert_eq!(two.json()["metadata"]["generation"], 2);
}

#[tokio::test]
async fn every_client_has_its_entry() {
    let cluster = cluster();
    let maps = MAP.trim_end_matches("/c");
    let made = ask(&cluster, "POST", maps, &[KUBECTL], map(json!({ "x": "1" }))).await;
    assert_eq!(made.code, 201);
    assert_eq!(
        managers(&made.json()),
        [("kubectl Update".to_owned(), json!({ "f:data": { ".": {}, "f:x": {} } }))]
    );
    let patched = ask(
        &cluster,
        "PATCH",
        &format!("{MAP}?fieldManager=me"),
        &[MERGE],
        r#"{"data":{"y":"2"}}"#,
    )
    .await;
    assert_eq!(
        managers(&patched.json())[1],
        ("me Update".to_owned(), json!({ "f:data": { "f:y": {} } }))
    );
    let mut replaced = patched.json();
    replaced["metadata"].as_object_mut().unwrap().remove("managedFields");
    replaced["data"]["y"] = "3".into();
    let put = ask(&cluster, "PUT", MAP, &[("user-agent", "curl/8")], replaced.to_string()).await;
    let names: Vec<String> = managers(&put.json()).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(names.contains(&"curl Update".to_owned()));
    for forget in ["[]", "[{}]"] {
        let body = format!(r#"{{"metadata":{{"managedFields":{forget}}}}}"#);
        let reset = ask(&cluster, "PATCH", MAP, &[MERGE, KUBECTL], body).await;
        assert_eq!((reset.code, managers(&reset.json())), (200, Vec::new()), "{}", reset.json());
    }
    // Without a name and a user agent it is a part of the platform, which is not tracked.
    let quiet = map(json!({})).replace("\"c\"", "\"quiet\"");
    let quiet = ask(&cluster, "POST", maps, &[], quiet).await;
    assert_eq!(managers(&quiet.json()), []);
}

#[tokio::test]
async fn subresources_are_owned_apart() {
    let cluster = cluster();
    let path = format!("{WEB}?fieldManager=me");
    assert_eq!(apply(&cluster, &path, web(Some(1))).await.code, 201);
    let status = r#"{"status":{"replicas":1}}"#;
    let wrote =
        ask(&cluster, "PATCH", &format!("{WEB}/status?fieldManager=s"), &[MERGE], status).await;
    let entry = ("s Update status".to_owned(), json!({ "f:status": { "f:replicas": {} } }));
    assert!(managers(&wrote.json()).contains(&entry), "{:?}", managers(&wrote.json()));
    let applied = r#"{"apiVersion":"apps/v1","kind":"Deployment","spec":{"replicas":9},"status":{"readyReplicas":1}}"#;
    let wrote = apply(&cluster, &format!("{WEB}/status?fieldManager=t"), applied).await;
    assert_eq!(wrote.code, 200, "{}", wrote.json());
    assert_eq!(wrote.json()["spec"]["replicas"], 1, "a status apply changes the status alone");
    let entry = ("t Apply status".to_owned(), json!({ "f:status": { "f:readyReplicas": {} } }));
    assert!(managers(&wrote.json()).contains(&entry), "{:?}", managers(&wrote.json()));
    let scale = r#"{"apiVersion":"autoscaling/v1","kind":"Scale","spec":{"replicas":4}}"#;
    let refused = apply(&cluster, &format!("{WEB}/scale?fieldManager=hpa"), scale).await;
    assert_eq!(
        (refused.code, message(&refused).as_str()),
        (409, "Apply failed with 1 conflict: conflict with \"me\": .spec.replicas")
    );
    let forced = apply(&cluster, &format!("{WEB}/scale?fieldManager=hpa&force=true"), scale).await;
    assert_eq!((forced.code, &forced.json()["spec"]["replicas"]), (200, &json!(4)));
    let entry = ("hpa Apply scale".to_owned(), json!({ "f:spec": { "f:replicas": {} } }));
    assert!(managers(&get(&cluster, WEB).await).contains(&entry));
    let refused = apply(&cluster, &path, web(Some(1))).await;
    assert_eq!(
        message(&refused),
        "Apply failed with 1 conflict: conflict with \"hpa\" with subresource \"scale\": .spec.replicas"
    );
    let missing = apply(
        &cluster,
        "/apis/apps/v1/namespaces/default/deployments/no/status?fieldManager=t",
        applied,
    )
    .await;
    assert_eq!(missing.code, 404);
}

#[tokio::test]
async fn client_side_apply_migrates_as_kubectl_does_it() {
    let cluster = cluster();
    let last = map(json!({ "x": "1" }));
    let mut object: Value = serde_json::from_str(&last).unwrap();
    object["metadata"]["annotations"] =
        json!({ "kubectl.kubernetes.io/last-applied-configuration": last });
    let maps = format!("{}?fieldManager=kubectl-client-side-apply", MAP.trim_end_matches("/c"));
    let made = ask(&cluster, "POST", &maps, &[KUBECTL], object.to_string()).await.json();
    let mut entries = made["metadata"]["managedFields"].clone();
    entries[0]["manager"] = "kubectl".into();
    entries[0]["operation"] = "Apply".into();
    let patch = json!([
        { "op": "replace", "path": "/metadata/managedFields", "value": entries },
        { "op": "replace", "path": "/metadata/resourceVersion", "value": made["metadata"]["resourceVersion"] },
    ]);
    let json_patch = ("content-type", "application/json-patch+json");
    let migrated = ask(&cluster, "PATCH", MAP, &[json_patch, KUBECTL], patch.to_string()).await;
    assert_eq!(migrated.code, 200, "{}", migrated.json());
    assert_eq!(managers(&migrated.json()).len(), 1);
    assert_eq!(managers(&migrated.json())[0].0, "kubectl Apply");
    let applied =
        apply(&cluster, &format!("{MAP}?fieldManager=kubectl"), map(json!({ "y": "2" }))).await;
    assert_eq!((applied.code, &applied.json()["data"]), (200, &json!({ "y": "2" })));
}

#[tokio::test]
async fn bad_applies_are_refused_and_change_nothing() {
    let cluster = cluster();
    assert_eq!(
        apply(&cluster, &format!("{MAP}?fieldManager=me"), map(json!({ "x": "1" }))).await.code,
        201
    );
    let before = get(&cluster, MAP).await;
    let long = format!("{MAP}?fieldManager={}", "m".repeat(129));
    let named = format!("{MAP}?fieldManager=me");
    let strict = format!("{named}&fieldValidation=Strict");
    let doubled = r#"{"apiVersion":"v1","kind":"ConfigMap","data":{"x":"1","x":"2"}}"#;
    let other_name = map(json!({})).replace("\"c\"", "\"d\"");
    for (path, body, code, start) in [
        (named.as_str(), "[]", 400, "error decoding YAML"),
        (&named, "{", 400, "error decoding YAML"),
        (&named, "{}", 400, "invalid object type: , Kind="),
        (
            &named,
            r#"{"apiVersion":"v1","kind":"Secret"}"#,
            400,
            "invalid object type: v1, Kind=Secret",
        ),
        (
            &named,
            other_name.as_str(),
            400,
            "the name of the object (d) does not match the name on the URL (c)",
        ),
        (
            &named,
            r#"{"apiVersion":"v1","kind":"ConfigMap","dta":{}}"#,
            500,
            "failed to create typed patch object",
        ),
        (
            &named,
            r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"resourceVersion":"1"},"data":{"x":"7"}}"#,
            409,
            "Operation cannot be fulfilled",
        ),
        (&strict, doubled, 400, "error strict decoding YAML: duplicate field \"data.x\""),
        (&long, doubled, 422, "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Too long"),
        (
            MAP,
            doubled,
            422,
            "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch",
        ),
    ] {
        let refused = apply(&cluster, path, body).await;
        assert_eq!(refused.code, code, "{path} {body}: {}", refused.json());
        assert!(message(&refused).starts_with(start), "{}", message(&refused));
        assert_eq!(get(&cluster, MAP).await, before);
    }
    let warned = apply(&cluster, &named, doubled).await;
    assert_eq!(
        (warned.code, warned.header("warning")),
        (200, "299 - \"duplicate field \\\"data.x\\\"\"")
    );
    let forced = ask(&cluster, "PATCH", &format!("{MAP}?force=true"), &[MERGE], "{}").await;
    assert_eq!(forced.code, 422);
    assert!(
        message(&forced).ends_with("force: Forbidden: may not be specified for non-apply patch")
    );
}

#[tokio::test]
async fn built_in_controllers_are_tracked_once_an_object_is_applied() {
    let cluster = cluster();
    let registry = cluster.registry();
    let kind = registry.builtin("", "v1", "ConfigMap");
    let target = Target { resource: &kind, namespace: "default", name: "c" };
    let trusted = Options::of(Actor::trusted("system:kube-controller-manager"));
    let edit = |value: &'static str| move |object: &mut Value| object["data"]["t"] = value.into();
    let maps = MAP.trim_end_matches("/c");
    assert_eq!(ask(&cluster, "POST", maps, &[KUBECTL], map(json!({ "x": "1" }))).await.code, 201);
    registry.write(target, Change::Edit(Part::Main, &edit("1")), &trusted).unwrap();
    assert_eq!(managers(&get(&cluster, MAP).await).len(), 1, "not before");
    assert_eq!(
        apply(&cluster, &format!("{MAP}?fieldManager=me"), map(json!({ "y": "1" }))).await.code,
        200
    );
    registry.write(target, Change::Edit(Part::Main, &edit("2")), &trusted).unwrap();
    let entry = ("kube-controller-manager Update".to_owned(), json!({ "f:data": { "f:t": {} } }));
    assert!(managers(&get(&cluster, MAP).await).contains(&entry));
}

#[tokio::test]
async fn kinds_that_have_no_effect_say_so_at_every_write() {
    let cluster = cluster();
    let path = "/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles/r?fieldManager=me";
    let role = |verb: &str| {
        json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": { "name": "r" },
            "rules": [{ "apiGroups": [""], "resources": ["pods"], "verbs": [verb] }] })
        .to_string()
    };
    let warning = "299 - \"roles.rbac.authorization.k8s.io are stored here, and nothing acts on them: they have no effect\"";
    let made = apply(&cluster, path, role("get")).await;
    assert_eq!((made.code, made.header("warning")), (201, warning), "{}", made.json());
    let changed = apply(&cluster, path, role("list")).await;
    assert_eq!((changed.code, changed.header("warning")), (200, warning));
}
