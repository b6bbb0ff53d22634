//! Invalid bodies of writes: refused in Kubernetes' words, and nothing changes.

use rouse_apiserver::{Cluster, Storage};
use serde_json::{Value, json};

use crate::common::{Answer, ask, cluster_with};

const WEB: &str = "/apis/apps/v1/namespaces/default/deployments/web";

async fn cluster() -> Cluster {
    let cluster = cluster_with(Storage::Memory, Vec::new());
    let web = json!({ "metadata": { "name": "web" }, "spec": { "replicas": 2,
        "selector": { "matchLabels": { "a": "b" } }, "template": { "metadata": { "labels": { "a": "b" } },
        "spec": { "containers": [{ "name": "c", "image": "i" }] } } } });
    let path = WEB.trim_end_matches("/web");
    let made = ask(&cluster, "POST", path, &[], web.to_string()).await;
    assert_eq!(made.code, 201, "{}", made.json());
    cluster
}

async fn web(cluster: &Cluster) -> Value {
    ask(cluster, "GET", WEB, &[], "").await.json()
}

fn message(answer: &Answer) -> String {
    answer.json()["message"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_scale_is_decoded_by_its_schema() {
    let cluster = cluster().await;
    let before = web(&cluster).await;
    let path = format!("{WEB}/scale");
    let merge = [("content-type", "application/merge-patch+json")];
    let typed = |got: &str| {
        format!(
            "Scale in version \"v1\" cannot be handled as a Scale: json: cannot unmarshal {got} into Go struct field ScaleSpec.spec.replicas of type int32"
        )
    };
    for (replicas, got) in [
        (json!("3"), "string"),
        (json!("x"), "string"),
        (json!([]), "array"),
        (json!(2_147_483_648_i64), "number 2147483648"),
        (json!(0.5), "number 0.5"),
    ] {
        let body = json!({ "metadata": { "name": "web" }, "spec": { "replicas": replicas } });
        for (method, headers) in [("PUT", &[][..]), ("PATCH", &merge[..])] {
            let refused = ask(&cluster, method, &path, headers, body.to_string()).await;
            assert_eq!((refused.code, message(&refused)), (400, typed(got)), "{method} {body}");
        }
    }
    for (method, headers, body, start) in [
        (
            "PUT",
            &[][..],
            json!([]),
            "the object provided is unrecognized (must be of type Scale): couldn't get version/kind; json parse error: json: cannot unmarshal array into Go value of type struct",
        ),
        (
            "PUT",
            &[][..],
            json!({ "kind": "Pod", "apiVersion": "v1", "metadata": { "name": "web" } }),
            "Pod in version \"v1\" cannot be handled as a Scale",
        ),
        (
            "PATCH",
            &merge[..],
            json!({ "kind": "Pod" }),
            "Pod in version \"v1\" cannot be handled as a Scale",
        ),
        (
            "PUT",
            &[][..],
            json!({ "metadata": { "name": "other" }, "spec": { "replicas": 1 } }),
            "the name of the object (other) does not match",
        ),
        ("PATCH", &merge[..], json!([]), ""),
    ] {
        let refused = ask(&cluster, method, &path, headers, body.to_string()).await;
        assert_eq!(refused.code, 400, "{method} {body}: {}", refused.json());
        assert!(message(&refused).starts_with(start), "{}", message(&refused));
    }
    let negative = json!({ "spec": { "replicas": -1 } });
    let refused = ask(&cluster, "PATCH", &path, &merge, negative.to_string()).await;
    assert_eq!(refused.code, 422, "{}", refused.json());
    assert_eq!(web(&cluster).await, before, "nothing changed");
    let dry_path = format!("{path}?dryRun=All");
    let dry = ask(&cluster, "PATCH", &dry_path, &merge, r#"{"spec":{"replicas":7}}"#).await;
    assert_eq!(dry.json()["spec"]["replicas"], 7);
    assert_eq!(web(&cluster).await, before, "a dry run changes nothing");
    let five = json!({ "kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": { "name": "web" },
        "spec": { "replicas": 5 } });
    let scaled = ask(&cluster, "PUT", &path, &[], five.to_string()).await;
    assert_eq!((scaled.code, scaled.json()["spec"]["replicas"].as_i64()), (200, Some(5)));
    let stale =
        json!({ "metadata": { "name": "web", "resourceVersion": "1" }, "spec": { "replicas": 6 } });
    assert_eq!(ask(&cluster, "PUT", &path, &[], stale.to_string()).await.code, 409);
    assert_eq!(web(&cluster).await["spec"]["replicas"], 5);
}

#[tokio::test]
async fn delete_options_are_decoded_by_type_wherever_they_stand() {
    let cluster = cluster().await;
    for body in
        ["[]", "7", "\"x\"", "null", r#"{"gracePeriodSeconds":"x"}"#, r#"{"propagationPolicy":[]}"#]
    {
        for query in ["", "?gracePeriodSeconds=0&propagationPolicy=Background"] {
            if body.starts_with('{') && !query.is_empty() {
                // The query overrides the body in both.
                continue;
            }
            let refused = ask(&cluster, "DELETE", &format!("{WEB}{query}"), &[], body).await;
            assert_eq!(refused.code, 400, "{body} {query}: {}", refused.json());
        }
        let all = WEB.trim_end_matches("/web");
        assert_eq!(ask(&cluster, "DELETE", all, &[], body).await.code, 400, "{body}");
    }
    let refused = ask(&cluster, "DELETE", &format!("{WEB}?gracePeriodSeconds=x"), &[], "").await;
    assert_eq!(
        (refused.code, message(&refused).as_str()),
        (400, "strconv.ParseInt: parsing \"x\": invalid syntax")
    );
    let later = ask(&cluster, "DELETE", &format!("{WEB}?propagationPolicy=Later"), &[], "").await;
    assert_eq!(later.code, 422);
    assert_eq!(web(&cluster).await["metadata"]["name"], "web");
    let dry = ask(&cluster, "DELETE", WEB, &[], r#"{"dryRun":["All"]}"#).await;
    assert_eq!(dry.code, 200);
    assert_eq!(web(&cluster).await["metadata"]["name"], "web");
    let gone = ask(&cluster, "DELETE", &format!("{WEB}?gracePeriodSeconds=-9"), &[], "").await;
    assert_eq!(gone.code, 200);
    assert_eq!(ask(&cluster, "GET", WEB, &[], "").await.code, 404);
}
