//! One manifest in many spellings, written in many ways, is one Revision, and no order of writes blocks a Service.

use rouse_api::{Revision, Service};
use serde_json::{Value, json};

use crate::harness::{Platform, condition};

/// Numbers that look random and are the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end
    }
}

/// As people write it.
fn manifest(value: usize) -> Value {
    json!({
        "apiVersion": "serving.knative.dev/v1", "kind": "Service",
        "metadata": { "name": "hello", "namespace": "shop" },
        "spec": { "template": { "spec": { "containers": [{
            "image": "digits:1",
            "env": [{ "name": "A", "value": value.to_string() }, { "name": "EMPTY" }],
            "ports": [{ "containerPort": 9000 }],
            "resources": { "limits": { "cpu": "1", "memory": "512Mi" } },
        }] } } },
    })
}

/// Changes to a template's spec that keep its meaning.
const SPELLINGS: [fn(&mut Value); 9] = [
    |_| {},
    |spec| spec["enableServiceLinks"] = json!(false),
    |spec| spec["nodeSelector"] = json!({}),
    |spec| spec["volumes"] = json!([]),
    |spec| spec["serviceAccountName"] = json!(""),
    |spec| spec["containers"][0]["name"] = json!("user-container"),
    |spec| spec["containers"][0]["env"][1]["value"] = json!(""),
    |spec| spec["containers"][0]["command"] = Value::Null,
    |spec| {
        spec["timeoutSeconds"] = json!(300);
        spec["containers"][0]["readinessProbe"] =
            json!({ "tcpSocket": { "port": 0 }, "initialDelaySeconds": 0 });
    },
];

/// Writes a spelling of the manifest in one of the ways that clients have.
async fn write(platform: &Platform, value: usize, random: &mut Random) {
    let mut wanted = manifest(value);
    for _ in 0..random.below(4) {
        SPELLINGS[random.below(SPELLINGS.len())](&mut wanted["spec"]["template"]["spec"]);
    }
    match random.below(4) {
        // kubectl replace of a manifest
        0 => platform.replace::<Service>(&wanted).await,
        // kubectl edit: everything that the server said comes back
        1 => {
            let mut whole = platform.get::<Service>("hello").await;
            let env = &mut whole["spec"]["template"]["spec"]["containers"][0]["env"];
            env[0]["value"] = json!(value.to_string());
            platform.replace::<Service>(&whole).await;
        }
        // the same by a client that drops fields it does not know
        2 => {
            let mut whole = platform.get::<Service>("hello").await;
            let spec = &mut whole["spec"]["template"]["spec"];
            spec.as_object_mut().unwrap().remove("enableServiceLinks");
            spec["containers"][0]["env"][0]["value"] = json!(value.to_string());
            platform.replace::<Service>(&whole).await;
        }
        _ => platform.patch::<Service>("hello", &json!({ "spec": wanted["spec"] })).await,
    }
}

#[tokio::test]
async fn equivalent_manifests_make_one_revision_and_no_order_of_writes_blocks_a_service() {
    let mut random = Random(2026);
    for life in 0..6 {
        let platform = Platform::start().await;
        platform.create::<Service>(&manifest(0)).await;
        platform.wait::<Service>("hello", |s| condition(s, "Ready") == "True").await;
        let (mut value, mut revisions) = (0, 1);
        for step in 0..8 {
            let changes = random.below(3) == 0;
            if changes {
                value += 1;
                revisions += 1;
            }
            write(&platform, value, &mut random).await;
            let service = platform
                .wait::<Service>("hello", |s| {
                    s["status"]["observedGeneration"] == s["metadata"]["generation"]
                        && condition(s, "Ready") == "True"
                })
                .await;
            let named = format!("hello-{revisions:05}");
            assert_eq!(
                service["status"]["latestReadyRevisionName"], named,
                "{life} {step}: {service:#}"
            );
            assert_eq!(platform.names::<Revision>().await.len(), revisions, "{life} {step}");
            let env = &platform.get::<Revision>(&named).await["spec"]["containers"][0]["env"];
            assert_eq!(
                env,
                &json!([{ "name": "A", "value": value.to_string() }, { "name": "EMPTY" }])
            );
        }
    }
}
