//! Helm 4, by the SDK that embeds it: releases that are waited for, and one that cannot become ready.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Context;
use rouse_tests::Platform;
use serde_json::{Value, json};

use crate::fixtures::platform;

const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/e2e/chart");

/// Does what its third argument lists, and prints for each whether it succeeded and its error.
const ACTIONS: &str = r#"
import json, sys
from helm_python import Config

kubeconfig, chart, actions = sys.argv[1:]
done = []
with Config(kubeconfig_path=kubeconfig, namespace="default") as helm:
    for action, values, timeout in json.loads(actions):
        waiting = {"wait": "watcher", "timeout": timeout}
        try:
            match action:
                case "install": helm.install(chart, "shop", values, **waiting)
                case "upgrade": helm.upgrade(chart, "shop", values, **waiting)
                case "rollback": helm.rollback("shop", version=values, **waiting)
                case "test": helm.test("shop")
                case "uninstall": helm.uninstall("shop", **waiting)
            done.append("")
        except Exception as error:
            done.append(str(error))
print(json.dumps(done))
"#;

/// A Python that has the SDK.
fn python() -> anyhow::Result<PathBuf> {
    let given = std::env::var_os("ROUSE_TEST_HELM").map(PathBuf::from);
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/tools/helm/bin/python");
    let python = given.unwrap_or_else(|| PathBuf::from(beside));
    anyhow::ensure!(
        python.exists(),
        "{} is missing: python3 -m venv target/tools/helm && \
         target/tools/helm/bin/pip install helm-python-sdk==0.2.2",
        python.display()
    );
    Ok(python)
}

/// The errors of actions in order; an empty one is a success.
fn helm(platform: &Platform, actions: &Value) -> anyhow::Result<Vec<String>> {
    let output = Command::new(python()?)
        .args(["-c", ACTIONS])
        .arg(&platform.kubeconfig)
        .args([CHART, &actions.to_string()])
        .env("HOME", platform.dir())
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).with_context(|| said.into_owned())
}

#[test]
fn a_release_is_waited_for_and_one_that_cannot_become_ready_ends_in_time() -> anyhow::Result<()> {
    let platform = platform()?;
    let kubectl = platform.kubectl();
    let good = json!([["install", {}, 60], ["test", null, 0], ["upgrade", {"greeting": "hi"}, 60]]);
    assert_eq!(helm(&platform, &good)?, ["", "", ""]);
    assert_eq!(platform.get("shop", "/env/GREETING")?.body, "hi");
    let ready = "get deployment shop-back -o jsonpath={.status.readyReplicas}";
    assert_eq!(kubectl.run(ready)?, "1");

    let stuck = json!({"command": ["/bin/sh", "-c", "sleep 1000"]});
    let failed = helm(&platform, &json!([["upgrade", stuck, 3], ["rollback", 2, 60]]))?;
    for part in ["Service/default/shop not ready", "Deployment/default/shop-back not ready"] {
        assert!(failed[0].contains(part), "{failed:?}");
    }
    assert_eq!(failed[1], "");
    assert_eq!(platform.get("shop", "/env/GREETING")?.body, "hi");

    assert_eq!(helm(&platform, &json!([["uninstall", null, 60]]))?, [""]);
    let left = "get ksvc,deployments,roles,networkpolicies,poddisruptionbudgets,secrets -o name";
    assert_eq!(kubectl.run(left)?, "");
    Ok(())
}
