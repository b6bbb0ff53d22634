//! Defaults by example.

use serde_json::{Value, json};

use super::{apply, initial_status};
use crate::kinds::Kinds;

fn defaulted(group: &str, kind: &str, mut object: Value) -> Value {
    let resource = Kinds::new().by_kind(group, "v1", kind).expect("a built-in kind");
    apply(&resource, &mut object);
    let once = object.clone();
    apply(&resource, &mut object);
    assert_eq!(object, once, "defaulting twice changes nothing more");
    object
}

#[test]
fn a_pod_gets_what_kubernetes_gives_it() {
    let pod = defaulted(
        "",
        "Pod",
        json!({"spec": {
            "containers": [{
                "name": "c", "image": "i:1", "ports": [{"containerPort": 80}],
                "readinessProbe": {"httpGet": {"port": 80}},
                "env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
                "resources": {"limits": {"memory": "1Gi"}},
            }],
            "volumes": [{"name": "e"}, {"name": "s", "secret": {"secretName": "x"}}],
        }}),
    );
    assert_eq!(
        pod["spec"],
        json!({
            "containers": [{
                "name": "c", "image": "i:1", "imagePullPolicy": "IfNotPresent",
                "ports": [{"containerPort": 80, "protocol": "TCP"}],
                "readinessProbe": {"httpGet": {"port": 80, "path": "/", "scheme": "HTTP"}, "timeoutSeconds": 1, "periodSeconds": 10,
                    "successThreshold": 1, "failureThreshold": 3},
                "env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name", "apiVersion": "v1"}}}],
                "resources": {"limits": {"memory": "1Gi"}, "requests": {"memory": "1Gi"}},
                "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
            }],
            "volumes": [{"name": "e", "emptyDir": {}}, {"name": "s", "secret": {"secretName": "x", "defaultMode": 420}}],
            "dnsPolicy": "ClusterFirst", "restartPolicy": "Always", "securityContext": {}, "terminationGracePeriodSeconds": 30,
            "schedulerName": "default-scheduler", "enableServiceLinks": true,
            "serviceAccountName": "default", "serviceAccount": "default",
        })
    );
}

#[test]
fn an_image_is_pulled_each_time_only_when_its_name_may_move() {
    let cases = [
        ("i", "Always"),
        ("i:latest", "Always"),
        ("r:5000/i", "Always"),
        ("i:1", "IfNotPresent"),
        ("r:5000/i:1", "IfNotPresent"),
        ("i@sha256:0", "IfNotPresent"),
    ];
    for (image, want) in cases {
        let pod = defaulted("", "Pod", json!({"spec": {"containers": [{"image": image}]}}));
        assert_eq!(pod["spec"]["containers"][0]["imagePullPolicy"], want, "{image}");
    }
}

#[test]
fn workloads_get_replicas_and_a_strategy() {
    let deployment = defaulted(
        "apps",
        "Deployment",
        json!({"spec": {"template": {"spec": {"containers": [{"name": "c"}]}}}}),
    );
    let spec = &deployment["spec"];
    assert_eq!(spec["replicas"], 1);
    assert_eq!(
        spec["strategy"],
        json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}})
    );
    assert_eq!(spec["template"]["spec"]["dnsPolicy"], "ClusterFirst");
    assert_eq!(spec["template"]["spec"].get("enableServiceLinks"), None);
    let recreate = defaulted(
        "apps",
        "Deployment",
        json!({"spec": {"replicas": 0, "strategy": {"type": "Recreate"}}}),
    );
    assert_eq!(recreate["spec"]["replicas"], 0);
    assert_eq!(recreate["spec"]["strategy"], json!({"type": "Recreate"}));
    assert_eq!(defaulted("apps", "ReplicaSet", json!({"spec": {}}))["spec"]["replicas"], 1);
}

#[test]
fn a_service_gets_a_type_and_its_ports_a_target() {
    let service = defaulted("", "Service", json!({"spec": {"ports": [{"port": 80}]}}));
    assert_eq!(
        service["spec"],
        json!({
            "type": "ClusterIP", "sessionAffinity": "None", "internalTrafficPolicy": "Cluster",
            "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack",
            "ports": [{"port": 80, "targetPort": 80, "protocol": "TCP"}],
        })
    );
    let external =
        defaulted("", "Service", json!({"spec": {"type": "ExternalName", "externalName": "x"}}));
    assert_eq!(
        external["spec"],
        json!({"type": "ExternalName", "externalName": "x", "sessionAffinity": "None"})
    );
}

#[test]
fn a_null_goes_from_a_built_in_kind_before_its_default_comes() {
    let set = defaulted(
        "apps",
        "ReplicaSet",
        json!({"spec": {"replicas": null, "minReadySeconds": null}}),
    );
    assert_eq!(set["spec"], json!({"replicas": 1}));
}

#[test]
fn other_kinds_get_what_depends_on_other_fields() {
    let secret = defaulted(
        "",
        "Secret",
        json!({"data": {"a": "MQ==", "b": "MQ=="}, "stringData": {"a": "2"}}),
    );
    assert_eq!(secret, json!({"type": "Opaque", "data": {"a": "Mg==", "b": "MQ=="}}));
    let namespace = defaulted("", "Namespace", json!({"metadata": {"name": "n"}}));
    assert_eq!(namespace["metadata"]["labels"], json!({"kubernetes.io/metadata.name": "n"}));
    let names = json!({"plural": "toys", "kind": "Toy"});
    let crd = defaulted(
        "apiextensions.k8s.io",
        "CustomResourceDefinition",
        json!({"spec": {"names": names}}),
    );
    assert_eq!(
        crd["spec"]["names"],
        json!({"plural": "toys", "kind": "Toy", "singular": "toy", "listKind": "ToyList"})
    );
}

#[test]
fn a_new_pod_is_pending_with_a_quality_of_service() {
    let pod = Kinds::new().by_kind("", "v1", "Pod").expect("a built-in kind");
    let of = |resources: Value| {
        let object = json!({"spec": {"containers": [{"resources": resources}]}});
        initial_status(&pod, &object).expect("a pod has a status")["qosClass"].clone()
    };
    let both = json!({"cpu": "1", "memory": "1Gi"});
    assert_eq!(of(json!({})), "BestEffort");
    assert_eq!(of(json!({"limits": both, "requests": both})), "Guaranteed");
    assert_eq!(of(json!({"requests": {"cpu": "1"}})), "Burstable");
}

#[test]
fn ports_of_endpoints_get_a_protocol() {
    let endpoints =
        json!({"subsets": [{"ports": [{"port": 80}, {"port": 53, "protocol": "UDP"}]}]});
    assert_eq!(
        defaulted("", "Endpoints", endpoints)["subsets"][0]["ports"],
        json!([{"port": 80, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}])
    );
}

#[test]
fn ports_of_an_endpoint_slice_get_a_name_and_a_protocol() {
    let slice = json!({"addressType": "IPv4", "endpoints": [], "ports": [{"port": 80}, {"port": 53, "name": "dns", "protocol": "UDP"}]});
    assert_eq!(
        defaulted("discovery.k8s.io", "EndpointSlice", slice)["ports"],
        json!([{"port": 80, "name": "", "protocol": "TCP"}, {"port": 53, "name": "dns", "protocol": "UDP"}])
    );
}

#[test]
fn a_pod_is_guaranteed_only_if_every_limit_is_set_and_requested() {
    let pod = Kinds::new().by_kind("", "v1", "Pod").expect("a built-in kind");
    let of = |resources: &[Value]| {
        let containers: Vec<Value> = resources.iter().map(|r| json!({"resources": r})).collect();
        let object = json!({"spec": {"containers": containers}});
        initial_status(&pod, &object).expect("a pod has a status")["qosClass"].clone()
    };
    let both = json!({"cpu": "1", "memory": "1Gi"});
    let whole = json!({"limits": both, "requests": both});
    let less = json!({"limits": both, "requests": {"cpu": "1", "memory": "1Mi"}});
    assert_eq!(of(&[whole.clone(), whole.clone()]), "Guaranteed");
    assert_eq!(of(&[whole, json!({})]), "Burstable");
    assert_eq!(of(&[less]), "Burstable");
    assert_eq!(of(&[json!({"limits": {"cpu": "1"}, "requests": {"cpu": "1"}})]), "Burstable");
    assert_eq!(of(&[json!({}), json!({"limits": {"memory": "1Gi"}})]), "Burstable");
}
