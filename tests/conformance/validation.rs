//! 3.3: what admission refuses, and the words of it.

use anyhow::ensure;
use serde_json::{Value, json};

use crate::Case;
use crate::cluster::Space;
use crate::manifests::{service, set, version, with};

pub(crate) const CASES: &[Case] = &[
    ("s3_3::names_of_objects", object_names),
    ("s3_3::autoscaling_annotations_belong_to_the_template", annotation_places),
    ("s3_3::annotations_have_their_formats", annotations),
    ("s3_3::a_revision_name_starts_with_its_parents", revision_names),
    ("s3_3::timeouts_and_concurrency_have_their_ranges", ranges),
    ("s3_3::containers", containers),
    ("s3_3::ports", ports),
    ("s3_3::environment", environment),
    ("s3_3::probes", probes),
    ("s3_3::security_context", security),
    ("s3_3::fields_of_the_pod", pod_fields),
    ("s3_3::volumes_and_mounts", volumes),
    ("s3_3::traffic", traffic),
    ("s3_3::targets_of_a_route", route),
    ("s3_3::domain_mappings", mappings),
    ("s3_3::owner_labels_need_their_owner", owner_labels),
    ("s3_3::a_revision_does_not_change", immutable),
    ("s3_3::errors_are_joined_by_lines", joined),
    ("s1_1::a_service_account_name_has_knatives_message", service_account),
    ("s5_1::autoscaling_annotations_have_their_ranges", scaling),
];

/// A change of a Service, and words that its refusal has.
type Row<'a> = (&'a str, Value, &'a str);

const CONTAINER: &str = "spec.template.spec.containers.0";
const SPEC: &str = "spec.template.spec";

/// Each of the changes at paths below `at` is refused in these words.
fn refused(space: &Space<'_>, at: &str, rows: &[Row<'_>]) -> anyhow::Result<()> {
    let changed = rows.iter().map(|(path, value, words)| {
        let mut object = service(space, "hello", json!({}));
        set(&mut object, format!("{at}.{path}").trim_start_matches('.'), value.clone());
        (format!("{path} = {value}"), object, *words)
    });
    objects_refused(space, "ksvc", changed)
}

/// Each of the objects is refused in its words.
fn objects_refused<'w>(
    space: &Space<'_>,
    kind: &str,
    rows: impl IntoIterator<Item = (String, Value, &'w str)>,
) -> anyhow::Result<()> {
    let mut wrong = Vec::new();
    for (what, object, words) in rows {
        match space.dry_run(kind, &object) {
            Ok(_) => wrong.push(format!("{what} was taken")),
            Err(error) if !error.message.contains(words) => {
                wrong.push(format!("{what}: no {words:?} in {error}"));
            }
            Err(_) => {}
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

fn object_names(space: &Space<'_>) -> anyhow::Result<()> {
    refused(
        space,
        "metadata",
        &[
            ("name", json!("1hello"), "not a DNS 1035 label"),
            ("name", json!("a.b"), "not a DNS 1035 label"),
            ("name", json!("a".repeat(64)), "not a DNS 1035 label"),
        ],
    )?;
    let mut made = service(space, "x", json!({}));
    made["metadata"] = json!({ "generateName": "hello-" });
    let made = space.create("ksvc", &made)?;
    let name = made["metadata"]["name"].as_str().unwrap_or_default();
    ensure!(name.len() > "hello-".len() && name.starts_with("hello-"), "{name}");
    Ok(())
}

fn annotation_places(space: &Space<'_>) -> anyhow::Result<()> {
    let misplaced = json!({ "autoscaling.knative.dev/min-scale": "1" });
    refused(space, "", &[("metadata.annotations", misplaced, "invalid key name")])?;
    let template = "spec.template.metadata.annotations";
    let unknown = json!({ "networking.knative.dev/no-such-thing": "1" });
    refused(space, "", &[(template, unknown, "invalid key name")])
}

fn annotations(space: &Space<'_>) -> anyhow::Result<()> {
    let rows = [
        ("serving.knative.dev/rollout-duration", "1500ms", "is not at second precision"),
        ("serving.knative.dev/rollout-duration", "-3s", "must be positive"),
        ("serving.knative.dev/rollout-duration", "soon", "invalid value"),
    ];
    let rows: Vec<Row<'_>> = rows
        .iter()
        .map(|(key, value, words)| ("metadata.annotations", json!({ *key: value }), *words))
        .collect();
    refused(space, "", &rows)?;
    let rows = [
        ("serving.knative.dev/progress-deadline", "1500ms", "is not at second precision"),
        ("queue.sidecar.serving.knative.dev/resource-percentage", "900", "expected"),
        ("queue.sidecar.serving.knative.dev/cpu-resource-limit", "many", "invalid value"),
    ];
    let rows: Vec<Row<'_>> = rows
        .iter()
        .map(|(key, value, words)| {
            ("spec.template.metadata.annotations", json!({ *key: value }), *words)
        })
        .collect();
    refused(space, "", &rows)
}

fn revision_names(space: &Space<'_>) -> anyhow::Result<()> {
    refused(
        space,
        "spec.template.metadata",
        &[
            ("name", json!("other-one"), "must have prefix"),
            ("name", json!("hello-A"), "not a DNS 1035 label"),
        ],
    )
}

fn ranges(space: &Space<'_>) -> anyhow::Result<()> {
    refused(
        space,
        SPEC,
        &[
            ("timeoutSeconds", json!(-1), "expected 0 <= -1 <= 600"),
            ("timeoutSeconds", json!(601), "expected 0 <= 601 <= 600"),
            ("containerConcurrency", json!(-1), "expected 0 <= -1 <= 1000"),
            ("containerConcurrency", json!(1001), "expected 0 <= 1001 <= 1000"),
        ],
    )
}

fn containers(space: &Space<'_>) -> anyhow::Result<()> {
    let image = &space.cluster.image;
    refused(
        space,
        SPEC,
        &[
            ("containers", json!([]), "spec.template.spec.containers"),
            ("containers", json!([{ "image": image }, { "image": image }]), "missing field(s)"),
            (
                "containers",
                json!([{ "image": image, "ports": [{ "containerPort": 80 }] }, { "image": image, "ports": [{ "containerPort": 81 }] }]),
                "port",
            ),
            (
                "containers",
                json!([{ "image": image, "name": "a", "ports": [{ "containerPort": 80 }] }, { "image": image, "name": "a" }]),
                "duplicate container name \"a\"",
            ),
        ],
    )?;
    refused(
        space,
        CONTAINER,
        &[
            ("image", json!(""), "image"),
            ("image", json!("not an image!"), "Failed to parse image reference"),
            ("name", json!("queue-proxy"), "queue-proxy"),
            ("imagePullPolicy", json!("Sometimes"), "invalid value"),
            ("terminationMessagePolicy", json!("None"), "invalid value"),
        ],
    )?;
    for (field, value) in [
        ("lifecycle", json!({ "postStart": { "exec": { "command": ["x"] } } })),
        ("lifecycle", json!({ "preStop": { "exec": { "command": ["x"] } } })),
        ("stdin", json!(true)),
        ("stdinOnce", json!(true)),
        ("tty", json!(true)),
    ] {
        let object = service(space, "hello", json!({ field: value }));
        if let Ok(made) = space.dry_run("ksvc", &object) {
            let kept = &crate::manifests::container(&made)[field];
            ensure!(kept.is_null() || kept == false, "{field} is neither refused nor left out");
        }
    }
    Ok(())
}

fn ports(space: &Space<'_>) -> anyhow::Result<()> {
    let reserved: Vec<Row<'_>> = [8012, 8013, 8022, 9090, 9091, 8008]
        .iter()
        .map(|port| ("ports", json!([{ "containerPort": port }]), "is a reserved port"))
        .collect();
    refused(space, CONTAINER, &reserved)?;
    refused(
        space,
        CONTAINER,
        &[
            (
                "ports",
                json!([{ "name": "arbitrary", "containerPort": 80 }]),
                "Port name arbitrary is not allowed",
            ),
            ("ports", json!([{ "protocol": "UDP", "containerPort": 80 }]), "invalid value: UDP"),
            (
                "ports",
                json!([{ "containerPort": 80 }, { "containerPort": 81 }]),
                "more than one container port is set",
            ),
            ("ports", json!([{ "containerPort": 65536 }]), "expected"),
        ],
    )
}

fn environment(space: &Space<'_>) -> anyhow::Result<()> {
    let reserved: Vec<(String, &str)> = ["PORT", "K_SERVICE", "K_CONFIGURATION", "K_REVISION"]
        .iter()
        .map(|name| (format!("\"{name}\" is a reserved environment variable"), *name))
        .collect();
    let rows: Vec<Row<'_>> = reserved
        .iter()
        .map(|(words, name)| ("env", json!([{ "name": name, "value": "x" }]), words.as_str()))
        .collect();
    refused(space, CONTAINER, &rows)?;
    refused(
        space,
        CONTAINER,
        &[
            ("env", json!([{ "value": "x" }]), "env[0].name"),
            (
                "env",
                json!([{ "name": "A", "valueFrom": { "fieldRef": { "fieldPath": "metadata.name" } } }]),
                "fieldRef",
            ),
            ("envFrom", json!([{}]), "expected exactly one, got neither"),
            (
                "envFrom",
                json!([{ "configMapRef": { "name": "a" }, "secretRef": { "name": "b" } }]),
                "expected exactly one, got both",
            ),
        ],
    )
}

fn probes(space: &Space<'_>) -> anyhow::Result<()> {
    refused(
        space,
        CONTAINER,
        &[
            (
                "readinessProbe",
                json!({ "httpGet": { "path": "/" }, "tcpSocket": {} }),
                "expected exactly one, got both",
            ),
            ("livenessProbe", json!({ "periodSeconds": 1 }), "expected exactly one, got neither"),
            (
                "readinessProbe",
                json!({ "httpGet": { "path": "/" }, "failureThreshold": 3 }),
                "is disallowed when periodSeconds is zero",
            ),
            (
                "readinessProbe",
                json!({ "httpGet": { "path": "/" }, "timeoutSeconds": 3 }),
                "is disallowed when periodSeconds is zero",
            ),
            (
                "readinessProbe",
                json!({ "httpGet": { "path": "/" }, "successThreshold": -1 }),
                "successThreshold",
            ),
        ],
    )
}

fn security(space: &Space<'_>) -> anyhow::Result<()> {
    refused(
        space,
        CONTAINER,
        &[
            ("securityContext", json!({ "runAsUser": -10 }), "runAsUser"),
            ("securityContext", json!({ "privileged": true }), "privileged"),
            (
                "securityContext",
                json!({ "capabilities": { "add": ["SYS_ADMIN"] } }),
                "capabilities",
            ),
            ("securityContext", json!({ "procMount": "Default" }), "procMount"),
        ],
    )
}

fn pod_fields(space: &Space<'_>) -> anyhow::Result<()> {
    refused(
        space,
        SPEC,
        &[
            ("affinity", json!({ "nodeAffinity": {} }), "affinity"),
            ("hostAliases", json!([{ "ip": "1.2.3.4" }]), "hostAliases"),
            ("nodeSelector", json!({ "a": "b" }), "nodeSelector"),
            ("tolerations", json!([{ "operator": "Exists" }]), "tolerations"),
            ("runtimeClassName", json!("x"), "runtimeClassName"),
            ("dnsPolicy", json!("Default"), "dnsPolicy"),
            ("hostNetwork", json!(true), "hostNetwork"),
            ("schedulerName", json!("x"), "schedulerName"),
            ("priorityClassName", json!("x"), "priorityClassName"),
            ("securityContext", json!({ "runAsUser": 5 }), "securityContext"),
            ("initContainers", json!([{ "image": "a/b" }]), "init-containers is off"),
            ("restartPolicy", json!("Never"), "restartPolicy"),
            ("terminationGracePeriodSeconds", json!(5), "terminationGracePeriodSeconds"),
            ("activeDeadlineSeconds", json!(5), "activeDeadlineSeconds"),
            ("nodeName", json!("n"), "nodeName"),
            ("hostname", json!("h"), "hostname"),
            ("automountServiceAccountToken", json!(true), "automountServiceAccountToken"),
        ],
    )
}

fn volumes(space: &Space<'_>) -> anyhow::Result<()> {
    let map = json!([{ "name": "v", "configMap": { "name": "m" } }]);
    refused(
        space,
        SPEC,
        &[
            ("volumes", map.clone(), "volume with name \"v\" not mounted"),
            ("volumes", json!([{ "name": "v" }]), "expected exactly one, got neither"),
            ("volumes", json!([{ "name": "v", "nfs": { "path": "/", "server": "s" } }]), "nfs"),
        ],
    )?;
    let rows = [
        (json!([{ "name": "w", "mountPath": "/v" }]), "volumeMount has no matching volume"),
        (json!([{ "name": "v", "mountPath": "v" }]), "invalid value: v"),
        (json!([{ "name": "v", "mountPath": "/dev" }]), "is a reserved path"),
        (json!([{ "name": "v", "mountPath": "/" }]), "is a reserved path"),
        (
            json!([{ "name": "v", "mountPath": "/v" }, { "name": "v", "mountPath": "/v" }]),
            "mountPath",
        ),
        (
            json!([{ "name": "v", "mountPath": "/v", "mountPropagation": "Bidirectional" }]),
            "mountPropagation",
        ),
    ];
    let mounted = rows.map(|(mounts, words)| {
        let mut made = service(space, "hello", json!({ "volumeMounts": mounts }));
        set(&mut made, "spec.template.spec.volumes", map.clone());
        (mounts.to_string(), made, words)
    });
    objects_refused(space, "ksvc", mounted)
}

fn traffic(space: &Space<'_>) -> anyhow::Result<()> {
    let latest =
        |percent: i64, tag: &str| json!({ "latestRevision": true, "percent": percent, "tag": tag });
    refused(
        space,
        "spec",
        &[
            ("traffic", json!([{ "percent": 50 }]), "Traffic targets sum to 50, want 100"),
            ("traffic", json!([{ "percent": 101 }]), "expected 0 <= 101 <= 100"),
            (
                "traffic",
                json!([latest(50, "a"), latest(50, "a")]),
                "Multiple definitions for \"a\"",
            ),
            ("traffic", json!([latest(100, "A_b")]), "not a DNS 1035 label"),
            (
                "traffic",
                json!([{ "revisionName": "hello-00001", "latestRevision": true, "percent": 100 }]),
                "may not set revisionName \"hello-00001\" when latestRevision is true",
            ),
            (
                "traffic",
                json!([{ "configurationName": "hello", "percent": 100 }]),
                "must not set the field(s)",
            ),
            (
                "traffic",
                json!([{ "url": "http://x", "percent": 100 }]),
                "must not set the field(s)",
            ),
        ],
    )
}

fn route(space: &Space<'_>) -> anyhow::Result<()> {
    let route = |traffic: Value| {
        json!({ "apiVersion": "serving.knative.dev/v1", "kind": "Route", "metadata": { "name": "alone" },
            "spec": { "traffic": traffic } })
    };
    let rows = [
        (json!([{ "percent": 100 }]), "expected exactly one, got neither"),
        (
            json!([{ "configurationName": "a", "revisionName": "b", "percent": 100 }]),
            "expected exactly one, got both",
        ),
    ];
    let routes = rows.map(|(traffic, words)| (traffic.to_string(), route(traffic), words));
    objects_refused(space, "route", routes)?;
    space.dry_run("route", &route(json!([{ "configurationName": "a", "percent": 100 }])))?;
    Ok(())
}

fn mappings(space: &Space<'_>) -> anyhow::Result<()> {
    let mapping = |name: &str, target: Value| {
        json!({ "apiVersion": "serving.knative.dev/v1beta1", "kind": "DomainMapping",
            "metadata": { "name": name }, "spec": { "ref": target } })
    };
    let whole = json!({ "name": "a", "kind": "Service", "apiVersion": "serving.knative.dev/v1" });
    let rows = [
        ("nodots", whole.clone(), "invalid name"),
        ("a.b.svc.cluster.local", whole.clone(), "invalid name"),
        ("a.example.org", json!({ "name": "a" }), "kind"),
    ];
    let mapped = rows.map(|(name, target, words)| (name.to_owned(), mapping(name, target), words));
    objects_refused(space, "domainmapping", mapped)?;
    space.dry_run("domainmapping", &mapping("a.example.org", whole))?;
    Ok(())
}

fn owner_labels(space: &Space<'_>) -> anyhow::Result<()> {
    let mut made = service(space, "hello", json!({}));
    made["kind"] = json!("Configuration");
    made["metadata"]["labels"] = json!({ "serving.knative.dev/service": "somebody" });
    let refused = space.dry_run("configuration", &made).err().map(|e| e.message);
    ensure!(refused.as_deref().is_some_and(|m| m.contains("missing field(s)")), "{refused:?}");
    Ok(())
}

fn immutable(space: &Space<'_>) -> anyhow::Result<()> {
    let made = space.deploy(&version(space, "hello", "1"))?;
    let name = made["status"]["latestReadyRevisionName"].as_str().unwrap_or_default();
    let other = json!({ "spec": { "timeoutSeconds": 77 } });
    let refused = space.merge("revision", name, &other).err().map(|e| e.message);
    let words = "Immutable fields changed (-old +new)";
    ensure!(refused.as_deref().is_some_and(|m| m.contains(words)), "{refused:?}");
    Ok(())
}

fn joined(space: &Space<'_>) -> anyhow::Result<()> {
    let bad = json!({ "timeoutSeconds": 700, "containerConcurrency": 2000 });
    let refused = space.dry_run("ksvc", &with(space, "hello", json!({}), bad, json!({})));
    let message = refused.err().map(|e| (e.code, e.message)).unwrap_or_default();
    assert_eq!(message.0, 400, "{message:?}");
    for words in [
        "admission webhook \"validation.webhook.serving.knative.dev\" denied the request: validation failed: ",
        "expected 0 <= 700 <= 600: spec.template.spec.timeoutSeconds",
        "expected 0 <= 2000 <= 1000: spec.template.spec.containerConcurrency",
    ] {
        ensure!(message.1.contains(words), "no {words:?} in {}", message.1);
    }
    assert_eq!(message.1.lines().count(), 2, "{}", message.1);
    Ok(())
}

fn service_account(space: &Space<'_>) -> anyhow::Result<()> {
    refused(
        space,
        SPEC,
        &[(
            "serviceAccountName",
            json!("foo@bar.baz"),
            "foo@bar.baz: spec.template.spec.serviceAccountName\na lowercase RFC 1123 subdomain",
        )],
    )
}

fn scaling(space: &Space<'_>) -> anyhow::Result<()> {
    let rows: &[(Value, &str)] = &[
        (json!({ "class": "other.knative.dev" }), "invalid value: other.knative.dev"),
        (
            json!({ "class": "kpa.autoscaling.knative.dev", "metric-aggregation-algorithm": "median" }),
            "invalid value: median",
        ),
        (json!({ "metric": "wishes" }), "invalid value"),
        (json!({ "target": "0.001" }), "should be at least 0.01"),
        (json!({ "target-utilization-percentage": "0" }), "expected"),
        (json!({ "target-burst-capacity": "-2" }), "invalid value: -2"),
        (json!({ "min-scale": "-1" }), "expected"),
        (json!({ "min-scale": "3", "max-scale": "2" }), "max-scale=2 is less than min-scale=3"),
        (json!({ "initial-scale": "0" }), "not allowed by cluster"),
        (json!({ "activation-scale": "1" }), "must be greater than 1"),
        (json!({ "window": "5s" }), "expected"),
        (json!({ "window": "6500ms" }), "second precision"),
        (json!({ "panic-window-percentage": "0.5" }), "expected"),
        (json!({ "panic-threshold-percentage": "109" }), "expected"),
        (json!({ "scale-down-delay": "2h" }), "expected"),
        (json!({ "scale-to-zero-pod-retention-period": "2h" }), "expected"),
    ];
    let annotated = rows.iter().map(|(short, words)| {
        let long: serde_json::Map<String, Value> = short
            .as_object()
            .into_iter()
            .flatten()
            .map(|(key, value)| (format!("autoscaling.knative.dev/{key}"), value.clone()))
            .collect();
        let made = with(space, "hello", json!({}), json!({}), Value::Object(long));
        (short.to_string(), made, *words)
    });
    objects_refused(space, "ksvc", annotated)
}
