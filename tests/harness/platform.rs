//! A `rouse up` of the test's own: free ports, a directory of its own, ended with the test.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use anyhow::Context;

use crate::http::{self, Answer};
use crate::kubectl::Kubectl;
use crate::wait;

/// Longest time until a platform answers.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// How often the ready file is looked for: benchmarks measure by it.
const READY_POLL: Duration = Duration::from_millis(1);

/// A running platform.
#[derive(Debug)]
pub struct Platform {
    child: Option<Child>,
    dir: PathBuf,
    runtime: String,
    env: Vec<(String, String)>,
    /// Its hard limit of open files, if not the caller's.
    files: Option<u32>,
    _temp: Option<tempfile::TempDir>,
    pub http: SocketAddr,
    pub api: String,
    pub kubeconfig: PathBuf,
}

/// The binary under test: `ROUSE_TEST_BIN`, else the one beside this test's own.
#[must_use]
pub fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("ROUSE_TEST_BIN") {
        return PathBuf::from(path);
    }
    let me = std::env::current_exe().unwrap_or_default();
    let folder = me.parent().map(Path::to_path_buf).unwrap_or_default();
    let folder = if folder.ends_with("deps") {
        folder.parent().map(Path::to_path_buf).unwrap_or_default()
    } else {
        folder
    };
    folder.join("rouse")
}

impl Platform {
    /// Starts a platform with `process` pods and its state in a temporary directory.
    pub fn start() -> anyhow::Result<Self> {
        Self::start_with("process")
    }

    pub fn start_with(runtime: &str) -> anyhow::Result<Self> {
        Self::start_with_env(runtime, &[])
    }

    /// The same with environment variables, such as `RUST_LOG`.
    pub fn start_with_env(runtime: &str, env: &[(&str, &str)]) -> anyhow::Result<Self> {
        Self::start_in_temp(runtime, env, None)
    }

    /// With `process` pods, and no more than this many open files.
    pub fn start_with_files(limit: u32) -> anyhow::Result<Self> {
        Self::start_in_temp("process", &[], Some(limit))
    }

    fn start_in_temp(
        runtime: &str,
        env: &[(&str, &str)],
        files: Option<u32>,
    ) -> anyhow::Result<Self> {
        let temp = tempfile::tempdir()?;
        let mut platform = Self::spawned(&temp.path().join("data"), runtime, env, files)?;
        platform._temp = Some(temp);
        Ok(platform)
    }

    /// The same in a directory that the caller keeps.
    pub fn start_in(dir: &Path, runtime: &str) -> anyhow::Result<Self> {
        Self::spawned(dir, runtime, &[], None)
    }

    fn spawned(
        dir: &Path,
        runtime: &str,
        env: &[(&str, &str)],
        files: Option<u32>,
    ) -> anyhow::Result<Self> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let mut platform = Self {
            child: None,
            dir: dir.to_owned(),
            runtime: runtime.to_owned(),
            env: env.iter().map(owned).collect(),
            files,
            _temp: None,
            http: SocketAddr::from(([127, 0, 0, 1], 0)),
            api: String::new(),
            kubeconfig: PathBuf::new(),
        };
        platform.spawn([0, 0])?;
        Ok(platform)
    }

    /// A path beside the data directory, which may not hold other files.
    fn beside(&self, what: &str) -> PathBuf {
        let name = self.dir.file_name().unwrap_or_default().to_string_lossy();
        self.dir.with_file_name(format!("{name}-{what}"))
    }

    /// Starts it on these ports for API and gateway; 0 is any free one.
    fn spawn(&mut self, [api_port, http_port]: [u16; 2]) -> anyhow::Result<()> {
        if let Some(above) = self.dir.parent() {
            std::fs::create_dir_all(above)?;
        }
        let ready = self.beside("ready.json");
        let _old = std::fs::remove_file(&ready);
        let output = std::fs::File::create(self.beside("up.log"))?;
        let mut command = match self.files {
            None => Command::new(binary()),
            Some(limit) => {
                let mut shell = Command::new("sh");
                shell.args(["-c", &format!("ulimit -n {limit} && exec \"$0\" \"$@\"")]);
                shell.arg(binary());
                shell
            }
        };
        command
            .args([
                "up",
                "--api-port",
                &api_port.to_string(),
                "--http-port",
                &http_port.to_string(),
                "--admin-port",
                "0",
                "--runtime",
                &self.runtime,
                "--data-dir",
            ])
            .arg(&self.dir)
            .arg("--ready-file")
            .arg(&ready)
            .env_remove("KUBECONFIG")
            .envs(std::env::var("ROUSE_TEST_DOCKER").map(|host| ("DOCKER_HOST", host)))
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);
        let child = command.spawn().with_context(|| format!("start {}", binary().display()))?;
        let log = self.beside("up.log");
        let child = self.child.insert(child);
        let said = wait::until_every(READY_POLL, "rouse up", START_TIMEOUT, || {
            if let Ok(Some(status)) = child.try_wait() {
                let text = std::fs::read_to_string(&log).unwrap_or_default();
                return Ok(Err(format!("rouse up ended with {status}: {text}")));
            }
            let text = std::fs::read(&ready).map_err(|e| e.to_string())?;
            serde_json::from_slice::<serde_json::Value>(&text).map(Ok).map_err(|e| e.to_string())
        })?;
        let said = said.map_err(anyhow::Error::msg)?;
        let field = |name: &str| {
            said[name].as_str().map(str::to_owned).with_context(|| format!("no {name} in {said}"))
        };
        self.api = field("api")?;
        self.http = field("http")?.trim_start_matches("http://").trim_end_matches('/').parse()?;
        self.kubeconfig = PathBuf::from(field("kubeconfig")?);
        Ok(())
    }

    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.as_ref().map_or(0, Child::id)
    }

    #[must_use]
    pub fn kubectl(&self) -> Kubectl {
        Kubectl::new(&self.kubeconfig, &self.dir)
    }

    /// Runs the binary against this platform.
    pub fn rouse(&self, words: &[&str]) -> anyhow::Result<Output> {
        Ok(self.rouse_command(words).output()?)
    }

    #[must_use]
    pub fn rouse_command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command
            .args(words)
            .args(["--data-dir"])
            .arg(&self.dir)
            .env_remove("KUBECONFIG")
            .stdin(Stdio::null());
        command
    }

    /// Exit code, stdout and stderr of a command.
    pub fn outcome(&self, line: &str) -> anyhow::Result<(Option<i32>, String, String)> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let output = self.rouse(&words)?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok((output.status.code(), text(&output.stdout), text(&output.stderr)))
    }

    /// Stdout and stderr of a command that has to succeed.
    pub fn said(&self, line: &str) -> anyhow::Result<(String, String)> {
        let (code, out, err) = self.outcome(line)?;
        anyhow::ensure!(code == Some(0), "rouse {line} ended with {code:?}: {out}{err}");
        Ok((out, err))
    }

    /// The command's stdout; an error with its stderr if it failed.
    pub fn rouse_ok(&self, line: &str) -> anyhow::Result<String> {
        self.said(line).map(|(out, _)| out)
    }

    /// One request to `name` in namespace `default`.
    pub fn get(&self, name: &str, path: &str) -> anyhow::Result<Answer> {
        self.send(&self.host(name), path, None)
    }

    #[must_use]
    pub fn host(&self, name: &str) -> String {
        format!("{name}.default.localhost:{}", self.http.port())
    }

    pub fn send(&self, host: &str, path: &str, body: Option<&str>) -> anyhow::Result<Answer> {
        http::send(self.http, host, path, body)
    }

    /// The document of `rouse status -o json`.
    pub fn status(&self) -> anyhow::Result<serde_json::Value> {
        Ok(serde_json::from_str(&self.rouse_ok("status -o json")?)?)
    }

    /// Its admin port.
    pub fn admin(&self) -> anyhow::Result<SocketAddr> {
        let status = self.status()?;
        let url = status["admin"].as_str().context("status names no admin port")?;
        Ok(url.trim_start_matches("http://").parse()?)
    }

    /// Builds the image `test-server` of that executable into its store.
    pub fn build_server(&self, server: &Path) -> anyhow::Result<()> {
        let server = server.to_str().context("a path of text")?;
        self.rouse_ok(&format!("build {server} --image test-server")).map(drop)
    }

    /// SIGTERM, then the exit status.
    pub fn stop(&mut self) -> anyhow::Result<std::process::ExitStatus> {
        let mut child = self.child.take().context("it was stopped already")?;
        signal(&child, rustix::process::Signal::TERM)?;
        Ok(child.wait()?)
    }

    /// SIGKILL: nothing is shut down in order.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        let mut child = self.child.take().context("it was stopped already")?;
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// Starts again in the same directory, on new ports.
    pub fn restart(&mut self) -> anyhow::Result<()> {
        self.spawn([0, 0])
    }

    /// Starts again in the same directory, on the ports that it had: what a user's restart does.
    pub fn resume(&mut self) -> anyhow::Result<()> {
        let api = self.api.rsplit(':').next().and_then(|port| port.parse().ok());
        self.spawn([api.context("the API's port")?, self.http.port()])
    }

    /// Everything that the platform wrote, for a failing test's message.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.beside("up.log")).unwrap_or_default()
    }
}

fn signal(child: &Child, signal: rustix::process::Signal) -> anyhow::Result<()> {
    let pid = i32::try_from(child.id())
        .ok()
        .and_then(rustix::process::Pid::from_raw)
        .context("a process id")?;
    Ok(rustix::process::kill_process(pid, signal)?)
}

impl Drop for Platform {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let asked = signal(&child, rustix::process::Signal::TERM);
            let gone = wait::until("the end of the platform", Duration::from_secs(20), || {
                child.try_wait().ok().flatten().ok_or_else(|| "still there".to_owned())
            });
            if asked.is_err() || gone.is_err() {
                let _killed = child.kill();
                let _reaped = child.wait();
            }
        }
    }
}
