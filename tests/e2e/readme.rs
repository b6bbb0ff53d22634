//! The README's commands, typed by bash on a platform of their own.
//!
//! They differ from a reader's in the ports, the debug build instead of the release build, and in ending by themselves
//! where the README's go on until Ctrl-C.

use std::process::Command;

use anyhow::{Context, ensure};

use crate::fixtures::{Ended, server};
use crate::typed::{Block, blocks, with_debug_build, workspace, wrap_programs};

/// What is typed differently.
fn as_typed(commands: &str) -> anyhow::Result<String> {
    Ok(with_debug_build(commands)?
        .replace("rouse up -d", "rouse up -d --runtime process --api-port 0 --http-port 0 --admin-port 0")
        .replace(":7080", ":$(rouse status -o json | sed -n 's/.*\"http\": \"http:..127.0.0.1:\\([0-9]*\\)\".*/\\1/p')")
        .replace("kubectl get pods -w", "kubectl get pods")
        .replace("rouse logs shop -f", "rouse logs shop"))
}

#[test]
fn kubectl_the_commands_of_the_readme_do_what_they_say() -> anyhow::Result<()> {
    let text = std::fs::read_to_string(workspace().join("README.md"))?;
    let commands = blocks(&text).into_iter().filter_map(|block| match block {
        Block::Commands(commands) => Some(commands),
        Block::Output(_) => None,
    });
    let typed = as_typed(&commands.collect::<Vec<_>>().join("\n"))?;
    ensure!(typed.contains("rouse down --purge") && typed.contains("--http-port 0"), "{typed}");

    let folder = tempfile::tempdir()?;
    let (bin, app) = (folder.path().join("bin"), folder.path().join("my-app"));
    std::fs::create_dir_all(&bin)?;
    std::fs::create_dir_all(&app)?;
    std::fs::copy(server(), app.join("server"))?;
    std::fs::write(app.join("Procfile"), "web: ./server\n")?;
    let examples = workspace().join("examples");
    let copied = Command::new("cp").arg("-r").arg(examples).arg(folder.path()).status()?;
    ensure!(copied.success(), "the examples cannot be copied");
    wrap_programs(&bin, &folder.path().join("cache"))?;
    let data = folder.path().join("data");
    let _ended = Ended(&data);

    let old = std::env::var("PATH").unwrap_or_default();
    let script = format!("set -x\n{typed}\n");
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", &script])
        .current_dir(folder.path())
        .env("PATH", format!("{}:{old}", bin.display()))
        .env("OLD_PATH", old)
        .env("HOME", folder.path())
        .env("CARGO_HOME", std::env::var("CARGO_HOME").unwrap_or_else(|_| home(".cargo")))
        .env("RUSTUP_HOME", std::env::var("RUSTUP_HOME").unwrap_or_else(|_| home(".rustup")))
        .env("ROUSE_DATA_DIR", &data)
        .env_remove("KUBECONFIG")
        .output()?;
    let printed = String::from_utf8_lossy(&output.stdout);
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "ended with {}: {printed}\n{said}", output.status);
    for part in [
        "service.serving.knative.dev/digits created",
        "digits condition met",
        "\"predictions\"",
        "digits-v1: ",
        "shop-0000",
        "after   100% shop-00001",
    ] {
        ensure!(printed.contains(part), "{part:?} is not in {printed}\n{said}");
    }
    Ok(())
}

/// A folder in the home of whoever runs the test.
fn home(name: &str) -> String {
    let home = std::env::var("HOME").context("HOME").unwrap_or_default();
    format!("{home}/{name}")
}
