//! Fields of a pod that `config-features` admits, on a cluster where it does.

use anyhow::ensure;
use rouse_tests::wait;
use serde_json::{Value, json};

use crate::Case;
use crate::cluster::{EVERY, READY, Runtime, Space, condition};
use crate::manifests::{env, service, set};

/// What the cluster of these tests admits.
pub(crate) const FEATURES: &[&str] = &[
    "kubernetes.podspec-init-containers",
    "kubernetes.podspec-fieldref",
    "kubernetes.podspec-securitycontext",
    "kubernetes.podspec-persistent-volume-claim",
    "kubernetes.podspec-persistent-volume-write",
    "multi-container-probing",
];

pub(crate) const CASES: &[Case] = &[
    ("s6_2::init_containers_run_one_after_the_other_before_all_others", init),
    ("s6_2::a_failing_init_container_keeps_the_revision_from_ready", failing_init),
    ("s1_3::fields_of_the_pod_in_the_environment", fields),
    ("s1_1::a_claim_outlives_its_pods", claim),
    ("s3_3::a_pods_security_context_is_admitted_and_followed", security),
    ("s6_2::the_probe_of_a_second_container_counts", second_probe),
];

/// A container that writes `text` behind what a file of the volume `v` holds, and ends.
fn writer(space: &Space<'_>, name: &str, text: &str) -> Value {
    json!({ "name": name, "image": space.cluster.image,
        "command": ["/app/test-server", "append", "/srv/v/note", text],
        "volumeMounts": [{ "name": "v", "mountPath": "/srv/v" }] })
}

/// A Service with an empty folder at `/srv/v`, and these containers before its own.
fn with_init(space: &Space<'_>, first: &[Value]) -> Value {
    let mounts = json!({ "volumeMounts": [{ "name": "v", "mountPath": "/srv/v" }] });
    let mut made = service(space, "hello", mounts);
    set(&mut made, "spec.template.spec.initContainers", json!(first));
    set(&mut made, "spec.template.spec.volumes", json!([{ "name": "v", "emptyDir": {} }]));
    made
}

fn init(space: &Space<'_>) -> anyhow::Result<()> {
    let both = [writer(space, "first", "one"), writer(space, "second", "two")];
    let ksvc = space.deploy(&with_init(space, &both))?;
    assert_eq!(space.body(&ksvc, "/file/srv/v/note")?, "one\ntwo\n");
    let pod = space.pods("hello")?.pop().unwrap_or_default();
    for index in 0..2 {
        let ended = &pod["status"]["initContainerStatuses"][index]["state"]["terminated"];
        assert_eq!(
            (&ended["exitCode"], &ended["reason"]),
            (&json!(0), &json!("Completed")),
            "{pod}"
        );
    }
    assert_eq!(condition(&pod, "Initialized")["status"], "True");
    Ok(())
}

fn failing_init(space: &Space<'_>) -> anyhow::Result<()> {
    let mut fails = writer(space, "fails", "x");
    fails["env"] = env(&[("EXIT", "9")])["env"].take();
    fails["command"] = json!(["/app/test-server"]);
    space.create("ksvc", &with_init(space, &[fails]))?;
    wait::until_every(EVERY, "an init container that failed", READY, || {
        let pods = space.pods("hello").map_err(|error| error.to_string())?;
        let status = pods.first().map_or(Value::Null, |pod| pod["status"].clone());
        let first = &status["initContainerStatuses"][0];
        let ended = [&first["state"]["terminated"], &first["lastState"]["terminated"]];
        if ended.iter().any(|ended| ended["exitCode"] == 9) {
            Ok(())
        } else {
            Err(status.to_string())
        }
    })?;
    let pod = space.pods("hello")?.pop().unwrap_or_default();
    ensure!(
        pod["status"]["containerStatuses"][0]["state"]["running"].is_null(),
        "{}",
        pod["status"]
    );
    let revision = space.get("revision", "hello-00001")?;
    ensure!(condition(&revision, "Ready")["status"] != "True", "{}", revision["status"]);
    Ok(())
}

fn fields(space: &Space<'_>) -> anyhow::Result<()> {
    let field = |name: &str, path: &str| json!({ "name": name, "valueFrom": { "fieldRef": { "fieldPath": path } } });
    let container = json!({
        "resources": { "limits": { "memory": "96Mi" } },
        "env": [
            field("NAME", "metadata.name"),
            field("SPACE", "metadata.namespace"),
            field("LABEL", "metadata.labels['serving.knative.dev/revision']"),
            field("ACCOUNT", "spec.serviceAccountName"),
            { "name": "MEMORY", "valueFrom": { "resourceFieldRef": { "resource": "limits.memory", "divisor": "1Mi" } } },
        ],
    });
    let ksvc = space.deploy(&service(space, "hello", container))?;
    let pod = space.pods("hello")?.pop().unwrap_or_default();
    let name = pod["metadata"]["name"].as_str().unwrap_or_default();
    for (variable, value) in [
        ("NAME", name),
        ("SPACE", space.name.as_str()),
        ("LABEL", "hello-00001"),
        ("ACCOUNT", "default"),
        ("MEMORY", "96"),
    ] {
        assert_eq!(space.body(&ksvc, &format!("/env/{variable}"))?, value, "{variable}");
    }
    Ok(())
}

fn claim(space: &Space<'_>) -> anyhow::Result<()> {
    let claim = json!({ "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": { "name": "data" },
        "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } } });
    space.create("claim", &claim)?;
    let mut made = service(
        space,
        "hello",
        json!({ "volumeMounts": [{ "name": "v", "mountPath": "/srv/v" }] }),
    );
    let volume = json!([{ "name": "v", "persistentVolumeClaim": { "claimName": "data" } }]);
    set(&mut made, "spec.template.spec.volumes", volume);
    let ksvc = space.deploy(&made)?;
    let url = &ksvc["status"]["url"];
    assert_eq!(space.call_with(url, "/write/srv/v/note", &[], Some("kept"))?.body, "written");
    let pod = space.pods("hello")?.pop().unwrap_or_default();
    let pod = pod["metadata"]["name"].as_str().unwrap_or_default();
    space.delete("pod", pod)?;
    space.until_gone("pod", pod)?;
    assert_eq!(space.body(&ksvc, "/file/srv/v/note")?, "kept");
    assert_eq!(space.get("claim", "data")?["status"]["phase"], "Bound");
    Ok(())
}

fn security(space: &Space<'_>) -> anyhow::Result<()> {
    let mut made = service(space, "hello", json!({}));
    let context = json!({ "runAsUser": 1234, "runAsGroup": 2345 });
    set(&mut made, "spec.template.spec.securityContext", context.clone());
    let ksvc = space.deploy(&made)?;
    let pod = space.pods("hello")?.pop().unwrap_or_default();
    assert_eq!(pod["spec"]["securityContext"], context);
    if space.cluster.runtime == Runtime::Docker {
        assert_eq!(space.body(&ksvc, "/user")?, "1234 2345");
    }
    Ok(())
}

fn second_probe(space: &Space<'_>) -> anyhow::Result<()> {
    let mut made = service(space, "hello", json!({ "ports": [{ "containerPort": 8080 }] }));
    let side = json!({ "name": "side", "image": space.cluster.image,
        "env": env(&[("PORT", "8894"), ("READY_MS", "2500")])["env"],
        "readinessProbe": { "httpGet": { "path": "/ready", "port": 8894 }, "periodSeconds": 1, "failureThreshold": 9 } });
    let list = made["spec"]["template"]["spec"]["containers"].as_array_mut();
    list.into_iter().for_each(|list| list.push(side.clone()));
    let ksvc = space.deploy(&made)?;
    let said = space.body(&ksvc, "/fetch/127.0.0.1/8894/ready")?;
    ensure!(said.starts_with("HTTP/1.1 200"), "it was Ready before its second container: {said}");
    Ok(())
}
