//! Volumes and their mounts.

use serde_json::{Value, json};

use crate::admission::validation::testing::{refused, refused_by, with};

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
            json!([{ "name": "v", "projected": { "sources": [{ "serviceAccountToken": { "path": "t", "expirationSeconds": 600 } }] } }]),
            mount.clone(),
            "",
        ),
        (
            json!([{ "name": "v", "projected": { "sources": [{ "serviceAccountToken": { "expirationSeconds": 5 } }] } }]),
            mount.clone(),
            "expected 600 <= 5 <= 4294967296: volumes[0].projected[0].serviceAccountToken.expirationSeconds\nmissing field(s): volumes[0].projected[0].serviceAccountToken.path",
        ),
        (
            json!([{ "name": "v", "projected": { "sources": [{ "downwardAPI": { "items": [
                { "path": "labels", "fieldRef": { "fieldPath": "metadata.labels" } },
                { "resourceFieldRef": { "resource": "limits.cpu" } },
            ] } }] } }]),
            mount,
            "missing field(s): volumes[0].projected[0].downwardAPI.items[1].path",
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
fn volumes_behind_a_feature_are_admitted_where_it_is_on() {
    let both = [
        ("kubernetes.podspec-persistent-volume-claim", "enabled"),
        ("kubernetes.podspec-volumes-hostpath", "enabled"),
    ];
    let write = [both[0], both[1], ("kubernetes.podspec-persistent-volume-write", "enabled")];
    let read_only = json!({ "claimName": "data", "readOnly": true });
    for (features, source, want) in [
        (&both[..], json!({ "persistentVolumeClaim": read_only }), ""),
        (
            &both[..],
            json!({ "persistentVolumeClaim": { "claimName": "data" } }),
            "Persistent volume write support is disabled, but found persistent volume claim data that is not read-only: persistentVolumeClaim.readOnly",
        ),
        (&write[..], json!({ "persistentVolumeClaim": { "claimName": "data" } }), ""),
        (
            &write[..],
            json!({ "persistentVolumeClaim": { "readOnly": true, "x": 1 } }),
            "missing field(s): persistentVolumeClaim.claimName\nmust not set the field(s): persistentVolumeClaim.x",
        ),
        (&both[..], json!({ "hostPath": { "path": "/srv", "type": "Directory" } }), ""),
        (&both[..], json!({ "hostPath": { "type": "File" } }), "missing field(s): hostPath.path"),
    ] {
        let mut volume = source.clone();
        volume["name"] = json!("v");
        let found = refused_by(&with("config-features", features), |o| {
            let spec = &mut o["spec"]["template"]["spec"];
            spec["volumes"] = json!([volume]);
            spec["containers"][0]["volumeMounts"] = json!([{ "name": "v", "mountPath": "/v" }]);
        });
        assert_eq!(found.replace("spec.template.spec.volumes[0].", ""), want, "{source}");
    }
}
