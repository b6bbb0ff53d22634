//! Validation by example, in the words that kubectl shows.

use serde_json::{Value, json};

use super::{check, scale};
use crate::kinds::{Kinds, defaults};
use crate::structure::aggregate;

const IMMUTABLE_POD: &str = "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";
const LABEL_FORM: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";

/// What is said of an object, written as a user writes it.
fn said(group: &str, kind: &str, mut object: Value, old: Option<Value>) -> String {
    let resource = Kinds::new().by_kind(group, "v1", kind).expect("a built-in kind");
    if object["metadata"].is_null() {
        object["metadata"] = json!({"name": "x"});
    }
    defaults::apply(&resource, &mut object);
    let old = old.map(|mut old| {
        defaults::apply(&resource, &mut old);
        old
    });
    let problems = check(&resource, &object, old.as_ref());
    if problems.is_empty() { String::new() } else { aggregate(&problems) }
}

fn refused(cases: &[(&str, &str, Value, &str)]) {
    for (group, kind, object, want) in cases {
        assert_eq!(&said(group, kind, object.clone(), None), want, "{object}");
    }
}

fn pod(container: Value) -> Value {
    let mut whole = json!({"name": "c", "image": "i"});
    whole
        .as_object_mut()
        .expect("an object")
        .extend(container.as_object().cloned().unwrap_or_default());
    json!({"spec": {"containers": [whole]}})
}

#[test]
fn names_have_the_form_that_their_kind_asks_for() {
    let named = |name: &str| json!({"metadata": {"name": name}});
    refused(&[
        (
            "",
            "ConfigMap",
            json!({"metadata": {"namespace": "x"}}),
            "metadata.name: Required value: name or generateName is required",
        ),
        ("", "ConfigMap", named("a.b-c"), ""),
        (
            "",
            "ConfigMap",
            named("A_b"),
            "metadata.name: Invalid value: \"A_b\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
        ),
        ("", "ConfigMap", json!({"metadata": {"generateName": "x-"}}), ""),
        (
            "",
            "Namespace",
            named("a.b"),
            "metadata.name: Invalid value: \"a.b\": must not contain dots",
        ),
        (
            "",
            "Namespace",
            named("A"),
            &format!("metadata.name: Invalid value: \"A\": {LABEL_FORM}"),
        ),
        (
            "",
            "Service",
            json!({"metadata": {"name": "1a"}, "spec": {"ports": [{"port": 1}]}}),
            "metadata.name: Invalid value: \"1a\": a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')",
        ),
    ]);
}

#[test]
fn labels_and_finalizers_have_a_syntax() {
    let metadata = |field: &str, value: Value| json!({"metadata": {"name": "x", field: value}});
    let text = said("", "ConfigMap", metadata("labels", json!({"a/b/c": "v"})), None);
    assert!(
        text.starts_with(
            "metadata.labels: Invalid value: \"a/b/c\": a valid label key must consist"
        ),
        "{text}"
    );
    let text = said("", "ConfigMap", metadata("labels", json!({"a": "no spaces"})), None);
    assert!(
        text.starts_with(
            "metadata.labels: Invalid value: \"no spaces\": a valid label must be an empty string"
        ),
        "{text}"
    );
    let text = said("", "ConfigMap", metadata("finalizers", json!(["-"])), None);
    assert!(
        text.starts_with("metadata.finalizers[0]: Invalid value: \"-\": name part must consist"),
        "{text}"
    );
    let dying = json!({"metadata": {"name": "x", "deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": []}});
    let mut more = dying.clone();
    more["metadata"]["finalizers"] = json!(["z.io/new"]);
    assert_eq!(
        said("", "ConfigMap", more, Some(dying)),
        "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{\"z.io/new\"}"
    );
}

#[test]
fn a_pod_is_refused_with_every_problem_it_has() {
    refused(&[
        (
            "",
            "Pod",
            json!({"spec": {"containers": [{"name": "c"}, {"name": "c", "image": "x", "ports": [{"containerPort": 99999}]}]}}),
            "[spec.containers[0].image: Required value, spec.containers[1].ports[0].containerPort: Invalid value: 99999: must be between 1 and 65535, inclusive, spec.containers[1].name: Duplicate value: \"c\"]",
        ),
        ("", "Pod", json!({"spec": {}}), "spec.containers: Required value"),
        ("", "Pod", pod(json!({})), ""),
        (
            "",
            "Pod",
            pod(json!({"name": "a.b"})),
            "spec.containers[0].name: Invalid value: \"a.b\": must not contain dots",
        ),
        (
            "",
            "Pod",
            pod(json!({"imagePullPolicy": "Maybe"})),
            "spec.containers[0].imagePullPolicy: Unsupported value: \"Maybe\": supported values: \"Always\", \"IfNotPresent\", \"Never\"",
        ),
        (
            "",
            "Pod",
            pod(json!({"env": [{"name": "A=B"}]})),
            "spec.containers[0].env[0].name: Invalid value: \"A=B\": a valid environment variable name must consist only of printable ASCII characters other than '='",
        ),
        (
            "",
            "Pod",
            pod(json!({"env": [{"name": "A", "valueFrom": {}}]})),
            "spec.containers[0].env[0].valueFrom: Invalid value: \"\": must specify one of: `configMapKeyRef`, `fieldRef`, `fileKeyRef`, `resourceFieldRef` or `secretKeyRef`",
        ),
        (
            "",
            "Pod",
            pod(json!({"volumeMounts": [{"name": "v", "mountPath": "/v"}]})),
            "spec.containers[0].volumeMounts[0].name: Not found: \"v\"",
        ),
        (
            "",
            "Pod",
            pod(json!({"readinessProbe": {"timeoutSeconds": 1}})),
            "spec.containers[0].readinessProbe: Required value: must specify a handler type",
        ),
        (
            "",
            "Pod",
            pod(json!({"livenessProbe": {"tcpSocket": {"port": 0}}})),
            "spec.containers[0].livenessProbe.tcpSocket.port: Invalid value: 0: must be between 1 and 65535, inclusive",
        ),
        (
            "",
            "Pod",
            pod(json!({"resources": {"requests": {"memory": "2Gi"}, "limits": {"memory": "1Gi"}}})),
            "spec.containers[0].resources.requests: Invalid value: \"2Gi\": must be less than or equal to memory limit of 1Gi",
        ),
        (
            "",
            "Pod",
            pod(json!({"resources": {"requests": {"cpu": 2}, "limits": {"cpu": "1000m"}}})),
            "spec.containers[0].resources.requests: Invalid value: \"2\": must be less than or equal to cpu limit of 1",
        ),
        (
            "",
            "Pod",
            json!({"spec": {"restartPolicy": "Sometimes", "containers": [{"name": "c", "image": "i"}]}}),
            "spec.restartPolicy: Unsupported value: \"Sometimes\": supported values: \"Always\", \"OnFailure\", \"Never\"",
        ),
        (
            "",
            "Pod",
            json!({"spec": {"volumes": [{"name": "v", "emptyDir": {}, "secret": {"secretName": "s"}}], "containers": [{"name": "c", "image": "i"}]}}),
            "spec.volumes[0].secret: Forbidden: may not specify more than 1 volume type",
        ),
    ]);
}

#[test]
fn of_a_pod_only_its_image_changes() {
    let old = pod(json!({}));
    assert_eq!(said("", "Pod", pod(json!({"image": "other"})), Some(old.clone())), "");
    assert_eq!(said("", "Pod", pod(json!({"command": ["x"]})), Some(old)), IMMUTABLE_POD);
}

#[test]
fn a_workloads_selector_matches_its_template_and_stays() {
    let workload = |selector: Value, labels: Value| {
        json!({"spec": {"selector": selector, "template": {"metadata": {"labels": labels},
            "spec": {"containers": [{"name": "c", "image": "i"}]}}}})
    };
    let good = || workload(json!({"matchLabels": {"a": "b"}}), json!({"a": "b"}));
    let with = |field: &str, value: Value| {
        let mut object = good();
        object["spec"][field] = value;
        object
    };
    let mut never = good();
    never["spec"]["template"]["spec"]["restartPolicy"] = json!("Never");
    refused(&[
        ("apps", "Deployment", good(), ""),
        ("apps", "ReplicaSet", good(), ""),
        ("apps", "Deployment", workload(Value::Null, json!({})), "spec.selector: Required value"),
        (
            "apps",
            "Deployment",
            workload(json!({}), json!({})),
            "spec.selector: Invalid value: {}: empty selector is invalid for deployment",
        ),
        (
            "apps",
            "Deployment",
            workload(json!({"matchLabels": {"a": "b"}}), json!({"a": "c"})),
            "spec.template.metadata.labels: Invalid value: {\"a\":\"c\"}: `selector` does not match template `labels`",
        ),
        (
            "apps",
            "Deployment",
            with("replicas", json!(-1)),
            "spec.replicas: Invalid value: -1: must be greater than or equal to 0",
        ),
        (
            "apps",
            "Deployment",
            with("strategy", json!({"type": "Recreate", "rollingUpdate": {"maxSurge": 1}})),
            "spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'",
        ),
        (
            "apps",
            "Deployment",
            with("strategy", json!({"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}})),
            "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0",
        ),
        (
            "apps",
            "Deployment",
            never,
            "spec.template.spec.restartPolicy: Unsupported value: \"Never\": supported values: \"Always\"",
        ),
    ]);
    let other = workload(json!({"matchLabels": {"x": "y"}}), json!({"x": "y"}));
    assert_eq!(
        said("apps", "Deployment", other, Some(good())),
        "spec.selector: Invalid value: {\"matchLabels\":{\"x\":\"y\"}}: field is immutable"
    );
    assert_eq!(
        aggregate(&scale(&json!({"spec": {"replicas": -1}}))),
        "spec.replicas: Invalid value: -1: must be greater than or equal to 0"
    );
}

#[test]
fn a_service_has_ports_that_differ() {
    let service = |spec: Value| json!({"spec": spec});
    refused(&[
        ("", "Service", service(json!({})), "spec.ports: Required value"),
        ("", "Service", service(json!({"clusterIP": "None"})), ""),
        (
            "",
            "Service",
            service(json!({"type": "ExternalName"})),
            "spec.externalName: Required value",
        ),
        ("", "Service", service(json!({"type": "ExternalName", "externalName": "a.b"})), ""),
        (
            "",
            "Service",
            service(json!({"ports": [{"port": 0}]})),
            "[spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive, spec.ports[0].targetPort: Invalid value: 0: must be between 1 and 65535, inclusive]",
        ),
        (
            "",
            "Service",
            service(json!({"ports": [{"name": "a", "port": 1}, {"name": "b", "port": 1}]})),
            "spec.ports[1]: Duplicate value: {\"port\":1,\"protocol\":\"TCP\"}",
        ),
        (
            "",
            "Service",
            service(json!({"ports": [{"port": 1}, {"name": "b", "port": 2}]})),
            "spec.ports[0].name: Required value",
        ),
        (
            "",
            "Service",
            service(json!({"type": "Magic", "ports": [{"port": 1}]})),
            "spec.type: Unsupported value: \"Magic\": supported values: \"ClusterIP\", \"ExternalName\", \"LoadBalancer\", \"NodePort\"",
        ),
    ]);
}

#[test]
fn the_address_of_a_service_stays_unless_its_type_changes() {
    let at = |ip: Value| json!({"spec": {"clusterIP": ip, "ports": [{"port": 1}]}});
    let external = json!({"spec": {"type": "ExternalName", "externalName": "a.b"}});
    let changed = "spec.clusterIPs[0]: Invalid value: [\"10.0.0.2\"]: may not change once set";
    for (old, new, want) in [
        (at(json!("10.0.0.1")), at(json!("10.0.0.2")), changed),
        (at(json!("10.0.0.1")), at(json!("10.0.0.1")), ""),
        (at(json!("10.0.0.1")), at(Value::Null), ""),
        (at(json!("10.0.0.1")), at(json!("")), ""),
        (at(Value::Null), at(json!("10.0.0.2")), ""),
        (at(json!("10.0.0.1")), external.clone(), ""),
        (external, at(json!("10.0.0.2")), ""),
    ] {
        assert_eq!(said("", "Service", new.clone(), Some(old.clone())), want, "{old} {new}");
    }
}

#[test]
fn what_is_immutable_stays() {
    let frozen = |value: &str| json!({"immutable": true, "data": {"a": value}});
    let want = "data: Forbidden: field is immutable when `immutable` is set";
    assert_eq!(said("", "ConfigMap", frozen("2"), Some(frozen("1"))), want);
    assert_eq!(said("", "Secret", frozen("Mg=="), Some(frozen("MQ=="))), want);
    assert_eq!(
        said("", "Secret", json!({"type": "b"}), Some(json!({"type": "a"}))),
        "type: Invalid value: \"b\": field is immutable"
    );
}

#[test]
fn plain_objects_are_checked_where_users_err() {
    let key = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";
    let large = "x".repeat(1024 * 1024 + 1);
    refused(&[
        (
            "",
            "ConfigMap",
            json!({"data": {"a b": ""}}),
            &format!("data[a b]: Invalid value: \"a b\": {key}"),
        ),
        (
            "",
            "ConfigMap",
            json!({"data": {"a": large}}),
            "<nil>: Too long: may not be more than 1048576 bytes",
        ),
        (
            "",
            "Secret",
            json!({"type": "kubernetes.io/tls", "data": {"tls.crt": ""}}),
            "data[tls.key]: Required value",
        ),
        (
            "discovery.k8s.io",
            "EndpointSlice",
            json!({"addressType": "IPv4", "endpoints": [{"addresses": ["x"]}]}),
            "endpoints[0].addresses[0]: Invalid value: \"x\": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)",
        ),
        (
            "coordination.k8s.io",
            "Lease",
            json!({"spec": {"leaseDurationSeconds": 0}}),
            "spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0",
        ),
        (
            "",
            "Event",
            json!({"metadata": {"name": "e", "namespace": "a"}, "involvedObject": {"namespace": "b"}}),
            "involvedObject.namespace: Invalid value: \"b\": does not match event.namespace",
        ),
    ]);
}

#[test]
fn a_crd_has_a_structural_schema_and_a_name_made_of_its_names() {
    let crd = |name: &str, schema: Value| {
        json!({"metadata": {"name": name}, "spec": {"group": "ex.io", "scope": "Namespaced",
            "names": {"plural": "toys", "kind": "Toy"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}]}})
    };
    let kind = "CustomResourceDefinition";
    let group = "apiextensions.k8s.io";
    refused(&[
        (group, kind, crd("toys.ex.io", json!({"type": "object"})), ""),
        (
            group,
            kind,
            crd("toy.ex.io", json!({"type": "object"})),
            "metadata.name: Invalid value: \"toy.ex.io\": must be spec.names.plural+\".\"+spec.group",
        ),
        (
            group,
            kind,
            crd(
                "toys.ex.io",
                json!({"type": "object", "properties": {"spec": {"properties": {}}}}),
            ),
            "spec.validation.openAPIV3Schema.properties[spec].type: Required value: must not be empty for specified object fields",
        ),
        (
            group,
            kind,
            crd("toys.ex.io", json!({"type": "object", "properties": {"l": {"type": "array"}}})),
            "spec.validation.openAPIV3Schema.properties[l].items: Required value: must be specified",
        ),
    ]);
    let good = crd("toys.ex.io", json!({"type": "object"}));
    let mut moved = good.clone();
    moved["spec"]["scope"] = json!("Cluster");
    assert_eq!(
        said(group, kind, moved, Some(good)),
        "spec.scope: Invalid value: \"Cluster\": field is immutable"
    );
}

#[test]
fn what_a_crd_asks_for_and_does_not_get_is_refused_by_its_exact_path() {
    let rule = json!([{"rule": "self.a < self.b"}]);
    let text = json!({"type": "string", "x-kubernetes-validations": rule});
    let mut crd = json!({"metadata": {"name": "toys.ex.io"}, "spec": {"group": "ex.io", "scope": "Namespaced",
        "names": {"plural": "toys", "kind": "Toy"}, "conversion": {"strategy": "Webhook"},
        "versions": [
            {"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema":
                {"type": "object", "x-kubernetes-validations": []}}},
            {"name": "v2", "served": false, "storage": false, "schema": {"openAPIV3Schema":
                {"type": "object", "properties": {
                    "list": {"type": "array", "items": text},
                    "map": {"type": "object", "additionalProperties": text}}}}}]}});
    let resource = Kinds::new()
        .by_kind("apiextensions.k8s.io", "v1", "CustomResourceDefinition")
        .expect("a built-in kind");
    let found = check(&resource, &crd, None);
    let paths: Vec<&str> = found.iter().map(|p| p.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "spec.conversion.strategy",
            "spec.versions[1].schema.openAPIV3Schema.properties[list].items.x-kubernetes-validations",
            "spec.versions[1].schema.openAPIV3Schema.properties[map].additionalProperties.x-kubernetes-validations",
        ]
    );
    assert!(found[0].message.contains("use strategy None"), "{}", found[0].message);
    assert!(found[1].message.contains("remove x-kubernetes-validations"), "{}", found[1].message);
    crd["spec"]["conversion"]["strategy"] = json!("None");
    crd["spec"]["versions"].as_array_mut().expect("a list").truncate(1);
    assert_eq!(check(&resource, &crd, None), Vec::new());
}

#[test]
fn maps_of_data_are_bounded_and_keep_what_was_made_immutable() {
    const MOST: usize = 1024 * 1024;
    let text = |bytes: usize| "x".repeat(bytes);
    let long = format!("Too long: may not be more than {MOST} bytes");
    refused(&[
        ("", "ConfigMap", json!({"data": {"a": text(MOST)}}), ""),
        (
            "",
            "ConfigMap",
            json!({"data": {"a": text(MOST - 3)}, "binaryData": {"b": "MQ=="}}),
            &format!("<nil>: {long}"),
        ),
        ("", "Secret", json!({"data": {"a": text(MOST)}}), ""),
        ("", "Secret", json!({"data": {"a": text(MOST + 1)}}), &format!("data: {long}")),
        (
            "",
            "ConfigMap",
            json!({"data": {"a": "1"}, "binaryData": {"a": "MQ=="}}),
            "binaryData[a]: Invalid value: \"a\": duplicate of key present in data",
        ),
        (
            "",
            "Secret",
            json!({"type": "kubernetes.io/ssh-auth"}),
            "data[ssh-privatekey]: Required value",
        ),
        (
            "",
            "Secret",
            json!({"type": "kubernetes.io/tls", "data": {"tls.crt": ""}}),
            "data[tls.key]: Required value",
        ),
    ]);
    let frozen = json!({"immutable": true, "data": {"a": "1"}});
    assert_eq!(
        said("", "ConfigMap", json!({"immutable": true, "data": {"a": "2"}}), Some(frozen.clone())),
        "data: Forbidden: field is immutable when `immutable` is set"
    );
    assert_eq!(said("", "ConfigMap", frozen.clone(), Some(frozen)), "");
    let open = json!({"data": {"a": "1"}});
    assert_eq!(said("", "ConfigMap", json!({"data": {"a": "2"}}), Some(open)), "");
}

#[test]
fn endpoints_have_addresses_and_ports() {
    let subset = |subset: Value| json!({"subsets": [subset]});
    refused(&[
        (
            "",
            "Endpoints",
            subset(json!({"addresses": [{"ip": "10.0.0.1"}], "ports": [{"port": 80}]})),
            "",
        ),
        ("", "Endpoints", subset(json!({"notReadyAddresses": [{"ip": "::1"}]})), ""),
        (
            "",
            "Endpoints",
            subset(json!({"ports": [{"port": 80}]})),
            "subsets[0]: Required value: must specify `addresses` or `notReadyAddresses`",
        ),
        (
            "",
            "Endpoints",
            subset(json!({"addresses": [{"ip": "here"}], "ports": [{"port": 0}]})),
            "[subsets[0].addresses[0].ip: Invalid value: \"here\": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff), subsets[0].ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive]",
        ),
    ]);
}

#[test]
fn a_selector_of_a_workload_has_a_syntax() {
    let workload = |expression: Value| {
        json!({"spec": {"selector": {"matchLabels": {"a": "b"}, "matchExpressions": [expression]},
            "template": {"metadata": {"labels": {"a": "b", "c": "d"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}}})
    };
    let at = "spec.selector.matchExpressions[0]";
    refused(&[
        (
            "apps",
            "ReplicaSet",
            workload(json!({"key": "c", "operator": "In", "values": ["d"]})),
            "",
        ),
        ("apps", "ReplicaSet", workload(json!({"key": "c", "operator": "Exists"})), ""),
        (
            "apps",
            "ReplicaSet",
            workload(json!({"key": "c", "operator": "NotIn", "values": []})),
            &format!(
                "{at}.values: Required value: must be specified when `operator` is 'In' or 'NotIn'"
            ),
        ),
        (
            "apps",
            "ReplicaSet",
            workload(json!({"key": "c", "operator": "Exists", "values": ["d"]})),
            &format!(
                "{at}.values: Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            ),
        ),
        (
            "apps",
            "ReplicaSet",
            json!({"spec": {"selector": {"matchExpressions": [{"key": "c", "operator": "Exists"}]},
                "template": {"metadata": {"labels": {"c": "d"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}}}),
            "",
        ),
        (
            "apps",
            "ReplicaSet",
            json!({"spec": {}}),
            "[spec.selector: Required value, spec.template.spec.containers: Required value]",
        ),
    ]);
}

#[test]
fn ports_of_a_container_are_named_once_and_shortly() {
    let ports = |ports: Value| pod(json!({"ports": ports}));
    let name = |name: &str| ports(json!([{"containerPort": 80, "name": name}]));
    let on_host = |port: Value| {
        let mut pod = ports(json!([port]));
        pod["spec"]["hostNetwork"] = json!(true);
        pod
    };
    let at = "spec.containers[0].ports[0].name: Invalid value:";
    refused(&[
        ("", "Pod", name("http-1"), ""),
        ("", "Pod", name("abcdefghijklmno"), ""),
        (
            "",
            "Pod",
            name("abcdefghijklmnop"),
            &format!("{at} \"abcdefghijklmnop\": must be no more than 15 characters"),
        ),
        ("", "Pod", name("80"), &format!("{at} \"80\": must contain at least one letter (a-z)")),
        ("", "Pod", name("a--b"), &format!("{at} \"a--b\": must not contain consecutive hyphens")),
        ("", "Pod", name("a-"), &format!("{at} \"a-\": must not begin or end with a hyphen")),
        (
            "",
            "Pod",
            name("a_b"),
            &format!(
                "{at} \"a_b\": must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)"
            ),
        ),
        (
            "",
            "Pod",
            ports(json!([{"containerPort": 80, "name": "a"}, {"containerPort": 81, "name": "a"}])),
            "spec.containers[0].ports[1].name: Duplicate value: \"a\"",
        ),
        ("", "Pod", ports(json!([{"containerPort": 80, "hostPort": 0}])), ""),
        ("", "Pod", on_host(json!({"containerPort": 80, "hostPort": 80})), ""),
        (
            "",
            "Pod",
            on_host(json!({"containerPort": 80, "hostPort": 81})),
            "spec.containers[0].ports[0].containerPort: Invalid value: 80: must match `hostPort` when `hostNetwork` is true",
        ),
        (
            "",
            "Pod",
            ports(json!([{"containerPort": 80, "hostPort": 70000}])),
            "spec.containers[0].ports[0].hostPort: Invalid value: 70000: must be between 1 and 65535, inclusive",
        ),
        (
            "",
            "Pod",
            pod(
                json!({"env": [{"name": "A", "value": "x", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]}),
            ),
            "spec.containers[0].env[0].valueFrom: Invalid value: \"\": may not be specified when `value` is not empty",
        ),
        (
            "",
            "Pod",
            json!({"spec": {"activeDeadlineSeconds": 1, "containers": [{"name": "c", "image": "i"}]}}),
            "",
        ),
        (
            "",
            "Pod",
            json!({"spec": {"activeDeadlineSeconds": 0, "containers": [{"name": "c", "image": "i"}]}}),
            "spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive",
        ),
    ]);
}

#[test]
fn annotations_are_bounded_by_their_names_and_values_together() {
    let annotated = |bytes: usize| json!({"metadata": {"name": "x", "annotations": {"ab": "v".repeat(bytes), "cd": "v"}}});
    let most = 256 * 1024;
    refused(&[
        ("", "ConfigMap", annotated(most - 5), ""),
        (
            "",
            "ConfigMap",
            annotated(most - 4),
            &format!("metadata.annotations: Too long: may not be more than {most} bytes"),
        ),
    ]);
}
