//! `rouse` as a person types it.

use std::process::{Command, Stdio};

use rouse_tests::platform;

use crate::fixtures::{platform as with_image, server};

#[test]
fn a_kubeconfig_that_points_nowhere_is_an_error_that_says_what_to_do() -> anyhow::Result<()> {
    let output = Command::new(platform::binary())
        .args(["list", "--kubeconfig", "/nowhere/config"])
        .stdin(Stdio::null())
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        said.contains("there is no kubeconfig at /nowhere/config") && said.contains("try:"),
        "{said}"
    );
    Ok(())
}

#[test]
fn deploy_call_split_and_delete_without_kubectl() -> anyhow::Result<()> {
    let platform = with_image()?;
    let deployed = platform.rouse_ok("deploy shop --image test-server --env VERSION=1")?;
    let url = format!("http://shop.default.localhost:{}", platform.http.port());
    assert!(deployed.contains(&url), "{deployed}");
    assert!(deployed.contains("127.0.0.1") && deployed.contains("Host:"), "{deployed}");
    assert_eq!(platform.rouse_ok("call shop")?, "version 1 of shop-00001");
    assert_eq!(platform.rouse_ok("call shop /echo -d hi")?, "hi");
    platform.rouse_ok("deploy shop --env VERSION=2 --no-traffic --tag next")?;
    assert_eq!(platform.rouse_ok("call shop")?, "version 1 of shop-00001");
    assert_eq!(platform.rouse_ok("call shop --tag next")?, "version 2 of shop-00002");
    let moved = platform.rouse_ok("traffic shop next=100")?;
    assert!(moved.contains("before") && moved.contains("100% shop-00002"), "{moved}");
    assert_eq!(platform.rouse_ok("call shop")?, "version 2 of shop-00002");
    platform.rouse_ok("rollback shop")?;
    assert_eq!(platform.rouse_ok("call shop")?, "version 1 of shop-00001");
    let revisions = platform.rouse_ok("revisions shop")?;
    assert!(revisions.contains("shop-00001") && revisions.contains("next"), "{revisions}");
    let described: serde_json::Value =
        serde_json::from_str(&platform.rouse_ok("describe shop -o json")?)?;
    assert_eq!(described["status"]["url"], url);
    let listed: serde_json::Value = serde_json::from_str(&platform.rouse_ok("list -o json")?)?;
    assert_eq!(listed.as_array().map(Vec::len), Some(1));
    let too_much = platform.rouse(&["traffic", "shop", "next=60", "shop-00001=50"])?;
    assert_eq!(too_much.status.code(), Some(2));
    assert!(platform.rouse_ok("images")?.contains("test-server"));
    platform.rouse_ok("delete shop")?;
    let gone = platform.rouse(&["describe", "shop"])?;
    assert_eq!(gone.status.code(), Some(1));
    Ok(())
}

#[test]
fn a_failed_deploy_prints_the_reason_the_log_and_what_still_serves() -> anyhow::Result<()> {
    let platform = with_image()?;
    platform.rouse_ok("deploy frail --image test-server")?;
    let output = platform.rouse(&["deploy", "frail", "--env", "EXIT=7"])?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("leaving with 7"), "the log: {said}");
    assert!(said.contains("frail-00001 still serves"), "{said}");
    assert_eq!(platform.get("frail", "/")?.status, 200);
    Ok(())
}

#[test]
fn a_folder_with_a_procfile_is_built_and_deployed() -> anyhow::Result<()> {
    let platform = with_image()?;
    let source = tempfile::tempdir()?;
    std::fs::copy(server(), source.path().join("server"))?;
    std::fs::write(source.path().join("Procfile"), "web: ./server from the Procfile\n")?;
    platform.rouse_ok(&format!("deploy proc --source {}", source.path().display()))?;
    assert_eq!(platform.rouse_ok("call proc /args")?, "from the Procfile");
    Ok(())
}
