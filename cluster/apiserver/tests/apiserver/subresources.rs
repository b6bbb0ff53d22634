//! Subresources that have a body of their own: a Pod's Binding, a Namespace's finalizers, an account's
//! TokenRequest.

use rouse_apiserver::{Cluster, Storage};
use serde_json::{Value, json};

use crate::common::{Answer, ask, cluster_with};

const PODS: &str = "/api/v1/namespaces/default/pods";

fn message(answer: &Answer) -> String {
    answer.json()["message"].as_str().unwrap_or_default().to_owned()
}

async fn with_pod() -> Cluster {
    let cluster = cluster_with(Storage::Memory, Vec::new());
    let pod = json!({ "metadata": { "name": "p" }, "spec": { "containers": [{ "name": "c", "image": "i" }] } });
    let made = ask(&cluster, "POST", PODS, &[], pod.to_string()).await;
    assert_eq!(made.code, 201, "{}", made.json());
    cluster
}

fn binding(target: Value) -> String {
    json!({ "apiVersion": "v1", "kind": "Binding", "metadata": { "name": "p", "labels": { "a": "b" } },
        "target": target })
    .to_string()
}

#[tokio::test]
async fn a_binding_places_a_pod_once() {
    let cluster = with_pod().await;
    let path = format!("{PODS}/p/binding");
    let to = |node: &str| binding(json!({ "apiVersion": "v1", "kind": "Node", "name": node }));
    let pod = async || ask(&cluster, "GET", &format!("{PODS}/p"), &[], "").await.json();
    let dry = ask(&cluster, "POST", &format!("{path}?dryRun=All"), &[], to("n")).await;
    assert_eq!((dry.code, &pod().await["spec"]["nodeName"]), (201, &Value::Null));
    let bound = ask(&cluster, "POST", &path, &[], to("n")).await;
    let success = json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201 });
    assert_eq!((bound.code, bound.json()), (201, success));
    let placed = pod().await;
    assert_eq!(
        (&placed["spec"]["nodeName"], &placed["metadata"]["labels"]["a"]),
        (&json!("n"), &json!("b"))
    );
    let conditions = placed["status"]["conditions"].as_array().unwrap();
    assert!(conditions.iter().any(|c| c["type"] == "PodScheduled" && c["status"] == "True"));
    let again = ask(&cluster, "POST", &path, &[], to("m")).await;
    let why = "Operation cannot be fulfilled on pods/binding \"p\": pod p is already assigned to node \"n\"";
    assert_eq!((again.code, message(&again).as_str()), (409, why));
    assert_eq!(pod().await, placed);
}

#[tokio::test]
async fn a_binding_is_decoded_by_its_schema() {
    let cluster = with_pod().await;
    let path = format!("{PODS}/p/binding");
    for (body, code, words) in [
        ("[]".to_owned(), 400, "the object provided is unrecognized (must be of type Binding)"),
        ("null".to_owned(), 400, ""),
        (binding(json!([])), 400, "Binding in version \"v1\" cannot be handled as a Binding"),
        (
            binding(json!({ "name": 7 })),
            400,
            "Binding in version \"v1\" cannot be handled as a Binding",
        ),
        (binding(json!({})), 422, "Binding \"p\" is invalid: target.name: Required value"),
        (
            binding(json!({ "kind": "Pod", "name": "n" })),
            422,
            "Binding \"p\" is invalid: target.kind: Unsupported value: \"Pod\": supported values: \"Node\", \"<empty>\"",
        ),
        (
            json!({ "metadata": { "name": "q" }, "target": { "name": "n" } }).to_string(),
            400,
            "name in URL does not match name in Binding object",
        ),
        (
            json!({ "kind": "Pod", "metadata": { "name": "p" } }).to_string(),
            400,
            "Pod in version \"v1\"",
        ),
        (
            json!({ "metadata": { "name": "p", "uid": "other" }, "target": { "name": "n" } })
                .to_string(),
            409,
            "Operation cannot be fulfilled on pods \"p\": Precondition failed: UID in precondition: other",
        ),
    ] {
        let refused = ask(&cluster, "POST", &path, &[], body.clone()).await;
        assert_eq!(refused.code, code, "{body}: {}", refused.json());
        assert!(message(&refused).starts_with(words), "{body}: {}", message(&refused));
    }
    let strict = format!("{path}?fieldValidation=Strict");
    let odd = json!({ "metadata": { "name": "p" }, "target": { "name": "n" }, "x": 1 }).to_string();
    assert_eq!(ask(&cluster, "POST", &strict, &[], odd).await.code, 400);
    for method in ["GET", "PUT", "PATCH", "DELETE"] {
        assert_eq!(ask(&cluster, method, &path, &[], "{}").await.code, 405, "{method}");
    }
    let gone = ask(&cluster, "POST", &format!("{PODS}/q/binding"), &[], "{}").await;
    assert_eq!(gone.code, 400);
    let pod = ask(&cluster, "GET", &format!("{PODS}/p"), &[], "").await.json();
    assert_eq!(pod["spec"]["nodeName"], Value::Null);
}

#[tokio::test]
async fn finalizers_of_a_namespace_change_by_their_subresource_alone() {
    let cluster = cluster_with(Storage::Memory, Vec::new());
    let namespaces = "/api/v1/namespaces";
    let one = format!("{namespaces}/x");
    let body = |finalizers: Value| {
        json!({ "metadata": { "name": "x" }, "spec": { "finalizers": finalizers } }).to_string()
    };
    assert_eq!(ask(&cluster, "POST", namespaces, &[], body(json!(["kubernetes"]))).await.code, 201);
    let main = ask(&cluster, "PUT", &one, &[], body(json!([]))).await;
    assert_eq!((main.code, &main.json()["spec"]["finalizers"]), (200, &json!(["kubernetes"])));
    let path = format!("{one}/finalize");
    for (finalizers, code) in
        [(json!("x"), 400), (json!([7]), 400), (json!(["odd"]), 422), (json!(["-/-"]), 422)]
    {
        let refused = ask(&cluster, "PUT", &path, &[], body(finalizers.clone())).await;
        assert_eq!(refused.code, code, "{finalizers}: {}", refused.json());
    }
    assert_eq!(ask(&cluster, "PUT", &path, &[], "[]").await.code, 400);
    for method in ["GET", "POST", "PATCH", "DELETE"] {
        assert_eq!(ask(&cluster, method, &path, &[], "{}").await.code, 405, "{method}");
    }
    let more = ask(&cluster, "PUT", &path, &[], body(json!(["kubernetes", "x.io/y"]))).await;
    assert_eq!(more.json()["spec"]["finalizers"], json!(["kubernetes", "x.io/y"]));
    assert_eq!(ask(&cluster, "DELETE", &one, &[], "").await.code, 200);
    let still = ask(&cluster, "GET", &one, &[], "").await.json();
    assert_eq!(still["status"]["phase"], "Terminating");
    let dry = ask(&cluster, "PUT", &format!("{path}?dryRun=All"), &[], body(json!([]))).await;
    assert_eq!((dry.code, ask(&cluster, "GET", &one, &[], "").await.code), (200, 200));
    assert_eq!(ask(&cluster, "PUT", &path, &[], body(json!([]))).await.code, 200);
    assert_eq!(ask(&cluster, "GET", &one, &[], "").await.code, 404);
}

#[tokio::test]
async fn a_token_is_made_for_a_service_account_alone_and_by_a_request_for_one() {
    let cluster = with_pod().await;
    let accounts = "/api/v1/namespaces/default/serviceaccounts";
    let account = json!({ "metadata": { "name": "p" } }).to_string();
    assert_eq!(ask(&cluster, "POST", accounts, &[], account).await.code, 201);
    let path = format!("{accounts}/p/token");
    let made = ask(&cluster, "POST", &path, &[], "{}").await.json();
    assert_eq!(made["kind"], "TokenRequest");
    assert_eq!(made["status"]["token"].as_str().unwrap().split('.').count(), 3);
    let invalid = "TokenRequest.authentication.k8s.io";
    for (body, code, words) in [
        (
            json!({ "apiVersion": "v1", "kind": "Pod" }),
            400,
            "Pod in version \"v1\" cannot be handled as a TokenRequest: converting (v1.Pod) to \
             (authentication.TokenRequest): unknown conversion"
                .to_owned(),
        ),
        (
            json!({ "apiVersion": "v1", "kind": "TokenRequest" }),
            400,
            "the API version in the data (v1) does not match the expected API version \
             (authentication.k8s.io/v1)"
                .to_owned(),
        ),
        (
            json!({ "spec": { "audiences": "x" } }),
            400,
            "TokenRequest in version \"v1\" cannot be handled as a TokenRequest".to_owned(),
        ),
        (Value::Null, 400, String::new()),
        (
            json!({ "metadata": { "name": "q" } }),
            422,
            format!(
                "{invalid} \"p\" is invalid: metadata.name: Invalid value: \"q\": must match the \
                 service account name if specified"
            ),
        ),
        (
            json!({ "spec": { "expirationSeconds": 1 } }),
            422,
            format!("{invalid} \"\" is invalid: spec.expirationSeconds: Invalid value: 1"),
        ),
    ] {
        let refused = ask(&cluster, "POST", &path, &[], body.to_string()).await;
        assert_eq!(refused.code, code, "{body}: {}", refused.json());
        assert!(message(&refused).starts_with(&words), "{body}: {}", message(&refused));
    }
    assert_eq!(ask(&cluster, "GET", &path, &[], "").await.code, 405);
    for other in [format!("{PODS}/p/token"), "/api/v1/nodes/p/token".to_owned()] {
        assert_eq!(ask(&cluster, "POST", &other, &[], "{}").await.code, 404, "{other}");
    }
}

#[tokio::test]
async fn subresources_are_discovered_with_their_kinds_and_verbs() {
    let cluster = cluster_with(Storage::Memory, Vec::new());
    let core = ask(&cluster, "GET", "/api/v1", &[], "").await.json();
    let of = |name: &str| {
        let all = core["resources"].as_array().unwrap();
        all.iter().find(|r| r["name"] == name).map(|r| (r["kind"].clone(), r["verbs"].clone()))
    };
    for (name, kind, verbs) in [
        ("pods/binding", "Binding", json!(["create"])),
        ("pods/log", "Pod", json!(["get"])),
        ("pods/status", "Pod", json!(["get", "patch", "update"])),
        ("namespaces/finalize", "Namespace", json!(["update"])),
    ] {
        assert_eq!(of(name), Some((json!(kind), verbs)), "{name}");
    }
    assert_eq!(of("namespaces/scale"), None);
}
