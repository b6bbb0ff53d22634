//! `rouse` as a person types it.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use rouse_tests::{Platform, platform, wait};
use serde_json::Value;

use crate::fixtures::{IMAGE, platform as with_image, server};

/// The binary on its own, with no cluster to talk to.
fn rouse(words: &[&str]) -> anyhow::Result<(Output, String)> {
    let output = Command::new(platform::binary())
        .args(words)
        .env_remove("KUBECONFIG")
        .stdin(Stdio::null())
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Ok((output, said))
}

#[test]
fn a_cluster_that_does_not_answer_is_an_error_that_says_what_to_do() -> anyhow::Result<()> {
    let mut platform = Platform::start_with("fake")?;
    assert!(platform.stop()?.success());
    let config = platform.kubeconfig.display().to_string();
    let (output, said) = rouse(&["list", "--kubeconfig", &config])?;
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("does not answer") && said.contains("refused"), "{said}");
    let up = format!("try: rouse up --data-dir {}", platform.dir().display());
    assert!(said.contains(&up), "{said}");
    Ok(())
}

/// What bash completes the last of these words to.
fn completed(words: &str, data_dir: &Path) -> anyhow::Result<String> {
    let check = "set -e; source <(\"$0\" completions bash); COMP_WORDS=($1); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); \
                 COMP_TYPE=9; _clap_complete_rouse rouse \"${COMP_WORDS[COMP_CWORD]}\" x; echo \"${COMPREPLY[*]}\"";
    let output = Command::new("bash")
        .args(["-c", check])
        .arg(platform::binary())
        .arg(words)
        .env("ROUSE_DATA_DIR", data_dir)
        .env_remove("KUBECONFIG")
        .output()?;
    anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[test]
fn each_shell_has_a_script_that_asks_for_completions() -> anyhow::Result<()> {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let (output, _) = rouse(&["completions", shell])?;
        let script = String::from_utf8(output.stdout.clone())?;
        assert!(output.status.success() && script.contains("COMPLETE"), "{shell}: {script}");
    }
    let nothing = tempfile::tempdir()?;
    assert_eq!(completed("rouse rollb", nothing.path())?, "rollback");
    let options = completed("rouse deploy x --scale-w", nothing.path())?;
    assert!(options.contains("--scale-window"), "{options}");
    let (output, said) = rouse(&["completions", "tcsh"])?;
    assert_eq!(output.status.code(), Some(2));
    assert!(said.contains("possible values"), "{said}");
    Ok(())
}

#[test]
fn names_of_services_revisions_tags_and_namespaces_are_completed() -> anyhow::Result<()> {
    let platform = with_image()?;
    platform.rouse_ok(&format!("deploy shop --image {IMAGE}"))?;
    platform.rouse_ok(&format!("deploy shop --image {IMAGE} -e A=1 --no-traffic --tag next"))?;
    for (words, expected) in [
        ("rouse call sh", "shop"),
        ("rouse proxy shop --tag n", "next"),
        ("rouse traffic shop @l", "@latest="),
        ("rouse rollback shop --to shop-00001", "shop-00001"),
        ("rouse list -n knative-s", "knative-serving"),
        ("rouse call -n knative-serving sh", ""),
    ] {
        assert_eq!(completed(words, platform.dir())?, expected, "{words}");
    }
    Ok(())
}

#[test]
fn doctor_says_what_this_machine_can_run() -> anyhow::Result<()> {
    let temp = tempfile::tempdir()?;
    let dir = temp.path().join("data").display().to_string();
    let (output, _) = rouse(&["doctor", "--data-dir", &dir])?;
    let text = String::from_utf8(output.stdout)?;
    assert!(output.status.success());
    let things = [
        "data directory",
        "API port",
        "gateway port",
        "Docker engine",
        "Python with pip",
        "kubectl",
    ];
    for what in things {
        assert!(text.contains(what), "{what} in {text}");
    }
    let (output, _) = rouse(&["doctor", "-o", "json", "--data-dir", &dir])?;
    let found: Vec<Value> = serde_json::from_slice(&output.stdout)?;
    for what in things {
        let found = found.iter().find(|f| f["what"].as_str().is_some_and(|w| w.starts_with(what)));
        let is_whole = found.is_some_and(|f| {
            f["ok"].is_boolean() && f["seen"].is_string() && f["means"].is_string()
        });
        assert!(is_whole, "{what}: {found:?}");
    }
    // With an empty PATH, Python is reported as missing.
    let output = Command::new(platform::binary())
        .args(["doctor", "-o", "json", "--data-dir", &dir])
        .env("PATH", temp.path())
        .output()?;
    let found: Vec<Value> = serde_json::from_slice(&output.stdout)?;
    let python = found.iter().find(|f| f["what"] == "Python with pip").cloned();
    assert_eq!(python.map(|f| f["ok"].clone()), Some(Value::Bool(false)));
    Ok(())
}

#[test]
fn commands_end_with_the_code_that_says_why() -> anyhow::Result<()> {
    let platform = with_image()?;
    platform.rouse_ok("deploy codes --image test-server")?;
    let (code, answer, about) = platform.outcome("call codes /env/K_SERVICE")?;
    assert_eq!((code, answer.as_str()), (Some(0), "codes"));
    assert!(about.contains("200 OK from codes-00001 in"), "{about}");
    platform.rouse_ok("call codes /fail")?;
    let (code, answer, about) = platform.outcome("call codes /ready")?;
    assert_eq!((code, answer.as_str()), (Some(1), "failing"), "{about}");
    assert!(about.contains("503") && about.contains("codes-00001"), "{about}");

    let (code, _, said) = platform.outcome("call nobody")?;
    assert!(code == Some(1) && said.contains("nobody"), "{code:?} {said}");
    let (code, _, said) = platform.outcome("deploy fresh")?;
    assert!(code == Some(2) && said.contains("--image IMAGE, or --source DIR"), "{code:?} {said}");
    let (code, _, said) = platform.outcome("traffic codes codes-00001=60 @latest=50")?;
    assert!(code == Some(2) && said.contains("100"), "{code:?} {said}");
    let (code, _, said) = platform.outcome("traffic codes nowhere=10")?;
    assert!(code == Some(2) && said.contains("nowhere"), "{code:?} {said}");
    let (code, _, said) = platform.outcome("frobnicate")?;
    assert!(code == Some(2) && said.contains("unrecognized subcommand"), "{code:?} {said}");
    let late = "deploy late --image test-server --env START_MS=60000 --wait-timeout 1";
    let (code, _, said) = platform.outcome(late)?;
    assert!(code == Some(3) && said.contains("late was not ready within 1 s"), "{code:?} {said}");
    assert!(said.contains("try: rouse describe late"), "{said}");
    Ok(())
}

#[test]
fn logs_are_printed_when_their_pod_is_gone() -> anyhow::Result<()> {
    let platform = with_image()?;
    platform.rouse_ok("deploy quiet --image test-server --scale-window 6s")?;
    platform.rouse_ok("call quiet /log/before-sleep")?;
    wait::until("zero pods", Duration::from_secs(40), || {
        let pods = platform.kubectl().run("get pods -o name").map_err(|e| e.to_string())?;
        if pods.is_empty() { Ok(()) } else { Err(pods) }
    })?;
    let (code, log, about) = platform.outcome("logs quiet")?;
    assert_eq!(code, Some(0), "{about}");
    assert!(log.contains("said before-sleep"), "{log}");
    assert!(about.contains("from the last pod with a log, quiet-00001-deployment-"), "{about}");
    let (_, last, _) = platform.outcome("logs quiet --tail 1")?;
    assert_eq!(last.lines().count(), 1, "{last}");
    let (code, _, said) = platform.outcome("logs nobody")?;
    assert!(code == Some(1) && said.contains("nobody"), "{said}");
    Ok(())
}

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
    // The tag stays when another revision is the latest.
    platform.rouse_ok("deploy shop --env VERSION=3 --no-traffic")?;
    assert_eq!(platform.rouse_ok("call shop --tag next")?, "version 2 of shop-00002");
    let moved = platform.rouse_ok("traffic shop next=100")?;
    assert!(moved.contains("before") && moved.contains("100% shop-00002"), "{moved}");
    assert_eq!(platform.rouse_ok("call shop")?, "version 2 of shop-00002");
    platform.rouse_ok("rollback shop")?;
    assert_eq!(platform.rouse_ok("call shop")?, "version 1 of shop-00001");
    let revisions = platform.rouse_ok("revisions shop")?;
    assert!(revisions.contains("shop-00001") && revisions.contains("next"), "{revisions}");
    let described: Value = serde_json::from_str(&platform.rouse_ok("describe shop -o json")?)?;
    assert_eq!(described["status"]["url"], url);
    let listed: Value = serde_json::from_str(&platform.rouse_ok("list -o json")?)?;
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
    assert!(said.contains("error: frail is not ready: RevisionFailed"), "the reason: {said}");
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

#[test]
fn a_cluster_local_service_is_called_from_here_and_is_unknown_outside() -> anyhow::Result<()> {
    let platform = with_image()?;
    let label = "networking.knative.dev/visibility=cluster-local";
    platform.rouse_ok(&format!("deploy inner --image {IMAGE} -l {label}"))?;
    let said = platform.rouse_ok("call inner / -X GET -i")?;
    anyhow::ensure!(said.starts_with("HTTP/1.1 200 OK\n"), "{said}");
    anyhow::ensure!(said.contains("inner-00001"), "{said}");
    let outside = platform.get("inner", "/")?;
    anyhow::ensure!(outside.status == 404, "{}", outside.status);
    Ok(())
}
