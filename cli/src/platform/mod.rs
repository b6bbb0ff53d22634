//! `rouse up`: the embedded Kubernetes and all components in one process.
//!
//! It differs from a real cluster only in what is plugged in here: in-process clients, a channel for
//! load reports, the resolver of pod addresses, the local image store.

mod activity;
mod api;
mod compose;
mod descriptors;
mod detach;
mod domain;
mod gateway;
mod image_gc;
pub(crate) mod kubeconfig;
mod limits;
pub(crate) mod pki;
mod plugs;
pub(crate) mod ports;
mod registries;
mod state;
mod traces;

use std::path::Path;

use rouse_k8s::time::rfc3339;
use tokio::signal::unix::{SignalKind, signal};

use self::compose::Platform;
use crate::args::{Global, LogFormat, Up};
use crate::datadir::{DataDir, UpInfo, clear_for_whole, json, process_started, write_whole};
use crate::outcome::{Context, Failure, Result};
use crate::printer::Printer;
use crate::shell::export;

pub(crate) use self::compose::GUARD;
pub(crate) use self::detach::start as start_detached;

/// Threads of the control plane; the data plane has its own.
const CONTROL_THREADS: usize = 2;

/// Runs until Ctrl-C or SIGTERM.
pub(crate) fn up(args: &Up, global: &Global, printer: &Printer) -> Result {
    descriptors::keep_from_children();
    let dir = DataDir::chosen(global.data_dir.as_deref())?;
    if args.detach {
        let mut up = detach::start(args, &dir, printer)?;
        // The child was given the folder itself, and so has no such note.
        up.notes.extend(dir.elsewhere());
        announce(&up, printer);
        return Ok(());
    }
    detach::leave_the_terminal();
    let filter = std::env::var("RUST_LOG").unwrap_or_else(|_| "warn".to_owned());
    let format = match args.log_format {
        LogFormat::Text => rouse_kit::telemetry::Format::Text,
        LogFormat::Json => rouse_kit::telemetry::Format::Json,
    };
    rouse_kit::telemetry::init(&filter, format);
    rouse_kit::panics::log_panics();
    // Before anything reads the limit. A process that cannot raise it goes on with it.
    if let Err(error) = rouse_kit::files::raise_limit() {
        tracing::warn!(%error, "the limit of open files cannot be raised");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(CONTROL_THREADS)
        .thread_name("control")
        .enable_all()
        .build()
        .or_fail(|| "cannot start the runtime".to_owned())?;
    runtime.block_on(foreground(args, &dir, printer))
}

async fn foreground(args: &Up, dir: &DataDir, printer: &Printer) -> Result {
    dir.create()?;
    let lock = dir.lock()?;
    dir.remove_up();
    prepare_ready(args)?;
    let mut terminate =
        signal(SignalKind::terminate()).or_fail(|| "cannot listen for signals".to_owned())?;
    let mut interrupt =
        signal(SignalKind::interrupt()).or_fail(|| "cannot listen for signals".to_owned())?;
    let (platform, mut notes) = Platform::start(args, dir).await?;
    notes.extend(dir.elsewhere());
    let up = info(&platform, args, dir, notes);
    // The user's ready file first: `rouse up -d` waits for `up.json`.
    let told = args.ready_file.as_deref().map_or(Ok(()), |file| write_ready(file, &up));
    if let Err(failure) = told.and_then(|()| dir.write_up(&up)) {
        platform.stop().await;
        return Err(failure);
    }
    announce(&up, printer);
    if !args.quiet && !printer.json() {
        platform.print_activity(dir, *printer)?;
    }
    let failed = tokio::select! {
        biased;
        _ = terminate.recv() => None,
        _ = interrupt.recv() => None,
        reason = platform.process.ledger.must_end() => Some(compose::ended(&reason)),
    };
    if let Some(failure) = &failed {
        printer.progress(failure.to_string());
    }
    printer.progress("draining … (Ctrl-C again ends at once)");
    dir.remove_up();
    remove_ready(args);
    let outcome = tokio::select! {
        () = platform.stop() => failed.map_or(Ok(()), Err),
        _ = interrupt.recv() => Err(Failure::new("ended without draining")
            .because("requests in flight were cut off; pods end with the platform")),
    };
    drop(lock);
    outcome
}

fn info(platform: &Platform, args: &Up, dir: &DataDir, notes: Vec<String>) -> UpInfo {
    let pid = std::process::id();
    UpInfo {
        pid,
        started: process_started(pid).unwrap_or_default(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        api: platform.api_url.clone(),
        http: platform.http_url.clone(),
        https: platform.https_url.clone(),
        domain: platform.domain.clone(),
        admin: platform.admin_url.clone(),
        kubeconfig: dir.kubeconfig(),
        runtime: platform.runtime.to_owned(),
        runtime_because: platform.runtime_because.clone(),
        ephemeral: args.ephemeral,
        since: rfc3339(jiff::Timestamp::now()),
        notes,
    }
}

fn write_ready(file: &Path, up: &UpInfo) -> Result {
    let ready = serde_json::json!({ "api": up.api, "http": up.http, "kubeconfig": up.kubeconfig });
    write_whole(file, &json(&ready), 0o644)
}

/// Checks before the start that the ready file can be written, without ever making it: a program
/// that waits for it would take the platform for ready.
fn prepare_ready(args: &Up) -> Result {
    args.ready_file.as_deref().map_or(Ok(()), clear_for_whole)
}

/// Removes the ready file, which is there only while the platform answers.
fn remove_ready(args: &Up) {
    if let Some(file) = &args.ready_file {
        // Gone already is as good as removed.
        let _gone = std::fs::remove_file(file);
    }
}

/// The form of a service's URL.
fn service_url(up: &UpInfo) -> String {
    let port = up.http.rsplit_once(':').map_or("80", |(_, port)| port);
    let port = if port == "80" { String::new() } else { format!(":{port}") };
    format!("http://NAME.NAMESPACE.{}{port}", up.domain)
}

fn announce(up: &UpInfo, printer: &Printer) {
    if printer.json() {
        printer.document(up);
        return;
    }
    for note in &up.notes {
        printer.line(note);
    }
    printer.line(format!("API      {}", up.api));
    printer.line(format!("gateway  {}  (services answer at {})", up.http, service_url(up)));
    printer.line(format!("         {}  (the same by https; rouse env names the CA)", up.https));
    printer.line(format!("admin    {}  (/metrics, /readyz, /debug/)", up.admin));
    printer.line(format!("pods     {}: {}", up.runtime, up.runtime_because));
    printer.line("");
    printer.line(export("KUBECONFIG", &up.kubeconfig.display().to_string()));
}
