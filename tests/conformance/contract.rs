//! 1.3: what a container finds: variables, arguments, files, users, limits.

use anyhow::ensure;
use rouse_tests::wait;
use serde_json::{Value, json};

use crate::Case;
use crate::cluster::{EVERY, READY, Runtime, Space, condition};
use crate::manifests::{env, service, set};

pub(crate) const CASES: &[Case] = &[
    ("s1_3::port_is_in_the_environment", port),
    ("s1_3::service_configuration_and_revision_are_in_the_environment", names),
    ("s1_3::command_and_arguments", arguments),
    ("s1_3::variables_are_expanded", expanded),
    ("s1_3::variables_of_config_maps_and_secrets", sources),
    ("s1_3::the_working_directory", working_directory),
    ("s1_3::standard_input_is_at_its_end", stdin),
    ("s1_3::devices_and_folders_that_programs_rely_on", files),
    ("s1_3::a_user_that_is_asked_for", user),
    ("s1_3::more_memory_than_the_limit_ends_the_container_alone", memory),
    ("s1_3::no_token_is_mounted_where_none_is_wanted", no_token),
];

fn port(space: &Space<'_>) -> anyhow::Result<()> {
    let made = service(space, "hello", json!({ "ports": [{ "containerPort": 8801 }] }));
    // The server listens on it, so that an answer shows that it is the right one.
    let port = space.body(&space.deploy(&made)?, "/env/PORT")?;
    match space.cluster.runtime {
        // Processes share the host's ports, so each gets a free one.
        Runtime::Process => drop(port.parse::<u16>()?),
        Runtime::Docker | Runtime::Kubelet => assert_eq!(port, "8801"),
    }
    Ok(())
}

fn names(space: &Space<'_>) -> anyhow::Result<()> {
    let ksvc = space.deploy(&service(space, "hello", json!({})))?;
    for (name, value) in
        [("K_SERVICE", "hello"), ("K_CONFIGURATION", "hello"), ("K_REVISION", "hello-00001")]
    {
        assert_eq!(space.body(&ksvc, &format!("/env/{name}"))?, value, "{name}");
    }
    let host = space.body(&ksvc, "/env/HOSTNAME")?;
    assert!(host.starts_with("hello-00001-deployment-"), "the pod's name: {host}");
    Ok(())
}

fn arguments(space: &Space<'_>) -> anyhow::Result<()> {
    let container = json!({ "command": ["/app/test-server", "first"], "args": ["two words", ""] });
    let ksvc = space.deploy(&service(space, "hello", container))?;
    assert_eq!(space.body(&ksvc, "/args")?, "first two words ");
    let args = space.deploy(&service(space, "other", json!({ "args": ["alone"] })))?;
    assert_eq!(space.body(&args, "/args")?, "alone", "the image's command stays");
    Ok(())
}

fn expanded(space: &Space<'_>) -> anyhow::Result<()> {
    let mut container = env(&[("A", "one"), ("B", "$(A)-two"), ("C", "$$(A)"), ("D", "$(NOBODY)")]);
    container["args"] = json!(["$(B)", "$(NOBODY)"]);
    let ksvc = space.deploy(&service(space, "hello", container))?;
    for (name, value) in [("B", "one-two"), ("C", "$(A)"), ("D", "$(NOBODY)")] {
        assert_eq!(space.body(&ksvc, &format!("/env/{name}"))?, value, "{name}");
    }
    assert_eq!(space.body(&ksvc, "/args")?, "one-two $(NOBODY)");
    Ok(())
}

/// A ConfigMap `map` and a Secret `keys`.
pub(crate) fn map_and_secret(space: &Space<'_>) -> anyhow::Result<()> {
    let map = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "map" },
        "data": { "colour": "blue", "shape": "round" } });
    space.create("configmap", &map)?;
    let keys = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "keys" },
        "stringData": { "token": "s3cret", "colour": "none" } });
    space.create("secret", &keys)?;
    Ok(())
}

fn sources(space: &Space<'_>) -> anyhow::Result<()> {
    map_and_secret(space)?;
    let container = json!({
        "env": [
            { "name": "ONE", "valueFrom": { "configMapKeyRef": { "name": "map", "key": "shape" } } },
            { "name": "TWO", "valueFrom": { "secretKeyRef": { "name": "keys", "key": "token" } } },
            { "name": "THREE", "valueFrom": { "secretKeyRef": { "name": "keys", "key": "none", "optional": true } } },
            { "name": "in_shape", "value": "square" },
        ],
        "envFrom": [
            { "configMapRef": { "name": "map" }, "prefix": "in_" },
            { "configMapRef": { "name": "map" } },
            { "secretRef": { "name": "keys" } },
            { "secretRef": { "name": "nothing", "optional": true } },
        ],
    });
    let ksvc = space.deploy(&service(space, "hello", container))?;
    for (name, value) in [
        ("ONE", "round"),
        ("TWO", "s3cret"),
        ("THREE", ""),
        ("in_colour", "blue"),
        ("token", "s3cret"),
        // The later source wins, and a variable of its own over all sources.
        ("colour", "none"),
        ("in_shape", "square"),
    ] {
        assert_eq!(space.body(&ksvc, &format!("/env/{name}"))?, value, "{name}");
    }
    Ok(())
}

fn working_directory(space: &Space<'_>) -> anyhow::Result<()> {
    let ksvc = space.deploy(&service(space, "hello", json!({ "workingDir": "/proc" })))?;
    assert_eq!(space.body(&ksvc, "/cwd")?, "/proc");
    Ok(())
}

fn stdin(space: &Space<'_>) -> anyhow::Result<()> {
    let ksvc = space.deploy(&service(space, "hello", json!({})))?;
    // A terminal would keep it waiting until the request's time is over.
    assert_eq!(space.body(&ksvc, "/stdin")?, "0");
    Ok(())
}

fn files(space: &Space<'_>) -> anyhow::Result<()> {
    let ksvc = space.deploy(&service(space, "hello", json!({})))?;
    for (path, expected) in [
        ("dev/fd", "link /proc/self/fd"),
        ("dev/stdin", "link /proc/self/fd/0"),
        ("dev/stdout", "link /proc/self/fd/1"),
        ("dev/stderr", "link /proc/self/fd/2"),
        ("dev/full", "device 666"),
        ("dev/null", "device 666"),
        ("dev/random", "device 666"),
        ("dev/tty", "device 666"),
        ("dev/urandom", "device 666"),
        ("dev/zero", "device 666"),
        ("proc/self/fd", "folder 500"),
        ("tmp", "folder 1777"),
    ] {
        assert_eq!(space.body(&ksvc, &format!("/stat/{path}"))?, expected, "{path}");
    }
    Ok(())
}

fn user(space: &Space<'_>) -> anyhow::Result<()> {
    let security = json!({ "securityContext": { "runAsUser": 1234, "runAsGroup": 2345 } });
    let ksvc = space.deploy(&service(space, "hello", security))?;
    let found = space.body(&ksvc, "/user")?;
    match space.cluster.runtime {
        // The host's users are not a process's to choose, and the Service says so.
        Runtime::Process => {
            let said =
                space.until("revision", "hello-00001", "what has no effect", |revision| {
                    condition(revision, "SettingsEffective")["reason"] == "NotEnforced"
                })?;
            let said = condition(&said, "SettingsEffective")["message"].clone();
            ensure!(said.as_str().is_some_and(|said| said.contains("securityContext")), "{said}");
        }
        Runtime::Docker | Runtime::Kubelet => assert_eq!(found, "1234 2345"),
    }
    Ok(())
}

fn memory(space: &Space<'_>) -> anyhow::Result<()> {
    let limit = json!({ "resources": { "limits": { "memory": "64Mi" } } });
    let ksvc = space.deploy(&service(space, "hello", limit))?;
    assert_eq!(space.call(&ksvc, "/bloat/8")?.status, 200);
    // A GET that its pod dies of may be sent again.
    let answer = space.call_with(&ksvc["status"]["url"], "/bloat/200", &[], Some(""))?;
    ensure!(answer.status >= 500, "{answer:?}");
    let ended = wait::until_every(EVERY, "an end for its memory", READY, || {
        let pods = space.pods("hello").map_err(|error| error.to_string())?;
        let status =
            pods.first().map_or(Value::Null, |pod| pod["status"]["containerStatuses"][0].clone());
        let ended = &status["lastState"]["terminated"];
        if ended.is_null() { Err(status.to_string()) } else { Ok(ended.clone()) }
    })?;
    assert_eq!(
        (&ended["reason"], &ended["exitCode"]),
        (&json!("OOMKilled"), &json!(137)),
        "{ended}"
    );
    wait::until_every(EVERY, "its restart", READY, || match space.call(&ksvc, "/") {
        Ok(answer) if answer.status == 200 => Ok(()),
        other => Err(format!("{other:?}")),
    })
}

fn no_token(space: &Space<'_>) -> anyhow::Result<()> {
    const TOKEN: &str = "/file/var/run/secrets/kubernetes.io/serviceaccount/token";
    let robot =
        json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "robot" } });
    space.create("serviceaccount", &robot)?;
    let mut with = service(space, "with", json!({}));
    set(&mut with, "spec.template.spec.serviceAccountName", json!("robot"));
    assert_eq!(space.body(&space.deploy(&with)?, TOKEN)?.split('.').count(), 3, "a token");
    let mut made = service(space, "without", json!({}));
    set(&mut made, "spec.template.spec.serviceAccountName", json!("robot"));
    set(&mut made, "spec.template.spec.automountServiceAccountToken", json!(false));
    assert_eq!(space.call(&space.deploy(&made)?, TOKEN)?.status, 404);
    Ok(())
}
