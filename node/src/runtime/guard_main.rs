//! The guard's own process: when the platform has ended, it ends the platform's pods.
//!
//! For the process runtime it also starts the processes of pods: see `process::starter`.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::path::Path;

use tokio::signal::unix::{SignalKind, signal};

use super::guard::{CONTAINERS, PROCESSES};
use super::{docker, process};

/// The guard's main function: works until the end of standard input, then ends the pods that its
/// arguments name.
pub fn run(args: &[OsString]) {
    let [what, place, instance] = args else { return };
    let Some(instance) = instance.to_str() else { return };
    let _handlers = handle_signals();
    match what.to_str() {
        Some(PROCESSES) => {
            if let Ok(socket) = io::stdin().as_fd().try_clone_to_owned() {
                process::serve(&UnixStream::from(socket));
            }
            process::end_instance(Path::new(place), instance);
        }
        Some(CONTAINERS) => {
            let mut nothing = [0; 64];
            while io::stdin().read(&mut nothing).is_ok_and(|read| read > 0) {}
            end_containers(place, instance);
        }
        Some(_) | None => {}
    }
}

/// Keeps the signals that end the platform from ending the guard first: a service manager sends
/// them to all processes at once, and requests in flight are to finish. Handlers that do nothing,
/// unlike ignored signals, are not inherited by the programs that are started.
fn handle_signals() -> Option<tokio::runtime::Runtime> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    let entered = runtime.enter();
    let ends = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()];
    // SIGCHLD too: if the parent ignored it, no end of a program could be waited for.
    for kind in ends.into_iter().chain([SignalKind::child()]) {
        // Without a handler the signal ends the guard, which the platform notices.
        let _handled = signal(kind);
    }
    drop(entered);
    Some(runtime)
}

fn end_containers(host: &OsStr, instance: &str) {
    let Some(host) = host.to_str() else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let Ok(runtime) = runtime else { return };
    // A failure can be reported to no one; the next start tries again.
    let _ = runtime.block_on(docker::end_instance(host, instance));
}
