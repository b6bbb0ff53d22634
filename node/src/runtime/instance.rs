//! The name of one run of a platform, unique on this host.

use std::fs;
use std::sync::atomic::{AtomicU32, Ordering};

use super::proc;

/// A name for this run of a platform that no other run on this host has.
pub(super) fn instance() -> String {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    let run = RUNS.fetch_add(1, Ordering::Relaxed);
    let pid = std::process::id();
    let started = proc::stat(pid).map_or(0, |stat| stat.started);
    format!("{}-{pid}-{started}-{run}", boot())
}

/// The id of this boot: process ids and start times mean nothing after a reboot.
pub(super) fn boot() -> String {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.split('-').next().unwrap_or_default().trim().to_owned()
}
