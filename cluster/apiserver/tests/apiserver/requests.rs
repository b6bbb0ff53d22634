//! Options and bodies of requests: taken as Kubernetes takes them, or refused in its words.

use rouse_apiserver::{Cluster, Storage};
use serde_json::{Value, json};

use crate::common::{Answer, ask, cluster_with};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const YAML: &[(&str, &str)] = &[("content-type", "application/yaml")];

fn message(answer: &Answer) -> String {
    answer.json()["message"].as_str().unwrap_or_default().to_owned()
}

async fn with_map() -> Cluster {
    let cluster = cluster_with(Storage::Memory, Vec::new());
    let map = json!({ "metadata": { "name": "m" }, "data": { "a": "b" } });
    assert_eq!(ask(&cluster, "POST", MAPS, &[], map.to_string()).await.code, 201);
    cluster
}

#[tokio::test]
async fn a_body_may_be_yaml() {
    let cluster = with_map().await;
    let map =
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: two}\ndata:\n  text: |\n    a\n    b\n";
    let made = ask(&cluster, "POST", MAPS, YAML, map).await;
    assert_eq!((made.code, &made.json()["data"]["text"]), (201, &json!("a\nb\n")));
    let replaced = map.replace("    b\n", "");
    let put = ask(&cluster, "PUT", &format!("{MAPS}/two"), YAML, replaced).await;
    assert_eq!((put.code, &put.json()["data"]["text"]), (200, &json!("a\n")));
    let pod = "metadata: {name: p}\nspec:\n  containers: [{name: c, image: i}]\n  volumes:\n  - name: v\n    configMap: {name: two, defaultMode: 0644}\n";
    let pods = "/api/v1/namespaces/default/pods";
    let made = ask(&cluster, "POST", pods, YAML, pod).await;
    let mode = &made.json()["spec"]["volumes"][0]["configMap"]["defaultMode"];
    assert_eq!((made.code, mode), (201, &json!(420)), "{}", made.json());
    let how = "propagationPolicy: Background\n";
    assert_eq!(ask(&cluster, "DELETE", &format!("{MAPS}/two"), YAML, how).await.code, 200);
    for body in ["- a", "7", "a: [", "a: b: c", "a: 1\na: 2\n", "", "\u{0}"] {
        let refused = ask(&cluster, "POST", MAPS, YAML, body).await;
        assert_eq!(refused.code, 400, "{body:?}: {}", refused.json());
    }
    let deep = "[".repeat(20_000);
    assert_eq!(ask(&cluster, "POST", MAPS, YAML, format!("a: {deep}")).await.code, 400);
    let bomb = (1..30).fold("a0: &a0 [x, x]\n".to_owned(), |text, n| {
        format!("{text}a{n}: &a{n} [*a{m}, *a{m}]\n", m = n - 1)
    });
    assert_eq!(ask(&cluster, "POST", MAPS, YAML, bomb).await.code, 400);
    let unknown = format!("{MAPS}?fieldValidation=Strict");
    let refused = ask(&cluster, "POST", &unknown, YAML, "metadata: {name: z}\nodd: 1\n").await;
    assert!(message(&refused).contains("unknown field \"odd\""), "{}", message(&refused));
}

#[tokio::test]
async fn options_of_a_list_that_are_no_numbers_are_refused() {
    let cluster = with_map().await;
    let version = "invalid resource version: resourceVersion: Invalid value: \"abc\": strconv.ParseUint: parsing \"abc\": invalid syntax";
    for (query, code, words) in [
        ("resourceVersion=abc", 400, version),
        ("resourceVersion=-1", 400, "invalid resource version"),
        ("limit=-1", 400, "limit: Invalid value: -1: must be greater than or equal to 0"),
        ("limit=abc", 400, "strconv.ParseInt: parsing \"abc\": invalid syntax"),
        (
            "limit=9223372036854775808",
            400,
            "strconv.ParseInt: parsing \"9223372036854775808\": value out of range",
        ),
        ("watch=1&timeoutSeconds=abc", 400, "strconv.ParseInt: parsing \"abc\": invalid syntax"),
        ("watch=1&timeoutSeconds=0", 200, ""),
        ("limit=0&resourceVersion=0", 200, ""),
        ("limit=9223372036854775807", 200, ""),
    ] {
        let answer = ask(&cluster, "GET", &format!("{MAPS}?{query}"), &[], "").await;
        assert_eq!(answer.code, code, "{query}: {}", answer.json());
        assert!(message(&answer).starts_with(words), "{query}: {}", message(&answer));
    }
    let one = ask(&cluster, "GET", &format!("{MAPS}/m?resourceVersion=abc"), &[], "").await;
    assert_eq!((one.code, message(&one).as_str()), (400, version));
}

#[tokio::test]
async fn a_patch_cannot_rename_or_move_an_object() {
    let cluster = with_map().await;
    let path = format!("{MAPS}/m");
    let merge = [("content-type", "application/merge-patch+json")];
    let json_patch = [("content-type", "application/json-patch+json")];
    let strategic = [("content-type", "application/strategic-merge-patch+json")];
    let renamed = "the name of the object (other) does not match the name on the URL (m)";
    let nameless =
        "the name of the object (m based on URL) was undeterminable: name must be provided";
    let moved =
        "the namespace of the object (other) does not match the namespace on the request (default)";
    for (headers, body, words) in [
        (&merge, r#"{"metadata":{"name":"other"}}"#, renamed),
        (&strategic, r#"{"metadata":{"name":"other"}}"#, renamed),
        (&json_patch, r#"[{"op":"replace","path":"/metadata/name","value":"other"}]"#, renamed),
        (&json_patch, r#"[{"op":"remove","path":"/metadata/name"}]"#, nameless),
        (&merge, r#"{"metadata":{"name":null}}"#, nameless),
        (&merge, r#"{"metadata":{"namespace":"other"}}"#, moved),
    ] {
        let refused = ask(&cluster, "PATCH", &path, headers, body).await;
        assert_eq!((refused.code, message(&refused).as_str()), (400, words), "{body}");
    }
    let same =
        ask(&cluster, "PATCH", &path, &merge, r#"{"metadata":{"name":"m"},"data":{"a":"c"}}"#)
            .await;
    assert_eq!((same.code, &same.json()["data"]["a"]), (200, &json!("c")));
}

#[tokio::test]
async fn a_definition_whose_default_does_not_fit_is_refused() {
    let cluster = with_map().await;
    let crd = |default: Value| {
        json!({ "metadata": { "name": "tests.x.io" }, "spec": { "group": "x.io", "scope": "Namespaced",
            "names": { "plural": "tests", "kind": "Test" }, "versions": [{ "name": "v1", "served": true,
                "storage": true, "schema": { "openAPIV3Schema": { "type": "object", "properties": {
                    "spec": { "type": "object", "properties": {
                        "n": { "type": "integer", "default": default } } } } } } }] } })
    };
    let crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let refused = ask(&cluster, "POST", crds, &[], crd(json!("x")).to_string()).await;
    let at = "spec.validation.openAPIV3Schema.properties[spec].properties[n].default";
    assert_eq!(refused.code, 422, "{}", refused.json());
    assert_eq!(
        message(&refused),
        format!(
            "CustomResourceDefinition.apiextensions.k8s.io \"tests.x.io\" is invalid: {at}: Invalid value: \"string\": {at} in body must be of type integer: \"string\""
        )
    );
    assert_eq!(ask(&cluster, "POST", crds, &[], crd(json!(3)).to_string()).await.code, 201);
}

#[tokio::test]
async fn a_patch_that_would_fill_the_memory_is_refused() {
    let cluster = with_map().await;
    let path = format!("{MAPS}/m");
    let media = [("content-type", "application/json-patch+json")];
    let before = ask(&cluster, "GET", &path, &[], "").await.json();
    for count in [20, 30, 1_000] {
        let copies: Value = (0..count)
            .map(|n| json!({ "op": "copy", "from": "", "path": format!("/data/c{n}") }))
            .collect();
        let refused = ask(&cluster, "PATCH", &path, &media, copies.to_string()).await;
        assert_eq!(refused.code, 422, "{}", refused.json());
        let words = "the server rejected our request due to an error in our request: Unable to complete the copy, the accumulated size increase of copy is";
        assert!(message(&refused).starts_with(words), "{}", message(&refused));
    }
    let tests: Value =
        std::iter::repeat_n(json!({ "op": "test", "path": "/kind", "value": "ConfigMap" }), 10_001)
            .collect();
    let refused = ask(&cluster, "PATCH", &path, &media, tests.to_string()).await;
    assert_eq!(
        (refused.code, message(&refused).as_str()),
        (
            413,
            "Request entity too large: The allowed maximum operations in a JSON patch is 10000, got 10001"
        )
    );
    assert_eq!(refused.json()["reason"], "RequestEntityTooLarge");
    assert_eq!(ask(&cluster, "GET", &path, &[], "").await.json(), before);
}

#[tokio::test]
async fn an_object_does_not_grow_without_end_by_small_patches() {
    let cluster = cluster_with(Storage::Memory, Vec::new());
    let pods = "/api/v1/namespaces/default/pods";
    let pod = json!({ "metadata": { "name": "p" }, "spec": { "containers": [{ "name": "c", "image": "i" }] } });
    assert_eq!(ask(&cluster, "POST", pods, &[], pod.to_string()).await.code, 201);
    let merge = [("content-type", "application/merge-patch+json")];
    let status = format!("{pods}/p/status");
    let mut codes = Vec::new();
    for (n, field) in ["message", "reason", "nominatedNodeName", "phase"].into_iter().enumerate() {
        let patch = json!({ "status": { field: "x".repeat(1 << 20) } }).to_string();
        let answer = ask(&cluster, "PATCH", &status, &merge, patch).await;
        codes.push(answer.code);
        if n == 3 {
            assert!(message(&answer).starts_with("Request entity too large: limit is 3145728"));
        }
    }
    assert_eq!(codes[0], 200);
    assert_eq!(codes[3], 413, "{codes:?}");
    let stored = ask(&cluster, "GET", &format!("{pods}/p"), &[], "").await;
    assert!(stored.body.len() < 3 << 20);
}

#[tokio::test]
async fn a_selector_of_too_many_requirements_is_refused() {
    let cluster = with_map().await;
    let many = vec!["a"; 1_001].join(",");
    for query in ["labelSelector", "watch=1&labelSelector"] {
        let refused = ask(&cluster, "GET", &format!("{MAPS}?{query}={many}"), &[], "").await;
        assert_eq!(refused.code, 400);
    }
    let refused = ask(&cluster, "DELETE", &format!("{MAPS}?labelSelector={many}"), &[], "").await;
    assert_eq!(refused.code, 400);
}
