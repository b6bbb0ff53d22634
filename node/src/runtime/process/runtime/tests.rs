//! Real processes: shells that play a pod's program.

use std::path::PathBuf;
use std::time::Instant;

use rouse_kit::{Clock, Component};
use tempfile::TempDir;

use super::*;
use crate::logs::{LogOptions, Logs};
use crate::runtime::interface::Exit;

/// No step of these tests takes longer, unless it hangs.
const LONG: Duration = Duration::from_secs(20);

struct Host {
    dir: TempDir,
    logs: Logs,
    runtime: ProcessRuntime,
}

fn pod() -> PodRef {
    PodRef { namespace: "demo".into(), name: "hello-7".into(), uid: "u-3".into() }
}

impl Host {
    fn new() -> Self {
        Self::with(None)
    }

    fn with(way: Option<Way>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("image/app")).unwrap();
        let component = Component::alone("runtime");
        let logs = Logs::new(dir.path().join("logs"), Clock::of_tokio(), component.tasks.clone());
        let runtime = ProcessRuntime::open_with(dir.path(), None, way, &component).unwrap();
        Self { dir, logs, runtime }
    }

    fn image(&self) -> PathBuf {
        self.dir.path().join("image").canonicalize().unwrap()
    }

    /// A container that runs a script in the host's shell.
    fn spec(&self, script: &str) -> ContainerSpec {
        let image = Arc::new(LocalImage::empty("test", &self.image()));
        let log = self.logs.writer(&pod(), "user", 0);
        let mut spec = ContainerSpec::new(pod(), image, &["/bin/sh", "-c", script], log);
        spec.env = vec![("COLOR".to_owned(), "red".to_owned())];
        spec
    }

    async fn run(&self, script: &str) -> Started {
        self.runtime.start(self.spec(script)).await.unwrap()
    }

    async fn log(&self) -> String {
        let options = LogOptions::default();
        let mut chunks = self.logs.read("demo", "hello-7", "user", options).unwrap();
        let mut text = String::new();
        while let Some(chunk) = chunks.recv().await {
            text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
        text
    }

    /// The process id that a script wrote to its log.
    async fn logged_pid(&self) -> u32 {
        let options = LogOptions { follow: true, ..LogOptions::default() };
        let mut chunks = self.logs.read("demo", "hello-7", "user", options).unwrap();
        let first = within(chunks.recv()).await.unwrap();
        std::str::from_utf8(&first).unwrap().trim().parse().unwrap()
    }
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LONG, future).await.expect("it hangs")
}

fn is_alive(pid: u32) -> bool {
    proc::stat(pid).is_some_and(|stat| !stat.zombie)
}

async fn until_gone(pid: u32) {
    let began = Instant::now();
    while is_alive(pid) {
        assert!(began.elapsed() < LONG, "process {pid} stays");
        tokio::task::yield_now().await;
    }
}

fn exited(code: i32) -> Exit {
    Exit { code, oom_killed: false, message: None }
}

#[tokio::test]
async fn a_program_gets_its_variables_no_others_and_its_exit_code_is_reported() {
    let host = Host::new();
    let run = host.run("echo $COLOR; echo ${CARGO_MANIFEST_DIR-none} >&2; cat; exit 7").await;
    assert_eq!(within(run.exit).await, exited(7));
    let log = host.log().await;
    assert!(log.contains("red\n") && log.contains("none\n"), "{log}");
    assert_eq!(run.ip, Some(IpAddr::V4(Ipv4Addr::LOCALHOST)));
}

#[tokio::test]
async fn processes_that_a_program_started_end_with_it() {
    let host = Host::new();
    let run = host.run("sleep 600 & echo $!; setsid sleep 601 & exit 0").await;
    let child = host.logged_pid().await;
    within(run.exit).await;
    until_gone(child).await;
    let marker = host.runtime.survivors.marker(&pod(), "user");
    assert_eq!(proc::members(0, Some(&marker)), [], "also what left its session");
}

#[tokio::test]
async fn a_program_gets_sigterm_and_then_sigkill() {
    let host = Host::new();
    let run = host.run("trap 'exit 9' TERM; echo $$; while :; do sleep 0.05; done").await;
    host.logged_pid().await;
    host.runtime.signal(&run.id, Signal::Term).await.unwrap();
    assert_eq!(within(run.exit).await.code, 9);

    let host = Host::new();
    let run = host.run("trap '' TERM; echo $$; while :; do sleep 0.05; done").await;
    let pid = host.logged_pid().await;
    host.runtime.signal(&run.id, Signal::Term).await.unwrap();
    assert!(is_alive(pid));
    host.runtime.signal(&run.id, Signal::Kill).await.unwrap();
    assert_eq!(within(run.exit).await, exited(137));
}

#[tokio::test]
async fn more_memory_than_the_limit_is_an_oom_kill() {
    let host = Host::new();
    let mut spec = host.spec("x=$(head -c 90000000 /dev/zero | tr '\\0' x); sleep 600");
    spec.memory_limit = Some(40 << 20);
    let run = host.runtime.start(spec).await.unwrap();
    let exit = within(run.exit).await;
    assert_eq!((exit.code, exit.oom_killed), (137, true));
    assert!(exit.message.unwrap().contains("its limit of 41943040 bytes"));
}

#[tokio::test]
async fn a_failed_start_says_why() {
    let host = Host::new();
    let mut spec = host.spec("");
    spec.command = vec!["/no/such/program".to_owned()];
    let error = host.runtime.start(spec).await.err().unwrap();
    assert!(error.to_string().contains("/no/such/program"), "{error}");
}

#[tokio::test]
async fn a_host_without_mount_namespaces_refuses_volumes_by_name_and_leaves_out_its_own() {
    let host = Host::with(Some(Way::ReadOnly));
    let capabilities = host.runtime.capabilities();
    assert_eq!((capabilities.volumes, capabilities.automount), (false, Automount::Never));
    let mount = |volume: &str, optional| crate::spec::Mount {
        volume: volume.to_owned(),
        host_path: "/tmp".into(),
        path: "/etc/app".to_owned(),
        read_only: true,
        optional,
    };
    let mut spec = host.spec("exit 7");
    spec.mounts = vec![mount("hosts", true), mount("token", true)];
    let started = host.runtime.start(spec).await.unwrap();
    assert_eq!(started.exit.await.code, 7);
    let mut spec = host.spec("");
    spec.mounts = vec![mount("token", true), mount("config", false)];
    let error = host.runtime.start(spec).await.err().unwrap();
    assert!(matches!(error, Error::Unsupported(_)));
    assert!(error.to_string().contains("\"config\" cannot be mounted at /etc/app"), "{error}");
    assert!(error.to_string().contains("rouse doctor"), "{error}");
}

#[tokio::test]
async fn an_oversized_request_fails_alone() {
    let host = Host::new();
    let run = host.run("echo $$; sleep 600").await;
    let pid = host.logged_pid().await;
    let mut spec = host.spec("");
    spec.env = (0..34).map(|at| (format!("V{at}"), "x".repeat(1 << 20))).collect();
    let error = host.runtime.start(spec).await.err().unwrap().to_string();
    assert!(error.contains("longer than any kernel takes"), "{error}");
    // The connection is in order: the next request is served, and the first program runs.
    let command = ["/bin/true".to_owned()];
    assert_eq!(host.runtime.exec(&run.id, &command, LONG).await.unwrap().0, 0);
    assert!(is_alive(pid));
}

#[tokio::test]
async fn a_missing_working_directory_is_named_and_not_the_program() {
    let host = Host::new();
    let mut spec = host.spec("");
    spec.working_dir = Some("/nope".to_owned());
    let error = host.runtime.start(spec).await.err().unwrap().to_string();
    assert!(error.contains("working directory \"/nope\" is not in the image"), "{error}");
    assert!(error.contains("\"/bin/sh\""), "{error}");
}

#[tokio::test]
async fn a_program_ends_with_its_owner() {
    let host = Host::new();
    let spec = host.spec("sleep 600 & wait");
    let plan = plan(&spec).unwrap();
    let request = request(&plan, Vec::new(), "/".into(), wire::View::Host);
    let child = host.runtime.spawner.spawn(request, Output::Both).await.unwrap();
    let pid = child.pid;
    assert!(is_alive(pid));
    drop(child);
    until_gone(pid).await;
    assert_eq!(proc::members(pid, None), []);
}

#[tokio::test]
async fn a_process_is_recorded_though_the_directory_went() {
    let host = Host::new();
    let instance = host.runtime.survivors.instance();
    let dir = host.dir.path().join(format!("pods/run-{instance}"));
    host.runtime.layers.way(&host.runtime.spawner).await.unwrap();
    std::fs::remove_dir_all(&dir).unwrap();
    let _run = host.run("echo $$; sleep 600").await;
    let pid = host.logged_pid().await;
    assert!(dir.join(pid.to_string()).exists());
}

#[tokio::test]
async fn commands_run_beside_a_program_with_its_variables() {
    let host = Host::new();
    let run = host.run("echo $$; sleep 600").await;
    host.logged_pid().await;
    let command = |script: &str| ["/bin/sh", "-c", script].map(str::to_owned);
    let exec = |script| {
        let command = command(script);
        let (runtime, id) = (&host.runtime, &run.id);
        async move { runtime.exec(id, &command, Duration::from_millis(300)).await }
    };
    assert_eq!(exec("echo $COLOR; exit 3").await.unwrap(), (3, "red\n".to_owned()));
    let error = exec("sleep 600").await.unwrap_err().to_string();
    assert!(error.contains("timed out after 300ms"), "{error}");
    let missing = ["/no/such".to_owned()];
    let error = host.runtime.exec(&run.id, &missing, LONG).await.unwrap_err().to_string();
    assert!(error.starts_with("command \"/no/such\" cannot be run: "), "{error}");
    host.runtime.signal(&run.id, Signal::Kill).await.unwrap();
    assert_eq!(within(run.exit).await, exited(137));
}

#[tokio::test]
async fn programs_end_with_the_thread_that_started_them() {
    let host = Host::new();
    let run = host.run("echo $$; sleep 600").await;
    let pid = host.logged_pid().await;
    assert!(is_alive(pid));
    drop(host.runtime);
    assert_eq!(within(run.exit).await.code, 137);
}

#[tokio::test]
async fn processes_of_a_dead_platform_are_ended_and_no_others() {
    let host = Host::new();
    let sleeper = || {
        let mut command = std::process::Command::new("setsid");
        command.args(["sleep", "600"]).spawn().unwrap()
    };
    let (mut left, mut other) = (sleeper(), sleeper());
    let own = host.runtime.survivors.instance().to_owned();
    let boot = own.split('-').next().unwrap();
    let dead = host.dir.path().join(format!("pods/run-{boot}-1-1"));
    std::fs::create_dir_all(&dead).unwrap();
    let started = |pid| proc::stat(pid).unwrap().started;
    std::fs::write(dead.join(left.id().to_string()), started(left.id()).to_string()).unwrap();
    // The pid of a process that has ended, now reused by another.
    std::fs::write(dead.join(other.id().to_string()), (started(other.id()) - 1).to_string())
        .unwrap();
    // `setsid` is not a leader until it has run.
    let leads = tokio::time::timeout(Duration::from_secs(10), async {
        while proc::stat(left.id()).unwrap().session != left.id() {
            tokio::task::yield_now().await;
        }
    });
    leads.await.expect("`setsid` runs");
    assert_eq!(host.runtime.end_survivors().await.unwrap(), 1);
    assert!(!left.wait().unwrap().success());
    assert!(other.try_wait().unwrap().is_none(), "a stranger was ended");
    other.kill().unwrap();
    other.wait().unwrap();
    assert!(!dead.exists());
}

#[tokio::test]
async fn the_ports_on_which_a_program_listens_are_seen() {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    assert!(proc::listening(std::process::id()).contains(&port));
}

#[tokio::test]
async fn programs_get_the_limit_of_open_files_that_the_platform_began_with() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limits = getrlimit(Resource::Nofile);
    let below = limits.maximum.unwrap_or(1 << 20).min(1 << 20) - 1;
    limits.current = Some(below);
    setrlimit(Resource::Nofile, limits).unwrap();
    assert_eq!(rouse_kit::files::raise_limit().unwrap(), below + 1);
    let host = Host::new();
    let run = host.run("ulimit -n").await;
    within(run.exit).await;
    assert!(host.log().await.contains(&format!("{below}\n")));
}

mod fresh;
