//! Pods of several containers with volumes, as manifests bring them.

use std::time::Duration;

use anyhow::ensure;
use rouse_tests::wait;

use crate::fixtures::{IMAGE, platform};

const READY: &str = "wait --for=condition=Ready --timeout=60s";

fn manifest() -> String {
    format!(
        r#"
apiVersion: v1
kind: ConfigMap
metadata: {{name: settings}}
data: {{colour: blue}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {{name: data}}
spec: {{accessModes: [ReadWriteOnce], resources: {{requests: {{storage: 1Gi}}}}}}
---
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {{name: shop}}
spec:
  template:
    spec:
      nodeSelector: {{}}
      initContainers:
      - name: fill
        image: {IMAGE}
        command: [/bin/sh, -c, "echo filled > /shared/first; echo kept > /srv/data/file; echo init is done"]
        volumeMounts:
        - {{name: shared, mountPath: /shared}}
        - {{name: data, mountPath: /srv/data}}
      containers:
      - name: user
        image: {IMAGE}
        ports: [{{containerPort: 8080}}]
        volumeMounts: [{{name: shared, mountPath: /shared}}]
      - name: side
        image: {IMAGE}
        command: [/bin/sh, -c, "cat /shared/first /etc/shop/colour /srv/data/file; exec sleep 600"]
        volumeMounts:
        - {{name: shared, mountPath: /shared}}
        - {{name: settings, mountPath: /etc/shop}}
        - {{name: data, mountPath: /srv/data}}
      volumes:
      - {{name: shared, emptyDir: {{}}}}
      - {{name: settings, configMap: {{name: settings}}}}
      - {{name: data, persistentVolumeClaim: {{claimName: data}}}}
"#
    )
}

#[test]
fn kubectl_applies_a_service_with_a_sidecar_an_init_container_and_volumes() -> anyhow::Result<()> {
    let platform = platform()?;
    let kubectl = platform.kubectl();
    let refused = kubectl.fail("apply -f -", &manifest())?;
    for why in
        ["support for init-containers is off", "Persistent volume claim", "persistentVolumeClaim"]
    {
        ensure!(
            refused.to_lowercase().contains(&why.to_lowercase()),
            "{why:?} is not in {refused}"
        );
    }
    let features = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: config-features, namespace: knative-serving}\n\
                    data:\n  kubernetes.podspec-init-containers: enabled\n  \
                    kubernetes.podspec-persistent-volume-claim: enabled\n  \
                    kubernetes.podspec-persistent-volume-write: enabled\n";
    kubectl.apply(features)?;
    // The settings are followed.
    wait::until("the features", Duration::from_secs(20), || {
        kubectl.apply(&manifest()).map(drop).map_err(|error| error.to_string())
    })?;
    kubectl.run(&format!("{READY} ksvc/shop"))?;
    assert!(platform.get("shop", "/")?.body.contains("shop-00001"));
    let pods = kubectl.run("get pods -l serving.knative.dev/service=shop --no-headers")?;
    assert!(pods.contains("2/2") && pods.contains("Running"), "{pods}");
    let name = pods.split_whitespace().next().unwrap_or_default();
    assert_eq!(kubectl.run(&format!("logs {name} -c fill"))?, "init is done\n");
    assert_eq!(kubectl.run(&format!("logs {name} -c side"))?, "filled\nbluekept\n");
    let claim = kubectl.run("get pvc data -o jsonpath={.status.phase}")?;
    assert_eq!(claim, "Bound");
    Ok(())
}
