//! What is left when the platform is killed: nothing.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use crate::support::LONG;

/// An example that is built beside this test.
pub(crate) fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().unwrap().parent().unwrap().join("examples").join(name)
}

/// The platform, how many survivors it ended, and the processes of its pod.
fn platform(dir: &Path) -> (Child, String, Vec<u32>) {
    let mut child =
        Command::new(example("platform")).arg(dir).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let survivors = lines.next().unwrap();
    let pids = lines.take(2).map(|pid| pid.parse().unwrap()).collect();
    (child, survivors, pids)
}

fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

fn until_gone(pids: &[u32]) {
    let began = Instant::now();
    while pids.iter().any(|pid| is_alive(*pid)) {
        assert!(began.elapsed() < LONG, "one of {pids:?} survives the platform");
        std::thread::yield_now();
    }
}

#[test]
fn no_process_of_a_pod_survives_a_kill_of_the_platform() {
    let dir = tempfile::tempdir().unwrap();
    let (mut platform, survivors, pids) = platform(dir.path());
    assert_eq!(survivors, "survivors 0");
    assert_eq!(pids.len(), 2);
    assert!(pids.iter().all(|pid| is_alive(*pid)), "{pids:?}");
    platform.kill().unwrap();
    platform.wait().unwrap();
    until_gone(&pids);
}

#[test]
fn what_outlived_platform_and_guard_ends_with_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let (mut first, _, pids) = platform(dir.path());
    for guard in guards(first.id()) {
        let guard = rustix::process::Pid::from_raw(guard.try_into().unwrap()).unwrap();
        rustix::process::kill_process(guard, rustix::process::Signal::KILL).unwrap();
    }
    first.kill().unwrap();
    first.wait().unwrap();
    // The program itself had the kernel's promise; its child had only the guard.
    until_gone(&pids[1..]);
    assert!(is_alive(pids[0]));
    let (mut second, survivors, _) = platform(dir.path());
    assert_eq!(survivors, "survivors 1");
    until_gone(&pids);
    second.kill().unwrap();
    second.wait().unwrap();
}

/// The children of a process that run its own program.
fn guards(parent: u32) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let fields = stat.rsplit_once(") ").map(|(_, rest)| rest.to_owned()).unwrap_or_default();
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        fields.split(' ').nth(1) == Some(&parent.to_string())
            && line.split(|byte| *byte == 0).any(|arg| arg == b"guard")
    })
    .collect()
}
