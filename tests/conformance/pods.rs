//! 1.1, 1.3 and 6.2: pods: their shape, volumes, several containers, how they end.

use std::time::{Duration, Instant};

use anyhow::ensure;
use rouse_tests::wait;
use serde_json::{Value, json};

use crate::Case;
use crate::calls::joined;
use crate::cluster::{EVERY, READY, Runtime, Space};
use crate::contract::map_and_secret;
use crate::manifests::{container, env, scaled, service, set};
use crate::stream::Stream;

pub(crate) const CASES: &[Case] = &[
    ("s6_2::the_shape_of_a_pod", shape),
    ("s6_2::every_container_knows_its_revision", several),
    ("s1_1::config_map_and_secret_as_volumes", volumes),
    ("s1_1::projected_sources_with_paths_of_their_own", projected),
    ("s1_1::a_token_for_an_audience", token),
    ("s1_1::an_empty_folder_is_written_and_shared", empty_dir),
    ("s1_1::other_volumes_are_read_only", read_only),
    ("s1_3::a_container_that_exits_is_started_again_with_its_code", exits),
    ("s6_2::a_request_in_flight_ends_before_sigterm", in_flight),
    ("s6_2::a_websocket_outlives_the_deletion_of_its_pod", websocket),
    ("s6_2::sigterm_is_the_programs_to_handle", sigterm),
    ("s6_2::what_ignores_sigterm_is_killed", killed),
    ("s6_2::a_service_that_is_deleted_finishes_its_requests", deleted),
];

fn shape(space: &Space<'_>) -> anyhow::Result<()> {
    let mut made = service(space, "hello", json!({ "ports": [{ "containerPort": 8801 }] }));
    set(&mut made, "spec.template.spec.timeoutSeconds", json!(33));
    space.deploy(&made)?;
    let pod = space.pods("hello")?.pop().unwrap_or_default();
    let spec = &pod["spec"];
    assert_eq!(spec["enableServiceLinks"], false);
    let first = &spec["containers"][0];
    assert_eq!(first["name"], "user-container");
    assert_eq!(first["ports"][0]["name"], "user-port");
    assert_eq!(first["ports"][0]["containerPort"], 8801);
    assert_eq!(first["terminationMessagePolicy"], "FallbackToLogsOnError");
    ensure!(spec["terminationGracePeriodSeconds"].as_i64() >= Some(33), "{spec}");
    let deployment = space.get("deployment", "hello-00001-deployment")?;
    assert_eq!(deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"], 0);
    let selector = &deployment["spec"]["selector"]["matchLabels"];
    let revision = space.get("revision", "hello-00001")?;
    assert_eq!(
        *selector,
        json!({ "serving.knative.dev/revisionUID": revision["metadata"]["uid"] })
    );
    Ok(())
}

fn several(space: &Space<'_>) -> anyhow::Result<()> {
    let mut made = service(space, "hello", json!({ "ports": [{ "containerPort": 8080 }] }));
    let side = json!({ "name": "side", "image": space.cluster.image, "env": env(&[("PORT", "8893")])["env"] });
    let list = made["spec"]["template"]["spec"]["containers"].as_array_mut();
    list.into_iter().for_each(|list| list.push(side.clone()));
    let ksvc = space.deploy(&made)?;
    for (name, value) in
        [("K_SERVICE", "hello"), ("K_CONFIGURATION", "hello"), ("K_REVISION", "hello-00001")]
    {
        wait::until_every(EVERY, name, READY, || {
            let answer = space.body(&ksvc, &format!("/fetch/127.0.0.1/8893/env/{name}"));
            let answer = answer.map_err(|error| format!("{error:#}"))?;
            // The body comes after the head's empty line.
            if answer.ends_with(&format!("\r\n\r\n{value}")) { Ok(()) } else { Err(answer) }
        })?;
    }
    Ok(())
}

/// A Service with one volume, mounted at `/srv/v` and perhaps elsewhere too.
fn with_volume(space: &Space<'_>, source: Value, more: &[Value]) -> Value {
    let mut mounts = vec![json!({ "name": "v", "mountPath": "/srv/v" })];
    mounts.extend(more.iter().cloned());
    let mut made = service(space, "hello", json!({ "volumeMounts": mounts }));
    let mut volume = json!({ "name": "v" });
    source.as_object().into_iter().flatten().for_each(|(k, v)| volume[k.as_str()] = v.clone());
    set(&mut made, "spec.template.spec.volumes", json!([volume]));
    made
}

fn volumes(space: &Space<'_>) -> anyhow::Result<()> {
    map_and_secret(space)?;
    let mounts = json!([{ "name": "m", "mountPath": "/srv/map" }, { "name": "s", "mountPath": "/srv/keys" },
        { "name": "m", "mountPath": "/srv/one", "subPath": "colour" }]);
    let mut made = service(space, "hello", json!({ "volumeMounts": mounts }));
    let all = json!([
        { "name": "m", "configMap": { "name": "map" } },
        { "name": "s", "secret": { "secretName": "keys", "items": [{ "key": "token", "path": "deep/er" }] } },
    ]);
    set(&mut made, "spec.template.spec.volumes", all);
    let ksvc = space.deploy(&made)?;
    for (path, content) in [
        ("map/colour", "blue"),
        ("map/shape", "round"),
        ("keys/deep/er", "s3cret"),
        ("one", "blue"),
    ] {
        assert_eq!(space.body(&ksvc, &format!("/file/srv/{path}"))?, content, "{path}");
    }
    assert_eq!(space.call(&ksvc, "/file/srv/keys/colour")?.status, 404, "items are all there is");
    Ok(())
}

fn projected(space: &Space<'_>) -> anyhow::Result<()> {
    map_and_secret(space)?;
    let sources = json!({ "projected": { "sources": [
        { "configMap": { "name": "map", "items": [{ "key": "colour", "path": "same" }, { "key": "shape", "path": "other" }] } },
        { "secret": { "name": "keys", "items": [{ "key": "token", "path": "same" }], "optional": false } },
    ] } });
    let ksvc = space.deploy(&with_volume(space, sources, &[]))?;
    assert_eq!(space.body(&ksvc, "/file/srv/v/same")?, "s3cret", "the last source wins");
    assert_eq!(space.body(&ksvc, "/file/srv/v/other")?, "round");
    Ok(())
}

fn token(space: &Space<'_>) -> anyhow::Result<()> {
    let source = json!({ "projected": { "defaultMode": 292, "sources": [{ "serviceAccountToken": { "audience": "api", "path": "token" } }] } });
    let mut made = with_volume(space, source, &[]);
    let mount = json!([{ "name": "v", "mountPath": "/srv/token", "subPath": "token" }]);
    set(&mut made, "spec.template.spec.containers.0.volumeMounts", mount);
    let ksvc = space.deploy(&made)?;
    let token = space.body(&ksvc, "/file/srv/token")?;
    let parts: Vec<&str> = token.split('.').collect();
    ensure!(parts.len() == 3 && parts.iter().all(|part| part.len() > 10), "{token}");
    assert_eq!(space.body(&ksvc, "/stat/srv/token")?, "file 444");
    Ok(())
}

fn empty_dir(space: &Space<'_>) -> anyhow::Result<()> {
    let source = json!({ "emptyDir": { "medium": "Memory", "sizeLimit": "100M" } });
    let twice = json!({ "name": "v", "mountPath": "/srv/again" });
    let ksvc = space.deploy(&with_volume(space, source, &[twice]))?;
    let url = &ksvc["status"]["url"];
    assert_eq!(space.call_with(url, "/write/srv/v/note", &[], Some("kept"))?.body, "written");
    assert_eq!(space.body(&ksvc, "/file/srv/again/note")?, "kept");
    // It lives as long as the pod, which is longer than a container.
    assert_eq!(space.call_with(url, "/exit/1", &[], Some(""))?.status, 502);
    assert_eq!(space.body(&ksvc, "/file/srv/v/note")?, "kept");
    Ok(())
}

fn read_only(space: &Space<'_>) -> anyhow::Result<()> {
    map_and_secret(space)?;
    let ksvc = space.deploy(&with_volume(space, json!({ "configMap": { "name": "map" } }), &[]))?;
    assert_eq!(container(&ksvc)["volumeMounts"][0]["readOnly"], true);
    let url = &ksvc["status"]["url"];
    let written = space.call_with(url, "/write/srv/v/colour", &[], Some("red"))?;
    ensure!(written.status == 404 && written.body.contains("Read-only"), "{written:?}");
    assert_eq!(space.body(&ksvc, "/file/srv/v/colour")?, "blue");
    Ok(())
}

fn exits(space: &Space<'_>) -> anyhow::Result<()> {
    let ksvc = space.deploy(&service(space, "hello", json!({})))?;
    let answer = space.call_with(&ksvc["status"]["url"], "/exit/7", &[], Some(""))?;
    assert_eq!(answer.status, 502, "{answer:?}");
    // The next one is held until it is up again.
    assert_eq!(space.call(&ksvc, "/")?.status, 200);
    // Its status may come after its answers.
    let status = wait::until_every(EVERY, "its restart", READY, || {
        let pods = space.pods("hello").map_err(|error| error.to_string())?;
        let status =
            pods.first().map_or(Value::Null, |pod| pod["status"]["containerStatuses"][0].clone());
        if status["restartCount"] == 1 { Ok(status) } else { Err(status.to_string()) }
    })?;
    let ended = &status["lastState"]["terminated"];
    assert_eq!((&ended["exitCode"], &ended["reason"]), (&json!(7), &json!("Error")), "{ended}");
    ensure!(status["state"]["running"]["startedAt"].is_string(), "{status}");
    Ok(())
}

/// The name of the Service's only pod.
fn only_pod(space: &Space<'_>) -> anyhow::Result<String> {
    let pods = space.pods("hello")?;
    ensure!(pods.len() == 1, "{pods:?}");
    Ok(pods[0]["metadata"]["name"].as_str().unwrap_or_default().to_owned())
}

fn in_flight(space: &Space<'_>) -> anyhow::Result<()> {
    let ksvc = space.deploy(&service(space, "hello", env(&[("ON_TERM", "finish")])))?;
    let pod = only_pod(space)?;
    // A program that ends at SIGTERM would break this stream off.
    let mut stream = Stream::get(space, &ksvc, "/stream/25/100", "")?;
    stream.head()?;
    stream.chunk()?;
    space.delete("pod", &pod)?;
    let mut chunks = 1;
    while stream.chunk()?.is_some() {
        chunks += 1;
    }
    assert_eq!(chunks, 25);
    space.until_gone("pod", &pod)?;
    Ok(())
}

fn websocket(space: &Space<'_>) -> anyhow::Result<()> {
    let ksvc = space.deploy(&service(space, "hello", env(&[("ON_TERM", "finish")])))?;
    let pod = only_pod(space)?;
    let mut socket = Stream::websocket(space, &ksvc)?;
    socket.echoed("before")?;
    space.delete("pod", &pod)?;
    // New requests go to another pod, which shows that this one is being taken away.
    wait::until_every(EVERY, "another pod", READY, || match space.pods("hello") {
        Ok(pods) if pods.iter().any(|other| other["metadata"]["name"] != pod.as_str()) => Ok(()),
        other => Err(format!("{other:?}")),
    })?;
    assert_eq!(space.call(&ksvc, "/")?.status, 200);
    socket.echoed("after")?;
    Ok(())
}

fn sigterm(space: &Space<'_>) -> anyhow::Result<()> {
    space.deploy(&service(space, "hello", env(&[("ON_TERM", "finish")])))?;
    let pod = only_pod(space)?;
    let log = std::thread::scope(|scope| {
        let log = scope.spawn(|| space.log(&pod, "?follow=true"));
        space.delete("pod", &pod)?;
        joined(log.join())
    })?;
    ensure!(log.contains("SIGTERM came"), "{log}");
    space.until_gone("pod", &pod)
}

fn killed(space: &Space<'_>) -> anyhow::Result<()> {
    let mut made = service(space, "hello", env(&[("ON_TERM", "ignore")]));
    set(&mut made, "spec.template.spec.timeoutSeconds", json!(2));
    space.deploy(&made)?;
    let pod = only_pod(space)?;
    let grace = space.get("pod", &pod)?["spec"]["terminationGracePeriodSeconds"].clone();
    let grace = Duration::from_secs(grace.as_u64().unwrap_or_default());
    let started = Instant::now();
    space.delete("pod", &pod)?;
    space.until_gone("pod", &pod)?;
    let took = started.elapsed();
    ensure!(took + Duration::from_secs(1) > grace, "killed after {took:?} of {grace:?}");
    ensure!(took < grace + Duration::from_secs(15), "killed after {took:?} of {grace:?}");
    Ok(())
}

fn deleted(space: &Space<'_>) -> anyhow::Result<()> {
    let ksvc = space.deploy(&scaled(space, "hello", json!({}), &[("min-scale", "2")]))?;
    let mut streams = Vec::new();
    for _ in 0..4 {
        let mut stream = Stream::get(space, &ksvc, "/stream/20/100", "")?;
        stream.head()?;
        stream.chunk()?;
        streams.push(stream);
    }
    space.delete_in_foreground("ksvc", "hello")?;
    for mut stream in streams {
        let mut chunks = 1;
        while stream.chunk()?.is_some() {
            chunks += 1;
        }
        assert_eq!(chunks, 20);
    }
    if space.cluster.runtime == Runtime::Process {
        space.until_gone("ksvc", "hello")?;
    }
    Ok(())
}
