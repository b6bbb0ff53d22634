//! Volumes and their mounts.

use serde_json::{Value, json};

use crate::admission::validation::testing::refused;

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
