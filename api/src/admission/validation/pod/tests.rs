//! Fields of the pod that are refused by name.

use serde_json::{Value, json};

use super::is_googles;
use crate::admission::validation::testing::{refused_by, with};
use crate::config::ApiConfig;

#[test]
fn pod_fields_are_refused_by_name() {
    let pod = |config: &ApiConfig, field: &str, value: Value| {
        refused_by(config, |o| o["spec"]["template"]["spec"][field] = value)
            .replace("spec.template.spec.", "")
    };
    let config = ApiConfig::default();
    for (field, value, want) in [
        ("nodeSelector", json!({ "a": "b" }), "must not set the field(s): nodeSelector"),
        ("nodeName", json!("n"), "must not set the field(s): nodeName"),
        ("nodeSelector", json!({}), ""),
        ("tolerations", json!([]), ""),
        ("affinity", json!({}), ""),
        ("hostNetwork", json!(false), ""),
        ("automountServiceAccountToken", json!(false), ""),
        (
            "automountServiceAccountToken",
            json!(true),
            "must not set the field(s): automountServiceAccountToken",
        ),
        ("imagePullSecrets", json!([{ "name": "s" }]), ""),
        (
            "initContainers",
            json!([{ "image": "a/b" }]),
            "pod spec support for init-containers is off, but found 1 init containers: spec.template.spec",
        ),
        (
            "securityContext",
            json!({ "runAsUser": 7 }),
            "must not set the field(s): securityContext.runAsUser",
        ),
        ("containers", json!([]), "missing field(s): containers"),
        (
            "containers",
            json!([{ "image": "a/b", "ports": [{ "containerPort": 1 }] }, { "image": "c/d" }]),
            "",
        ),
        (
            "containers",
            json!([{ "image": "a/b" }, { "image": "c/d" }]),
            "missing field(s): containers[*].ports",
        ),
        (
            "containers",
            json!([{ "name": "a", "image": "a/b", "ports": [{ "containerPort": 1 }] }, { "name": "a", "image": "c/d" }]),
            "duplicate container name \"a\": name",
        ),
        (
            "containers",
            json!([
                { "image": "a/b", "ports": [{ "containerPort": 1 }] },
                {
                    "image": "c/d",
                    "env": [{ "name": "PORT", "value": "9000" }, { "name": "K_SERVICE", "value": "x" }],
                    "readinessProbe": { "tcpSocket": { "port": 9000 } },
                },
            ]),
            "\"K_SERVICE\" is a reserved environment variable: containers[1].env[1].name\n\
             must not set the field(s): containers[1].readinessProbe.successThreshold, containers[1].readinessProbe.tcpSocket",
        ),
    ] {
        assert_eq!(pod(&config, field, value), want, "{field}");
    }
    let on = with(
        "config-features",
        &[
            ("kubernetes.podspec-nodeselector", "enabled"),
            ("kubernetes.podspec-affinity", "allowed"),
            ("kubernetes.podspec-hostnetwork", "enabled"),
            ("kubernetes.podspec-init-containers", "enabled"),
            ("multi-container", "disabled"),
        ],
    );
    assert_eq!(pod(&on, "nodeSelector", json!({ "a": "b" })), "");
    let rule = json!([{ "topologyKey": "kubernetes.io/hostname" }]);
    let required = "requiredDuringSchedulingIgnoredDuringExecution";
    let preferred = "preferredDuringSchedulingIgnoredDuringExecution";
    assert_eq!(pod(&on, "affinity", json!({ "podAntiAffinity": { preferred: rule } })), "");
    assert_eq!(
        pod(&on, "affinity", json!({ "podAntiAffinity": { required: rule } })),
        format!(
            "must not set the field(s): affinity.podAntiAffinity.{required}\nnot handled by Rouse yet"
        )
    );
    let priority = with("config-features", &[("kubernetes.podspec-priorityclassname", "allowed")]);
    assert_eq!(
        pod(&priority, "priorityClassName", json!("high")),
        "must not set the field(s): priorityClassName\nnot handled by Rouse yet"
    );
    for (init, want) in [
        (json!({ "image": "a/b", "env": [{ "name": "PORT", "value": "1" }] }), ""),
        (
            json!({ "image": "a/b", "readinessProbe": { "tcpSocket": {} } }),
            "field not allowed in an init container: initContainers[0].readinessProbe",
        ),
        (
            json!({ "image": "a/b", "restartPolicy": "Never" }),
            "invalid value: Never: initContainers[0].restartPolicy",
        ),
        (
            json!({ "image": "a/b", "restartPolicy": "Always", "startupProbe": { "tcpSocket": { "port": 7 } } }),
            "",
        ),
        (
            json!({ "image": "a/b", "restartPolicy": "Always", "startupProbe": { "tcpSocket": {} } }),
            "invalid value: 0: initContainers[0].startupProbe.tcpSocket.port\nProbe port must be specified",
        ),
        (json!({ "name": "init" }), "missing field(s): initContainers[0].image"),
    ] {
        assert_eq!(pod(&on, "initContainers", json!([init])), want, "{init}");
    }
    let several = json!([
        { "image": "a/b", "ports": [{ "containerPort": 1 }] },
        { "image": "c/d", "readinessProbe": { "httpGet": {} } },
    ]);
    assert_eq!(
        pod(&on, "containers", several.clone()),
        "multi-container is off, but found 2 containers: spec.template.spec"
    );
    let probing = with("config-features", &[("multi-container-probing", "enabled")]);
    assert_eq!(
        pod(&probing, "containers", several),
        "invalid value: 0: containers[1].readinessProbe.httpGet.port\nProbe port must be specified"
    );
    for account in ["123-compute@developer.gserviceaccount.com", "a@shop.iam.gserviceaccount.com"] {
        assert!(is_googles(account), "{account}");
    }
    for account in ["", "default", "@developer.gserviceaccount.com", "a@b.com"] {
        assert!(!is_googles(account), "{account}");
    }
    let text = pod(&ApiConfig::default(), "serviceAccountName", json!("foo@bar.baz"));
    assert!(
        text.starts_with(
            "invalid value: foo@bar.baz: serviceAccountName\na lowercase RFC 1123 subdomain must"
        ),
        "{text}"
    );
}
