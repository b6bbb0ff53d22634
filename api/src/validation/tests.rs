//! What is refused, and in which words.

use super::*;
use crate::config::Data;
use crate::defaults;
use serde_json::json;

fn minimal() -> Value {
    json!({
        "metadata": { "name": "hello", "namespace": "prod" },
        "spec": { "template": { "spec": { "containers": [{ "image": "dev.local/hello" }] } } },
    })
}

/// A Service after `change`, defaulted, held against `config`: all problems as text.
fn refused_by(config: &ApiConfig, change: impl FnOnce(&mut Value)) -> String {
    let mut object = minimal();
    change(&mut object);
    defaults::service(&mut object, defaults::Request { config, user: "alice", old: None });
    service(&object, Request { config, old: None }).split().0.to_string()
}

fn refused(change: impl FnOnce(&mut Value)) -> String {
    refused_by(&ApiConfig::default(), change)
}

/// The problems of the only container, set so.
fn container(fields: Value) -> String {
    refused(|object| {
        let container = &mut object["spec"]["template"]["spec"]["containers"][0];
        for (name, value) in fields.as_object().unwrap() {
            container[name] = value.clone();
        }
    })
    .replace("spec.template.spec.containers[0].", "")
}

/// The problems of a template with these annotations.
fn annotated(pairs: &[(&str, &str)]) -> String {
    refused(|object| {
        for (key, value) in pairs {
            object["spec"]["template"]["metadata"]["annotations"][key] = json!(value);
        }
    })
    .replace("spec.template.metadata.annotations.", "")
    .replace("autoscaling.knative.dev/", "")
}

fn with(name: &str, pairs: &[(&str, &str)]) -> ApiConfig {
    let data: Data = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let mut config = ApiConfig::default();
    config.apply(name, &data).unwrap();
    config
}

#[test]
fn a_minimal_service_is_admitted() {
    assert_eq!(refused(|_| {}), "");
}

#[test]
fn names_are_checked() {
    let text = refused(|o| o["metadata"]["name"] = json!("Hello"));
    assert!(text.starts_with("not a DNS 1035 label: [a DNS-1035 label must"), "{text}");
    assert!(text.ends_with("]: metadata.name"), "{text}");
    assert_eq!(
        refused(|o| o["metadata"] = json!({})),
        "name or generateName is required: metadata.name"
    );
    assert_eq!(refused(|o| o["metadata"] = json!({ "generateName": "hello-" })), "");
    assert_eq!(
        refused(|o| o["spec"]["template"]["metadata"]["name"] = json!("other")),
        "invalid value: \"other\" must have prefix \"hello-\": spec.template.metadata.name"
    );
    assert_eq!(
        refused(|o| {
            o["metadata"] = json!({ "generateName": "hello-" });
            o["spec"]["template"]["metadata"]["name"] = json!("hello-first");
        }),
        "must not set the field(s): spec.template.metadata.name"
    );
}

#[test]
fn annotations_belong_on_the_template() {
    assert_eq!(
        refused(
            |o| o["metadata"]["annotations"] = json!({ "autoscaling.knative.dev/min-scale": "1" })
        ),
        "invalid key name \"autoscaling.knative.dev/min-scale\": metadata.annotations\n\
         autoscaling annotations must be put under \"spec.template.metadata.annotations\" to work"
    );
}

#[test]
fn autoscaling_annotations_are_checked() {
    for (pairs, want) in [
        (vec![("min-scale", "-1")], "expected 0 <= -1 <= 2147483647: min-scale"),
        (vec![("minScale", "x")], "invalid value: x: minScale"),
        (
            vec![("min-scale", "5"), ("max-scale", "3")],
            "max-scale=3 is less than min-scale=5: max-scale, min-scale",
        ),
        (vec![("initial-scale", "0")], "invalid value: 0: initial-scale=0 not allowed by cluster"),
        (
            vec![("activation-scale", "1")],
            "activation-scale=1 must be greater than 1: activation-scale",
        ),
        (
            vec![("activation-scale", "4"), ("max-scale", "3")],
            "max-scale=3 is less than activation-scale=4: activation-scale",
        ),
        (vec![("target", "0")], "target 0 should be at least 0.01: target"),
        (vec![("target", "many")], "invalid value: many: target"),
        (
            vec![("target-utilization-percentage", "101")],
            "expected 1 <= 101 <= 100: target-utilization-percentage",
        ),
        (vec![("target-burst-capacity", "-2")], "invalid value: -2: target-burst-capacity"),
        (vec![("window", "5s")], "expected 6s <= 5s <= 1h0m0s: window"),
        (vec![("window", "6500ms")], "must be specified with at most second precision: window"),
        (vec![("scale-down-delay", "2h")], "expected 0s <= 2h <= 1h0m0s: scale-down-delay"),
        (
            vec![("panic-threshold-percentage", "109")],
            "expected 110 <= 109 <= 1000: panic-threshold-percentage",
        ),
        (vec![("metric", "cpu")], "invalid value: cpu: metric"),
        (
            vec![("class", "hpa.autoscaling.knative.dev")],
            "invalid value: hpa.autoscaling.knative.dev: class\nnot handled by Rouse yet",
        ),
        (
            vec![("class", "xyz.autoscaling.knative.dev")],
            "invalid value: xyz.autoscaling.knative.dev: class",
        ),
        (vec![("class", "their.own"), ("metric", "moons")], ""),
    ] {
        let long: Vec<(String, &str)> =
            pairs.iter().map(|(k, v)| (format!("autoscaling.knative.dev/{k}"), *v)).collect();
        let pairs: Vec<(&str, &str)> = long.iter().map(|(k, v)| (k.as_str(), *v)).collect();
        assert_eq!(annotated(&pairs), want);
    }
}

#[test]
fn other_annotations_are_checked() {
    for (key, value, want) in [
        (
            "serving.knative.dev/progress-deadline",
            "1.5s",
            "progress-deadline=1.5s is not at second precision: serving.knative.dev/progress-deadline",
        ),
        (
            "serving.knative.dev/progress-deadline",
            "-1s",
            "progress-deadline=-1s must be positive: serving.knative.dev/progress-deadline",
        ),
        (
            "networking.knative.dev/typo",
            "x",
            "invalid key name \"networking.knative.dev/typo\": spec.template.metadata.annotations",
        ),
        (
            "queue.sidecar.serving.knative.dev/cpu-resource-limit",
            "lots",
            "invalid value: lots: [queue.sidecar.serving.knative.dev/cpu-resource-limit]",
        ),
        ("rouse.dev/queue-limit", "0", "expected 1 <= 0 <= 4294967295: rouse.dev/queue-limit"),
        ("example.com/anything", "goes", ""),
    ] {
        assert_eq!(annotated(&[(key, value)]), want);
    }
    assert_eq!(
        refused(|o| o["metadata"]["annotations"] =
            json!({ "serving.knative.dev/rollout-duration": "soon" })),
        "invalid value: soon: metadata.annotations.serving.knative.dev/rollout-duration"
    );
    assert_eq!(
        refused(|o| o["metadata"]["annotations"] =
            json!({ "serving.knative.dev/rollout-duration": "30s" })),
        "invalid value: 30s: metadata.annotations.serving.knative.dev/rollout-duration\nnot handled by Rouse yet"
    );
}

#[test]
fn times_and_concurrency_have_limits() {
    for (field, value, want) in [
        ("timeoutSeconds", 601, "expected 0 <= 601 <= 600: spec.template.spec.timeoutSeconds"),
        ("timeoutSeconds", -1, "expected 0 <= -1 <= 600: spec.template.spec.timeoutSeconds"),
        (
            "containerConcurrency",
            1001,
            "expected 0 <= 1001 <= 1000: spec.template.spec.containerConcurrency",
        ),
    ] {
        assert_eq!(refused(|o| o["spec"]["template"]["spec"][field] = json!(value)), want);
    }
    let strict = with("config-defaults", &[("allow-container-concurrency-zero", "false")]);
    assert_eq!(
        refused_by(&strict, |o| o["spec"]["template"]["spec"]["containerConcurrency"] = json!(0)),
        "expected 1 <= 0 <= 1000: spec.template.spec.containerConcurrency"
    );
}

#[test]
fn containers_are_checked() {
    for (fields, want) in [
        (json!({ "image": "" }), "missing field(s): image"),
        (
            json!({ "image": "a b" }),
            "Failed to parse image reference: image\nimage: \"a b\", error: could not parse reference: a b",
        ),
        (json!({ "name": "queue-proxy" }), "\"queue-proxy\" is a reserved container name: name"),
        (
            json!({ "lifecycle": {}, "stdin": true, "tty": false }),
            "must not set the field(s): lifecycle, stdin",
        ),
        (
            json!({ "env": [{ "name": "K_SERVICE", "value": "x" }] }),
            "\"K_SERVICE\" is a reserved environment variable: env[0].name",
        ),
        (json!({ "env": [{ "value": "x" }] }), "missing field(s): env[0].name"),
        (
            json!({ "env": [{ "name": "A", "valueFrom": { "fieldRef": { "fieldPath": "x" } } }] }),
            "must not set the field(s): env[0].valueFrom.fieldRef",
        ),
        (
            json!({ "envFrom": [{}] }),
            "expected exactly one, got neither: envFrom[0].configMapRef, envFrom[0].secretRef",
        ),
        (
            json!({ "ports": [{ "containerPort": 8012 }] }),
            "invalid value: 8012 is a reserved port: ports.containerPort\n8012 is a reserved port, please use a different value",
        ),
        (
            json!({ "ports": [{ "containerPort": 70000 }] }),
            "expected 0 <= 70000 <= 65535: ports.containerPort",
        ),
        (
            json!({ "ports": [{ "containerPort": 80, "name": "web" }] }),
            "Port name web is not allowed: ports\nName must be empty, or one of: 'h2c', 'http1'",
        ),
        (
            json!({ "ports": [{ "containerPort": 80, "hostPort": 80, "protocol": "UDP" }] }),
            "invalid value: UDP: ports.protocol\nmust not set the field(s): ports.hostPort",
        ),
        (
            json!({ "resources": { "limits": { "memory": "1 Gi" } } }),
            "invalid value: 1 Gi: resources.limits.memory\nquantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
        ),
        (
            json!({ "securityContext": { "privileged": true, "procMount": "x" } }),
            "must not set the field(s): securityContext.privileged, securityContext.procMount",
        ),
        (
            json!({ "securityContext": { "capabilities": { "add": ["ALL"] } } }),
            "must not set the field(s): securityContext.capabilities.add",
        ),
        (
            json!({ "securityContext": { "runAsUser": -1 } }),
            "expected 0 <= -1 <= 2147483647: securityContext.runAsUser",
        ),
    ] {
        assert_eq!(container(fields), want);
    }
    let two_ports = json!({ "ports": [{ "containerPort": 1 }, { "containerPort": 2 }] });
    assert_eq!(
        container(two_ports),
        "more than one container port is set: spec.template.spec.containers[*].ports\n\
         Only a single port is allowed across all containers"
    );
}

#[test]
fn probes_are_checked() {
    for (fields, want) in [
        (
            json!({ "readinessProbe": { "httpGet": {}, "tcpSocket": {} } }),
            "expected exactly one, got both: readinessProbe.httpGet, readinessProbe.tcpSocket",
        ),
        (
            json!({ "livenessProbe": { "periodSeconds": 1 } }),
            "expected exactly one, got neither: livenessProbe.exec, livenessProbe.grpc, livenessProbe.httpGet, livenessProbe.tcpSocket",
        ),
        (
            json!({ "readinessProbe": { "tcpSocket": {}, "timeoutSeconds": 5, "failureThreshold": 2 } }),
            "failureThreshold is disallowed when periodSeconds is zero: readinessProbe.failureThreshold\n\
          timeoutSeconds is disallowed when periodSeconds is zero: readinessProbe.timeoutSeconds",
        ),
        (
            json!({ "readinessProbe": { "httpGet": { "port": "admin" } } }),
            "invalid value: admin: readinessProbe.httpGet.port\nProbe port must match container port",
        ),
        (json!({ "startupProbe": { "exec": { "command": ["true"] } } }), ""),
    ] {
        assert_eq!(container(fields), want);
    }
}

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
        ("hostNetwork", json!(false), ""),
        ("automountServiceAccountToken", json!(false), ""),
        (
            "automountServiceAccountToken",
            json!(true),
            "must not set the field(s): automountServiceAccountToken",
        ),
        (
            "imagePullSecrets",
            json!([{ "name": "s" }]),
            "must not set the field(s): imagePullSecrets\nnot handled by Rouse yet",
        ),
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
            "must not set the field(s): containers\nmore than one container is not handled by Rouse yet",
        ),
    ] {
        assert_eq!(pod(&config, field, value), want, "{field}");
    }
    let on = with(
        "config-features",
        &[
            ("kubernetes.podspec-nodeselector", "enabled"),
            ("kubernetes.podspec-init-containers", "enabled"),
            ("multi-container", "disabled"),
        ],
    );
    assert_eq!(
        pod(&on, "nodeSelector", json!({ "a": "b" })),
        "must not set the field(s): nodeSelector\nnot handled by Rouse yet"
    );
    assert_eq!(
        pod(&on, "initContainers", json!([{ "image": "a/b" }])),
        "must not set the field(s): initContainers\nnot handled by Rouse yet"
    );
    let text = pod(&ApiConfig::default(), "serviceAccountName", json!("foo@bar.baz"));
    assert!(
        text.starts_with(
            "invalid value: foo@bar.baz: serviceAccountName\na lowercase RFC 1123 subdomain must"
        ),
        "{text}"
    );
}

#[test]
fn volumes_and_mounts_are_checked() {
    let volumes = |volumes: Value, mounts: Value| {
        refused(|o| {
            let spec = &mut o["spec"]["template"]["spec"];
            spec["volumes"] = volumes;
            spec["containers"][0]["volumeMounts"] = mounts;
        })
        .replace("spec.template.spec.", "")
        .replace("containers[0].", "")
    };
    let mount = json!([{ "name": "v", "mountPath": "/v" }]);
    for (source, mounts, want) in [
        (json!([{ "name": "v", "configMap": { "name": "c" } }]), mount.clone(), ""),
        (json!([{ "name": "v", "emptyDir": { "medium": "Memory" } }]), mount.clone(), ""),
        (
            json!([{ "name": "v", "emptyDir": {} }]),
            json!([]),
            "volume with name \"v\" not mounted: volumes[0].name",
        ),
        (
            json!([{ "name": "v" }]),
            mount.clone(),
            "expected exactly one, got neither: volumes[0].configMap, volumes[0].emptyDir, volumes[0].projected, volumes[0].secret",
        ),
        (
            json!([{ "name": "v", "hostPath": { "path": "/" } }]),
            mount.clone(),
            "HostPath volume support is disabled, but found HostPath volume v: \nmust not set the field(s): volumes[0].hostPath",
        ),
        (
            json!([{ "name": "v", "nfs": { "server": "x" } }]),
            mount.clone(),
            "must not set the field(s): volumes[0].nfs",
        ),
        (
            json!([{ "name": "v", "projected": { "sources": [{ "serviceAccountToken": { "path": "t" } }] } }]),
            mount.clone(),
            "must not set the field(s): volumes[0].projected[0].serviceAccountToken\nnot handled by Rouse yet",
        ),
        (
            json!([{ "name": "v", "projected": { "sources": [{ "downwardAPI": { "items": [
                { "path": "labels", "fieldRef": { "fieldPath": "metadata.labels" } },
                { "resourceFieldRef": { "resource": "limits.cpu" } },
            ] } }] } }]),
            mount,
            "missing field(s): volumes[0].projected[0].downwardAPI.items[1].path\nmust not set the field(s): volumes[0].projected[0].downwardAPI.items[1].resourceFieldRef\nnot handled by Rouse yet",
        ),
        (
            json!([{ "name": "v", "emptyDir": {} }]),
            json!([{ "name": "v", "mountPath": "/dev/" }, { "name": "w", "mountPath": "rel" }]),
            "invalid value: rel: volumeMounts[1].mountPath\nmountPath \"/dev\" is a reserved path: volumeMounts[0].mountPath\nvolumeMount has no matching volume: volumeMounts[1].name",
        ),
    ] {
        assert_eq!(volumes(source, mounts), want);
    }
}

#[test]
fn traffic_is_checked() {
    let traffic =
        |targets: Value| refused(|o| o["spec"]["traffic"] = targets).replace("spec.traffic", "t");
    for (targets, want) in [
        (json!([{ "percent": 60 }, { "revisionName": "hello-00001", "percent": 40 }]), ""),
        (json!([{ "percent": 60 }]), "Traffic targets sum to 60, want 100: t"),
        (
            json!([{ "percent": 101 }, { "percent": -1 }]),
            "expected 0 <= -1 <= 100: t[1].percent\nexpected 0 <= 101 <= 100: t[0].percent",
        ),
        (
            json!([{ "percent": 100, "tag": "a" }, { "tag": "a" }]),
            "Multiple definitions for \"a\": t[0].tag, t[1].tag",
        ),
        (
            json!([{ "percent": 100, "configurationName": "c" }]),
            "must not set the field(s): t[0].configurationName",
        ),
        (
            json!([{ "percent": 100, "revisionName": "r", "latestRevision": true }]),
            "may not set revisionName \"r\" when latestRevision is true: t[0].latestRevision",
        ),
        (
            json!([{ "percent": 100, "latestRevision": false }]),
            "may not set revisionName \"\" when latestRevision is false: t[0].latestRevision",
        ),
        (json!([{ "percent": 100, "url": "http://x" }]), "must not set the field(s): t[0].url"),
    ] {
        assert_eq!(traffic(targets), want);
    }
    let config = ApiConfig::default();
    let held = Request { config: &config, old: None };
    for (target, want) in [
        (
            json!({ "percent": 100 }),
            "expected exactly one, got neither: spec.traffic[0].configurationName, spec.traffic[0].revisionName",
        ),
        (
            json!({ "percent": 100, "configurationName": "c", "revisionName": "r" }),
            "expected exactly one, got both: spec.traffic[0].configurationName, spec.traffic[0].revisionName",
        ),
        (json!({ "percent": 100, "configurationName": "c" }), ""),
    ] {
        let object = json!({ "metadata": { "name": "r" }, "spec": { "traffic": [target] } });
        assert_eq!(route(&object, held).to_string(), want);
    }
}

#[test]
fn a_named_revision_keeps_its_content() {
    let config = ApiConfig::default();
    let mut old = minimal();
    old["spec"]["template"]["metadata"]["name"] = json!("hello-first");
    defaults::service(&mut old, defaults::Request { config: &config, user: "a", old: None });
    let mut new = old.clone();
    new["spec"]["template"]["spec"]["containers"][0]["image"] = json!("dev.local/other");
    new["metadata"]["annotations"]["serving.knative.dev/lastModifier"] = json!("b");
    let held = Request { config: &config, old: Some(&old) };
    assert_eq!(
        service(&new, held).to_string(),
        "Saw the following changes without a name change (-old +new): spec.template.metadata.name\n\
         {.spec.containers[0].image}:\n\t-: \"dev.local/hello\"\n\t+: \"dev.local/other\"\n"
    );
    new["spec"]["template"]["metadata"]["name"] = json!("hello-second");
    assert_eq!(service(&new, held).to_string(), "");
}

#[test]
fn who_made_an_object_cannot_be_rewritten() {
    let config = ApiConfig::default();
    let mut old = minimal();
    defaults::service(&mut old, defaults::Request { config: &config, user: "a", old: None });
    let mut new = old.clone();
    new["metadata"]["annotations"]["serving.knative.dev/creator"] = json!("b");
    new["metadata"]["annotations"]["serving.knative.dev/lastModifier"] = json!("b");
    assert_eq!(
        service(&new, Request { config: &config, old: Some(&old) }).to_string(),
        "annotation value is immutable: metadata.annotations.serving.knative.dev/creator\n\
         invalid value: b: metadata.annotations.serving.knative.dev/lastModifier"
    );
}

#[test]
fn revisions_do_not_change() {
    let config = ApiConfig::default();
    let old = json!({
        "metadata": { "name": "hello-00001" },
        "spec": { "containers": [{ "image": "a/b" }], "timeoutSeconds": 5 },
    });
    let mut new = old.clone();
    new["metadata"]["labels"] = json!({ "serving.knative.dev/routingState": "active" });
    let held = Request { config: &config, old: Some(&old) };
    assert_eq!(revision(&new, held).to_string(), "");
    new["spec"]["timeoutSeconds"] = json!(6);
    assert_eq!(
        revision(&new, held).to_string(),
        "Immutable fields changed (-old +new): spec\n{.timeoutSeconds}:\n\t-: 5\n\t+: 6\n"
    );
}

#[test]
fn labels_that_name_an_owner_need_it() {
    let config = ApiConfig::default();
    let mut object = minimal();
    object["metadata"]["labels"] = json!({ "serving.knative.dev/service": "hello" });
    defaults::configuration(
        &mut object,
        defaults::Request { config: &config, user: "a", old: None },
    );
    let held = Request { config: &config, old: None };
    assert_eq!(
        configuration(&object, held).to_string(),
        "missing field(s): metadata.labels.serving.knative.dev/service"
    );
    object["metadata"]["ownerReferences"] = json!([{ "kind": "Service", "name": "hello" }]);
    assert_eq!(configuration(&object, held).to_string(), "");
}

#[test]
fn domain_mappings_are_checked() {
    let config = ApiConfig::default();
    let held = Request { config: &config, old: None };
    let mapping = |name: &str| {
        json!({
            "metadata": { "name": name, "namespace": "prod" },
            "spec": { "ref": {
                "kind": "Service", "name": "hello", "apiVersion": "serving.knative.dev/v1",
            } },
        })
    };
    assert_eq!(domain_mapping(&mapping("a.example.org"), held).to_string(), "");
    assert_eq!(
        domain_mapping(&mapping("example"), held).to_string(),
        "invalid name \"example\": name: Invalid value: \"example\": should be a domain with at least two segments separated by dots: metadata.name"
    );
    assert_eq!(
        domain_mapping(&mapping("a.b.svc.cluster.local"), held).to_string(),
        "invalid name \"a.b.svc.cluster.local\": must not be a subdomain of cluster local domain \"cluster.local\": metadata.name"
    );
    let mut other = mapping("a.example.org");
    other["spec"]["ref"] = json!({ "kind": "Service", "name": "x", "namespace": "elsewhere" });
    other["spec"]["tls"] = json!({ "secretName": "s" });
    assert_eq!(
        domain_mapping(&other, held).to_string(),
        "mismatched namespaces: spec.ref.namespace\n\
         parent namespace: \"prod\" does not match ref: \"elsewhere\"\n\
         missing field(s): spec.ref.apiVersion\n\
         must not set the field(s): spec.tls\nnot handled by Rouse yet"
    );
}

#[test]
fn what_may_not_be_enforced_is_a_warning() {
    let config = ApiConfig::default();
    let mut object = minimal();
    object["spec"]["template"]["spec"]["containers"][0]["securityContext"] = json!({
        "allowPrivilegeEscalation": false, "runAsNonRoot": true, "privileged": false,
    });
    defaults::service(&mut object, defaults::Request { config: &config, user: "a", old: None });
    let (errors, warnings) = service(&object, Request { config: &config, old: None }).split();
    assert!(errors.is_empty());
    assert_eq!(
        warnings.to_string().replace("spec.template.spec.containers[0].", ""),
        "not enforced by every runtime of Rouse: securityContext.allowPrivilegeEscalation, securityContext.runAsNonRoot"
    );
}

#[test]
fn annotations_that_nothing_reads_are_warned_of() {
    let config = ApiConfig::default();
    let mut object = minimal();
    object["metadata"]["annotations"]["run.googleapis.com/ingress"] = json!("all");
    object["spec"]["template"]["metadata"] = json!({ "annotations": {
        "autoscaling.knative.dev/maxScale": "3", "autoscaling.knative.dev/max-scales": "3",
        "rouse.dev/queue-limit": "5", "rouse.dev/queue": "5", "mine": "kept",
    } });
    defaults::service(&mut object, defaults::Request { config: &config, user: "a", old: None });
    let (errors, warnings) = service(&object, Request { config: &config, old: None }).split();
    assert!(errors.is_empty(), "{errors}");
    assert_eq!(
        warnings.to_string(),
        "this annotation has no effect here: metadata.annotations.run.googleapis.com/ingress, \
         spec.template.metadata.annotations.autoscaling.knative.dev/max-scales, \
         spec.template.metadata.annotations.rouse.dev/queue"
    );
}
