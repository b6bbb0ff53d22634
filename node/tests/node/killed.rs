//! Nothing is left when the platform is killed.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use rouse_kit::Component;
use rouse_node::LocalImage;
use rouse_node::logs::Logs;
use rouse_node::runtime::process::ProcessRuntime;
use rouse_node::runtime::{ContainerRuntime as _, ContainerSpec, PodRef};
use rustix::process::{Pid, Signal};

use crate::support::LONG;

/// An example that is built beside this test.
pub(crate) fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().unwrap().parent().unwrap().join("examples").join(name)
}

/// The platform, how many survivors it ended, and the processes of its pod.
fn platform(dir: &Path) -> (Child, String, Vec<u32>) {
    platform_by(&mut Command::new(example("platform")), dir)
}

fn platform_by(command: &mut Command, dir: &Path) -> (Child, String, Vec<u32>) {
    let mut child = command.arg(dir).stdout(Stdio::piped()).spawn().unwrap();
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
    // The guard ends a moment later.
    let began = Instant::now();
    while std::fs::read_dir(dir.path().join("pods")).unwrap().next().is_some() {
        assert!(began.elapsed() < LONG, "files of a container stay");
        std::thread::yield_now();
    }
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    assert!(!mounts.contains(dir.path().to_str().unwrap()), "{mounts}");
}

#[test]
fn processes_that_outlive_platform_and_guard_end_with_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let (mut first, _, pids) = platform(dir.path());
    // Stopped first, so that it cannot clean up after its guard.
    signal(first.id(), Signal::STOP);
    for guard in guards(first.id(), dir.path()) {
        signal(guard, Signal::KILL);
    }
    first.kill().unwrap();
    first.wait().unwrap();
    // The program itself had a parent-death signal; its child had only guard and platform.
    until_gone(&pids[1..]);
    assert!(is_alive(pids[0]));
    let (mut second, survivors, _) = platform(dir.path());
    assert_eq!(survivors, "survivors 1");
    until_gone(&pids);
    let runs = std::fs::read_dir(dir.path().join("pods")).unwrap();
    assert_eq!(runs.count(), 1, "of the first run no file is left");
    second.kill().unwrap();
    second.wait().unwrap();
}

#[tokio::test]
async fn a_guard_that_dies_takes_its_programs_along_and_the_next_start_has_another() {
    let dir = tempfile::tempdir().unwrap();
    let command = [example("platform").into(), "guard".into()];
    let runtime =
        ProcessRuntime::open(dir.path(), Some(&command), &Component::alone("runtime")).unwrap();
    let guard = guard(std::process::id(), dir.path());
    let run = runtime.start(sleeper(dir.path())).await.unwrap();
    signal(guard, Signal::KILL);
    let exit = tokio::time::timeout(LONG, run.exit).await.unwrap();
    assert_eq!(exit.code, 137);
    assert!(exit.message.unwrap().contains("the process that starts pods ended"));
    let run = runtime.start(sleeper(dir.path())).await.unwrap();
    assert_ne!(guards(std::process::id(), dir.path()), [guard]);
    drop(runtime);
    assert_eq!(tokio::time::timeout(LONG, run.exit).await.unwrap().code, 137);
}

#[tokio::test]
async fn a_signal_to_a_whole_service_leaves_pods_to_the_platforms_draining() {
    let dir = tempfile::tempdir().unwrap();
    let command = [example("platform").into(), "guard".into()];
    let runtime =
        ProcessRuntime::open(dir.path(), Some(&command), &Component::alone("runtime")).unwrap();
    let first = runtime.start(sleeper(dir.path())).await.unwrap();
    let before = [guard(std::process::id(), dir.path())];
    for sent in [Signal::TERM, Signal::INT, Signal::HUP] {
        signal(before[0], sent);
    }
    let second = runtime.start(sleeper(dir.path())).await.unwrap();
    assert_eq!(guards(std::process::id(), dir.path()), before);
    drop(runtime);
    for run in [first, second] {
        assert_eq!(tokio::time::timeout(LONG, run.exit).await.unwrap().code, 137);
    }
}

#[test]
fn ends_are_noticed_even_if_the_platform_inherits_an_ignored_sigchld() {
    let dir = tempfile::tempdir().unwrap();
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' CHLD; exec \"$0\" \"$1\""]).arg(example("platform"));
    let (mut platform, _, pids) = platform_by(&mut shell, dir.path());
    signal(pids[1], Signal::KILL);
    // The platform ends with its pod.
    let began = Instant::now();
    while platform.try_wait().unwrap().is_none() {
        assert!(began.elapsed() < LONG, "the end of {} was not noticed", pids[1]);
        std::thread::yield_now();
    }
}

/// A container that does nothing for long.
fn sleeper(dir: &Path) -> ContainerSpec {
    let pod = PodRef { namespace: "demo".into(), name: "p".into(), uid: "u".into() };
    let component = Component::alone("node");
    let logs = Logs::new(dir.join("logs"), component.clock, component.tasks);
    let log = logs.writer(&pod, "user", 0);
    let rootfs = dir.join("image");
    std::fs::create_dir_all(&rootfs).unwrap();
    let image = Arc::new(LocalImage::empty("test", &rootfs.canonicalize().unwrap()));
    ContainerSpec::new(pod, image, &["/bin/sleep", "600"], log)
}

fn signal(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(pid.try_into().unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

/// The one guard. A process that has just begun has no command line yet.
fn guard(parent: u32, dir: &Path) -> u32 {
    let began = Instant::now();
    loop {
        match guards(parent, dir)[..] {
            [guard] => return guard,
            ref found => assert!(began.elapsed() < LONG, "one guard, and not {found:?}"),
        }
        std::thread::yield_now();
    }
}

/// The children of a process that guard the pods of a directory: other tests have guards of theirs.
fn guards(parent: u32, dir: &Path) -> Vec<u32> {
    let home = dir.canonicalize().unwrap().join("pods");
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let fields = stat.rsplit_once(") ").map(|(_, rest)| rest.to_owned()).unwrap_or_default();
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        fields.split(' ').nth(1) == Some(&parent.to_string())
            && line.split(|byte| *byte == 0).any(|arg| arg == home.as_os_str().as_encoded_bytes())
    })
    .collect()
}
