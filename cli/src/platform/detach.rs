//! `rouse up -d`: starts the same binary in a session of its own, and waits until it is ready.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::args::{Binds, Up};
use crate::datadir::{DataDir, UpInfo};
use crate::outcome::{Context, Failure, Result};
use crate::printer::Printer;

/// Set for the child, which then leaves the terminal's session.
const DETACHED: &str = "ROUSE_DETACHED";
const START_TIMEOUT: Duration = Duration::from_secs(40);
const LOG_LINES: usize = 15;

/// Leaves the terminal's session, so that a child of `-d` does not end with it.
pub(super) fn leave_the_terminal() {
    if std::env::var_os(DETACHED).is_some() {
        // Fails only for a leader of a session, which has left already.
        let _left = rustix::process::setsid();
    }
}

/// Starts a platform in the background and waits until it answers.
pub(crate) fn start(args: &Up, dir: &DataDir, printer: &Printer) -> Result<UpInfo> {
    dir.create()?;
    let lock = dir.lock()?;
    let log_path = dir.join("up.log");
    // The log of the run before may say why it ended.
    let _kept = std::fs::rename(&log_path, dir.join("up.log.1"));
    let log = std::fs::File::create(&log_path)
        .or_fail(|| format!("cannot write {}", log_path.display()))?;
    let log_again = log.try_clone().or_fail(|| "cannot share the log".to_owned())?;
    let me = std::env::current_exe().or_fail(|| "cannot find the running program".to_owned())?;
    // The child takes the lock.
    drop(lock);
    let child = Command::new(me)
        .args(words(args))
        .arg("--data-dir")
        .arg(dir.path())
        .env(DETACHED, "1")
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(log_again)
        .spawn()
        .or_fail(|| "cannot start the platform".to_owned())?;
    let up = wait(child, dir)?;
    if !printer.json() {
        printer.progress(format!(
            "running in the background as process {}; its log is {}",
            up.pid,
            log_path.display()
        ));
    }
    Ok(up)
}

fn words(args: &Up) -> Vec<String> {
    let Up {
        ephemeral,
        recover,
        api_port,
        http_port,
        https_port,
        admin_port,
        binds,
        domain,
        runtime,
        registry_config,
        insecure_registries,
        ready_file,
        keep_images,
        detach: _,
        log_format,
        quiet: _,
    } = args;
    let mut words = vec![
        "up".to_owned(),
        "--runtime".to_owned(),
        runtime.name().to_owned(),
        "--log-format".to_owned(),
        log_format.name().to_owned(),
        // Its output goes to a file, which would grow without end.
        "--quiet".to_owned(),
    ];
    if *ephemeral {
        words.push("--ephemeral".to_owned());
    }
    if *keep_images {
        words.push("--keep-images".to_owned());
    }
    if *recover {
        words.push("--recover".to_owned());
    }
    let Binds { public, local, api, admin } = binds;
    for (flag, address) in
        [("--bind", public), ("--local-bind", local), ("--api-bind", api), ("--admin-bind", admin)]
    {
        words.extend([flag.to_owned(), address.to_string()]);
    }
    for (flag, port) in [
        ("--api-port", api_port),
        ("--http-port", http_port),
        ("--https-port", https_port),
        ("--admin-port", admin_port),
    ] {
        if let Some(port) = port {
            words.extend([flag.to_owned(), port.to_string()]);
        }
    }
    if let Some(file) = registry_config {
        words.extend(["--registry-config".to_owned(), file.display().to_string()]);
    }
    for host in insecure_registries {
        words.extend(["--insecure-registry".to_owned(), host.clone()]);
    }
    if let Some(domain) = domain {
        words.extend(["--domain".to_owned(), domain.clone()]);
    }
    if let Some(file) = ready_file {
        words.extend(["--ready-file".to_owned(), file.display().to_string()]);
    }
    words
}

fn wait(mut child: Child, dir: &DataDir) -> Result<UpInfo> {
    let started = Instant::now();
    loop {
        if let Some(up) = dir.running().filter(|up| up.pid == child.id()) {
            return Ok(up);
        }
        if let Ok(Some(status)) = child.try_wait() {
            return Err(log_end(Failure::new(format!("the platform ended with {status}")), dir));
        }
        if started.elapsed() > START_TIMEOUT {
            let late = format!("the platform was not ready within {} s", START_TIMEOUT.as_secs());
            return Err(log_end(Failure::not_ready(late), dir).next("rouse down"));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn log_end(mut failure: Failure, dir: &DataDir) -> Failure {
    let text = std::fs::read_to_string(dir.join("up.log")).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    for line in &lines[lines.len().saturating_sub(LOG_LINES)..] {
        failure = failure.because(line);
    }
    failure
}
