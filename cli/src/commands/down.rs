//! `rouse down`: ends the platform of the data directory; `--purge` also removes its files.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::args::{Down, Global};
use crate::datadir::{DataDir, UpInfo, process_started};
use crate::outcome::{Context, Failure, Result};
use crate::printer::Printer;

/// Longer than pods are given to end.
const STOP_TIMEOUT: Duration = Duration::from_secs(60);
/// Everything that a platform makes in its data directory; nothing else is ever removed.
const OURS: [&str; 14] = [
    "state.redb",
    "kubeconfig",
    "pki",
    "images",
    "logs",
    "pods",
    "volumes",
    "claims",
    "hosts",
    "demo",
    "up.json",
    "up.log",
    "up.log.1",
    "lock",
];

pub(crate) async fn run(args: &Down, global: &Global, printer: &Printer) -> Result {
    let dir = DataDir::chosen(global.data_dir.as_deref())?;
    let stopped = stop(&dir, printer).await?;
    let purged = if args.purge { purge(&dir, printer).await? } else { Vec::new() };
    if printer.json() {
        printer.document(&serde_json::json!({ "stopped": stopped, "purged": purged }));
    } else if !stopped && !args.purge {
        printer.line(format!("nothing runs in {}", dir.path().display()));
    }
    Ok(())
}

/// Ends the platform; false if none ran.
pub(crate) async fn stop(dir: &DataDir, printer: &Printer) -> Result<bool> {
    let Some(up) = dir.running() else { return Ok(false) };
    let pid = i32::try_from(up.pid).ok().and_then(Pid::from_raw);
    let Some(pid) = pid else { return Ok(false) };
    printer.progress(format!("stopping process {} …", up.pid));
    kill_process(pid, Signal::TERM).or_fail(|| format!("cannot end process {}", up.pid))?;
    wait_gone(&up).await?;
    if !printer.json() {
        printer.line("stopped");
    }
    Ok(true)
}

async fn wait_gone(up: &UpInfo) -> Result {
    let started = Instant::now();
    while process_started(up.pid) == Some(up.started) {
        if started.elapsed() > STOP_TIMEOUT {
            return Err(Failure::not_ready(format!("process {} is still ending its pods", up.pid))
                .next(format!("rouse down again, or kill -9 {}: no pod survives it", up.pid)));
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

pub(crate) async fn purge(dir: &DataDir, printer: &Printer) -> Result<Vec<PathBuf>> {
    let tags = docker_tags(dir, |_| true);
    leave_docker(&tags, printer).await;
    if !tags.is_empty() {
        rouse_node::runtime::docker::forget_sandbox().await;
    }
    let mut gone = Vec::new();
    for name in OURS {
        let path = dir.join(name);
        if !path.exists() {
            continue;
        }
        remove(&path).or_fail(|| format!("cannot remove {}", path.display()))?;
        if !printer.json() {
            printer.line(format!("removed {}", path.display()));
        }
        gone.push(path);
    }
    // Only if it is empty: other files in it are not ours.
    let _kept = std::fs::remove_dir(dir.path());
    Ok(gone)
}

/// Docker's tags of the store's images that are `chosen`.
pub(crate) fn docker_tags(dir: &DataDir, chosen: impl Fn(&str) -> bool) -> Vec<String> {
    // A damaged store lists no tags.
    let tags = || -> Option<Vec<String>> {
        let path = dir.images();
        let store = rouse_image::Store::open(path.exists().then_some(path)?).ok()?;
        let listed = store.list().ok()?;
        let chosen = listed.iter().filter(|image| chosen(image.familiar()));
        Some(store.docker_tags(chosen.map(|image| &image.digest)))
    };
    tags().unwrap_or_default()
}

/// Removes images from the Docker Engine that they were loaded into.
pub(crate) async fn leave_docker(tags: &[String], printer: &Printer) {
    if tags.is_empty() {
        return;
    }
    let count = rouse_node::runtime::docker::forget_images(tags).await;
    if count > 0 && !printer.json() {
        printer.line(format!("removed {count} images from Docker"));
    }
}

pub(crate) fn remove(path: &Path) -> std::io::Result<()> {
    if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) }
}
