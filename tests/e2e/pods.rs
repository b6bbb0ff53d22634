//! Pods of several containers with volumes, as manifests bring them.

use std::time::Duration;

use anyhow::ensure;
use rouse_tests::wait;

use crate::fixtures::{IMAGE, platform, platform_with};

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

/// Pods reach services by all forms of their names, also those that came after the pod.
fn pods_find_services_by_their_names(runtime: &str) -> anyhow::Result<()> {
    let platform = platform_with(runtime)?;
    platform.rouse_ok(&format!("deploy caller --image {IMAGE}"))?;
    // Up before the service that it is to call.
    assert_eq!(platform.get("caller", "/")?.status, 200);
    let label = "networking.knative.dev/visibility=cluster-local";
    platform.rouse_ok(&format!("deploy inner --image {IMAGE} -l {label} --env VERSION=1"))?;
    platform.rouse_ok("traffic inner --tag inner-00001=first")?;
    let url = platform.kubectl().run("get ksvc inner -o jsonpath={.status.address.url}")?;
    let port = url.rsplit(':').next().and_then(|port| port.parse::<u16>().ok()).unwrap_or(80);
    for name in [
        "inner.default.svc.cluster.local",
        "inner.default.svc",
        "inner.default",
        "inner",
        "first-inner.default.svc.cluster.local",
    ] {
        wait::until(name, Duration::from_secs(20), || {
            let path = format!("/fetch/{name}/{port}/");
            let answer = platform.get("caller", &path).map_err(|error| error.to_string())?;
            let found = answer.body.ends_with("version 1 of inner-00001");
            if found { Ok(()) } else { Err(format!("{url}: {answer:?}")) }
        })?;
    }
    let own = platform.get("caller", "/file/etc/hosts")?.body;
    ensure!(own.contains("localhost"), "{own}");
    Ok(())
}

#[test]
fn processes_find_services_by_their_names() -> anyhow::Result<()> {
    pods_find_services_by_their_names("process")
}

#[test]
fn docker_containers_find_services_by_their_names() -> anyhow::Result<()> {
    pods_find_services_by_their_names("docker")
}

/// What a pod is given to use the API, and what the API lets its service account do.
fn pods_have_tokens_of_their_service_account(runtime: &str) -> anyhow::Result<()> {
    const FILES: &str = "/file/var/run/secrets/kubernetes.io/serviceaccount";
    let platform = platform_with(runtime)?;
    let kubectl = platform.kubectl();
    kubectl.run("create serviceaccount robot")?;
    kubectl.apply(&format!(
        r#"
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {{name: api}}
spec:
  template:
    spec:
      serviceAccountName: robot
      containers:
      - image: {IMAGE}
        volumeMounts: [{{name: vault, mountPath: /srv/vault}}]
      volumes:
      - name: vault
        projected:
          sources:
          - serviceAccountToken: {{audience: vault, expirationSeconds: 600, path: token}}
---
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {{name: plain}}
spec: {{template: {{spec: {{containers: [{{image: {IMAGE}}}]}}}}}}
"#
    ))?;
    kubectl.run(&format!("{READY} ksvc/api ksvc/plain"))?;
    let read = |path: &str| {
        let answer = platform.get("api", path)?;
        ensure!(answer.status == 200, "{path}: {answer:?}");
        anyhow::Ok(answer.body)
    };
    assert_eq!(read(&format!("{FILES}/namespace"))?, "default");
    ensure!(read(&format!("{FILES}/ca.crt"))?.starts_with("-----BEGIN CERTIFICATE-----"));
    let (token, vault) = (read(&format!("{FILES}/token"))?, read("/file/srv/vault/token")?);
    let (host, port) =
        (read("/env/KUBERNETES_SERVICE_HOST")?, read("/env/KUBERNETES_SERVICE_PORT")?);
    assert_eq!(read(&format!("/connect/{host}/{port}"))?, "connected", "from the pod");
    // A start of a process does not wait for mounts that its pod does not ask for.
    let unasked = platform.get("plain", &format!("{FILES}/namespace"))?;
    assert_eq!(unasked.status == 200, runtime == "docker", "{}", unasked.body);
    assert_eq!(platform.get("plain", "/env/KUBERNETES_SERVICE_HOST")?.body, host);
    let as_token = |token: &str, line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        kubectl.try_run(&[&["--token", token], words.as_slice()].concat(), "")
    };
    let whoami = "auth whoami -o jsonpath={.status.userInfo.username}";
    let said = as_token(&token, whoami)?;
    assert_eq!(said.stdout, "system:serviceaccount:default:robot", "{}", said.stderr);
    let refused = as_token(&token, "get pods")?.stderr;
    let why = "pods is forbidden: User \"system:serviceaccount:default:robot\" cannot list resource \
               \"pods\" in API group \"\" in the namespace \"default\"";
    ensure!(refused.contains(why), "{refused}");
    ensure!(as_token(&token, "auth can-i list pods")?.stdout.starts_with("no"));
    let other = as_token(&vault, whoami)?;
    ensure!(other.stdout.is_empty(), "a token for another audience: {}", other.stdout);
    let made = kubectl.run("create token robot --duration 10m")?;
    assert_eq!(as_token(made.trim(), whoami)?.stdout, "system:serviceaccount:default:robot");
    let short = kubectl.fail("create token robot --duration 1m", "")?;
    ensure!(short.contains("may not specify a duration less than 10 minutes"), "{short}");
    kubectl.run("delete serviceaccount robot")?;
    ensure!(as_token(made.trim(), whoami)?.stdout.is_empty(), "its account is gone");
    Ok(())
}

#[test]
fn processes_have_tokens_of_their_service_account() -> anyhow::Result<()> {
    pods_have_tokens_of_their_service_account("process")
}

#[test]
fn docker_containers_have_tokens_of_their_service_account() -> anyhow::Result<()> {
    pods_have_tokens_of_their_service_account("docker")
}

#[test]
fn docker_a_pods_security_context_holds() -> anyhow::Result<()> {
    let platform = platform_with("docker")?;
    let kubectl = platform.kubectl();
    kubectl.apply(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: config-features, namespace: knative-serving}\n\
         data: {kubernetes.podspec-securitycontext: enabled}\n",
    )?;
    let manifest = format!(
        r#"
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {{name: safe}}
spec:
  template:
    spec:
      securityContext:
        runAsUser: 1234
        runAsGroup: 2345
        fsGroup: 3456
        supplementalGroups: [4567]
        seccompProfile: {{type: RuntimeDefault}}
      containers:
      - image: {IMAGE}
        volumeMounts: [{{name: shared, mountPath: /shared}}]
      volumes: [{{name: shared, emptyDir: {{}}}}]
"#
    );
    wait::until("the feature", Duration::from_secs(20), || {
        kubectl.apply(&manifest).map(drop).map_err(|error| error.to_string())
    })?;
    kubectl.run(&format!("{READY} ksvc/safe"))?;
    let status = platform.get("safe", "/file/proc/self/status")?.body;
    let line = |name: &str| {
        let found = status.lines().find_map(|line| line.strip_prefix(name));
        found.unwrap_or_default().split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(line("Uid:")[0], "1234", "{status}");
    assert_eq!(line("Gid:")[0], "2345", "{status}");
    for group in ["3456", "4567"] {
        ensure!(line("Groups:").iter().any(|one| one == group), "{status}");
    }
    assert_eq!(line("Seccomp:"), ["2"], "{status}");
    Ok(())
}
