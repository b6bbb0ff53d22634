//! Services as flags make and change them.

use clap::Parser;
use serde_json::from_value;

use super::*;
use crate::args::{Cli, Command};

fn flags(words: &str) -> Deploy {
    let words = ["rouse", "deploy", "hello"].into_iter().chain(words.split_whitespace());
    match Cli::try_parse_from(words).unwrap().command {
        Command::Deploy(deploy) => *deploy,
        _ => unreachable!("deploy was parsed"),
    }
}

fn existing() -> kube::api::DynamicObject {
    from_value(json!({
        "apiVersion": "serving.knative.dev/v1", "kind": "Service",
        "metadata": { "name": "hello", "resourceVersion": "7" },
        "spec": {
            "template": {
                "metadata": { "name": "hello-byo", "annotations": { "mine": "kept" } },
                "spec": { "timeoutSeconds": 9, "containers": [{ "image": "old", "env": [{ "name": "A", "value": "1" }] }] }
            },
            "traffic": [{ "latestRevision": true, "percent": 100 }]
        },
        "status": { "latestReadyRevisionName": "hello-00001" }
    }))
    .unwrap()
}

fn plan(words: &str) -> Value {
    let args = flags(words);
    service(Some(&existing()), &args, args.program.image.as_deref(), Timestamp::UNIX_EPOCH).unwrap()
}

#[test]
fn a_new_service_holds_what_the_flags_say_and_nothing_else() {
    let args = flags("--image hi --port 9000 --scale-max 3 --memory 64Mi");
    let new = service(None, &args, args.program.image.as_deref(), Timestamp::UNIX_EPOCH).unwrap();
    assert_eq!(
        new["spec"],
        json!({ "template": {
            "metadata": { "annotations": { "autoscaling.knative.dev/max-scale": "3" } },
            "spec": { "containers": [{ "image": "hi", "ports": [{ "containerPort": 9000 }],
                      "resources": { "limits": { "memory": "64Mi" } } }] }
        } })
    );
}

#[test]
fn a_plan_that_changes_nothing_is_unchanged() {
    let now = Timestamp::UNIX_EPOCH;
    let deployed = |image: &str, ready: &str| {
        let mut object = existing();
        object.data["spec"]["template"]["spec"]["containers"][0]["image"] = image.into();
        object.data["status"] = json!({ "conditions": [{ "type": "Ready", "status": ready }],
            "observedGeneration": null });
        object
    };
    let same = |existing: &kube::api::DynamicObject, words: &str| {
        let args = flags(words);
        let planned = service(Some(existing), &args, args.program.image.as_deref(), now).unwrap();
        is_unchanged(existing, &planned)
    };
    let pinned = "fn@sha256:abc";
    assert!(same(&deployed(pinned, "True"), "--image fn@sha256:abc"));
    assert!(same(&deployed(pinned, "True"), "--env A=1 --timeout 9"));
    assert!(!same(&deployed(pinned, "True"), "--env A=2"));
    assert!(!same(&deployed(pinned, "True"), "--image fn@sha256:def"));
    assert!(!same(&deployed(pinned, "False"), "--image fn@sha256:abc"), "it is tried again");
    assert!(!same(&deployed("fn:1", "True"), "--image fn:1"), "a tag may mean another image");
}

#[test]
fn flags_of_gcloud_and_kn_have_their_meaning_there() {
    let changed = plan(
        "--set-env-vars B=2,C=3 -e D=4 --concurrency 80 --min-instances 1 --max-instances 5 \
         -p h2c:9000 --service-account robot -l team=blue --annotation a/b=c --allow-unauthenticated",
    );
    let template = &changed["spec"]["template"];
    let container = &template["spec"]["containers"][0];
    let value = |name: &str, value: &str| json!({ "name": name, "value": value });
    assert_eq!(container["env"], json!([value("B", "2"), value("C", "3"), value("D", "4")]));
    assert_eq!(container["ports"], json!([{ "containerPort": 9000, "name": "h2c" }]));
    assert_eq!(template["spec"]["containerConcurrency"], 80);
    assert_eq!(template["spec"]["serviceAccountName"], "robot");
    let annotations = &template["metadata"]["annotations"];
    assert_eq!(annotations["autoscaling.knative.dev/min-scale"], "1");
    assert_eq!(annotations["autoscaling.knative.dev/max-scale"], "5");
    assert_eq!((&annotations["a/b"], &annotations["mine"]), (&json!("c"), &json!("kept")));
    assert_eq!(template["metadata"]["labels"], json!({ "team": "blue" }));
    assert_eq!(changed["metadata"]["labels"], json!({ "team": "blue" }));
    let updated = plan("--update-env-vars B=2");
    let env = &updated["spec"]["template"]["spec"]["containers"][0]["env"];
    assert_eq!(env, &json!([value("A", "1"), value("B", "2")]));
}

#[test]
fn more_flags_of_gcloud_and_kn_have_their_meaning_there() {
    let changed = plan(
        "--remove-env-vars A --set-env-vars ^;^B=1,2;C=3 --args -m,server --scale 1..5 --timeout 5m \
         --labels team=blue,tier=web --revision-suffix v2 --limit cpu=1,memory=2Gi --request cpu=500m \
         --use-http2 --scale-init 2 --scale-metric rps --user 1000 --pull-secret login --cluster-local",
    );
    let template = &changed["spec"]["template"];
    let container = &template["spec"]["containers"][0];
    let value = |name: &str, value: &str| json!({ "name": name, "value": value });
    assert_eq!(container["env"], json!([value("B", "1,2"), value("C", "3")]));
    assert_eq!(container["args"], json!(["-m", "server"]));
    assert_eq!(container["ports"], json!([{ "name": "h2c", "containerPort": 8080 }]));
    assert_eq!(
        container["resources"],
        json!({ "limits": { "cpu": "1", "memory": "2Gi" }, "requests": { "cpu": "500m" } })
    );
    assert_eq!(container["securityContext"], json!({ "runAsUser": 1000 }));
    assert_eq!(template["metadata"]["name"], "hello-v2");
    assert_eq!(template["spec"]["timeoutSeconds"], 300);
    assert_eq!(template["spec"]["imagePullSecrets"], json!([{ "name": "login" }]));
    let annotations = &template["metadata"]["annotations"];
    for (name, value) in
        [("min-scale", "1"), ("max-scale", "5"), ("initial-scale", "2"), ("metric", "rps")]
    {
        assert_eq!(annotations[format!("autoscaling.knative.dev/{name}")], value, "{name}");
    }
    let local = "networking.knative.dev/visibility";
    assert_eq!(template["metadata"]["labels"], json!({ "team": "blue", "tier": "web" }));
    assert_eq!(
        changed["metadata"]["labels"],
        json!({ "team": "blue", "tier": "web", local: "cluster-local" })
    );
    let cleared = plan("--clear-env-vars --ingress all");
    assert!(cleared["spec"]["template"]["spec"]["containers"][0].get("env").is_none());
}

#[test]
fn who_may_call_is_an_annotation_of_the_service_and_makes_no_revision() {
    let planned = |members: Option<&str>, words: &str| {
        let mut object = existing();
        object.metadata.annotations =
            members.map(|list| [(keys::INVOKERS.to_owned(), list.to_owned())].into());
        let planned = service(Some(&object), &flags(words), None, Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(planned["spec"], object.data["spec"], "{words}");
        planned["metadata"]["annotations"].clone()
    };
    let closed = |list: &str| json!({ keys::INVOKERS: list });
    for (members, words, expected) in [
        (None, "--no-allow-unauthenticated", closed("")),
        (None, "--allow-unauthenticated", Value::Null),
        (Some(""), "--allow-unauthenticated", json!({})),
        (Some("user:a@b.c"), "--allow-unauthenticated", closed("user:a@b.c,allUsers")),
        (Some("allUsers, user:a@b.c"), "--no-allow-unauthenticated", closed("user:a@b.c")),
        (Some("user:a@b.c"), "--timeout 9", closed("user:a@b.c")),
        (None, "--ingress internal-only", json!({ keys::INGRESS: "internal" })),
        (None, "--ingress all", Value::Null),
    ] {
        assert_eq!(planned(members, words), expected, "{words}");
    }
}

#[test]
fn secrets_become_variables_and_files_and_go_again() {
    let spec = |existing: &kube::api::DynamicObject, words: &str| {
        let args = flags(words);
        let planned = service(Some(existing), &args, None, Timestamp::UNIX_EPOCH).unwrap();
        (from_value(planned.clone()).unwrap(), planned["spec"]["template"]["spec"].clone())
    };
    let words = "--set-secrets KEY=api:token,/etc/tls/cert=web:tls.crt,/etc/tls/key=web:tls.key,/all=whole \
                 --env-from cm:settings --mount /config=cm:files";
    let (with, pod) = spec(&existing(), words);
    let container = &pod["containers"][0];
    assert_eq!(
        container["env"],
        json!([{ "name": "A", "value": "1" },
               { "name": "KEY", "valueFrom": { "secretKeyRef": { "name": "api", "key": "token" } } }])
    );
    assert_eq!(container["envFrom"], json!([{ "configMapRef": { "name": "settings" } }]));
    let mounted =
        |name: &str, path: &str| json!({ "name": name, "mountPath": path, "readOnly": true });
    let mounts =
        [mounted("config", "/config"), mounted("etc-tls", "/etc/tls"), mounted("all", "/all")];
    assert_eq!(container["volumeMounts"], json!(mounts));
    let items = json!([{ "key": "tls.crt", "path": "cert" }, { "key": "tls.key", "path": "key" }]);
    assert_eq!(
        pod["volumes"],
        json!([{ "name": "config", "configMap": { "name": "files" } },
               { "name": "etc-tls", "secret": { "secretName": "web", "items": items } },
               { "name": "all", "secret": { "secretName": "whole" } }])
    );
    let (again, _) = spec(&with, "--mount /config=cm:files --update-secrets /all=whole");
    assert_eq!(again.data, with.data, "the same again changes nothing");
    // As it was: a change and its opposite meet in the same service.
    let (less, _) = spec(&with, "--remove-secrets KEY,/etc/tls/cert,/etc/tls/key --mount /config-");
    let (_, left) = spec(&less, "--clear-secrets --env-from cm:settings-");
    assert_eq!(left, existing().data["spec"]["template"]["spec"]);
}

#[test]
fn a_file_joins_the_others_of_its_secret_and_hides_none() {
    let volumes = |mounted: Value, volume: Value, words: &str| {
        let mut service = existing();
        let pod = &mut service.data["spec"]["template"]["spec"];
        pod["containers"][0]["volumeMounts"] = json!([mounted]);
        pod["volumes"] = json!([volume]);
        let planned = super::service(Some(&service), &flags(words), None, Timestamp::UNIX_EPOCH);
        planned.map(|planned| planned["spec"]["template"]["spec"]["volumes"].clone())
    };
    let mount = |path: &str| json!({ "name": "v", "mountPath": path });
    let secret = |source: Value| json!({ "name": "v", "secret": source });
    let file = |key: &str, path: &str| json!({ "key": key, "path": path });

    let some = || secret(json!({ "secretName": "web", "items": [file("a", "a"), file("b", "b")] }));
    let more = volumes(mount("/tls/"), some(), "--update-secrets /tls/b=web:new,/tls/c=web:c");
    let items = json!([file("a", "a"), file("new", "b"), file("c", "c")]);
    assert_eq!(more.unwrap(), json!([secret(json!({ "secretName": "web", "items": items }))]));

    // A whole Secret has a file for each key, by the key's name.
    let whole = || secret(json!({ "secretName": "web" }));
    let same = volumes(mount("/tls"), whole(), "--update-secrets /tls/b=web:b");
    assert_eq!(same.unwrap(), json!([whole()]));
    let hiding = volumes(mount("/tls"), whole(), "--update-secrets /tls/c=web:b").unwrap_err();
    assert!(hiding.to_string().contains("/tls shows the whole Secret web already"), "{hiding}");
    let part = json!({ "name": "v", "mountPath": "/tls", "subPath": "a" });
    let hiding = volumes(part, some(), "--update-secrets /tls/c=web:c").unwrap_err();
    assert!(hiding.to_string().contains("/tls shows a part of a volume"), "{hiding}");
}

#[test]
fn what_cannot_be_read_is_refused_with_its_form() {
    for (words, says) in [
        ("--set-secrets KEY=api", "write NAME=SECRET:KEY"),
        ("--set-secrets /x=api:key", "/DIR/FILE=SECRET:KEY"),
        ("--update-secrets /d/a=one:k,/d/b=two:k", "/d holds the files of another volume"),
        ("--set-secrets /d=one,/d/a=one:k", "/d shows the whole Secret one already"),
        ("--mount /d=cm:one --update-secrets /d/a=one:k", "/d holds the files of another volume"),
        ("--mount config=cm:files", "such as /config"),
        ("--mount /config=files", "write secret:NAME or cm:NAME"),
        ("--env-from settings", "write secret:NAME or cm:NAME"),
        ("--limit memory=2GB", "write 2G or 2Gi"),
        ("--limit memory", "write cpu=500m or memory=256Mi"),
        ("--set-env-vars A", "neither NAME=VALUE nor NAME-"),
    ] {
        let args = flags(words);
        let error = service(Some(&existing()), &args, None, Timestamp::UNIX_EPOCH).unwrap_err();
        assert!(error.to_string().contains(says), "{words}: {error}");
    }
}

#[test]
fn only_what_a_flag_names_is_changed() {
    let changed = plan("--env B=2 --env A-");
    let container = &changed["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["env"], json!([{ "name": "B", "value": "2" }]));
    assert_eq!(container["image"], "old");
    assert_eq!(changed["spec"]["template"]["spec"]["timeoutSeconds"], 9);
    assert_eq!(changed["metadata"]["resourceVersion"], "7");
    assert!(
        changed["spec"]["template"]["metadata"]["name"].is_null(),
        "the name belongs to the old revision"
    );
}

#[test]
fn no_traffic_pins_latest_to_what_serves_now() {
    let changed = plan("--image new --no-traffic --tag next");
    assert_eq!(
        changed["spec"]["traffic"],
        json!([{ "latestRevision": false, "revisionName": "hello-00001", "percent": 100 },
               { "latestRevision": true, "percent": 0, "tag": "next" }])
    );
}

#[test]
fn no_traffic_on_a_service_that_never_served_is_refused() {
    let args = flags("--image a --no-traffic");
    assert!(service(None, &args, Some("a"), Timestamp::UNIX_EPOCH).is_err());
}

#[test]
fn a_tag_of_latest_moves_to_the_revision_by_name() {
    let mut object = existing();
    object.data["spec"]["traffic"] = json!([
        { "revisionName": "hello-00001", "percent": 100 },
        { "latestRevision": true, "percent": 0, "tag": "next" },
    ]);
    object.data["status"]["latestCreatedRevisionName"] = json!("hello-00002");
    let tagged = tag_by_name(&object, "next").unwrap();
    assert_eq!(
        tagged.data["spec"]["traffic"][1],
        json!({ "latestRevision": false, "revisionName": "hello-00002", "percent": 0, "tag": "next" })
    );
    assert!(tag_by_name(&tagged, "next").is_none() && tag_by_name(&object, "other").is_none());
}
