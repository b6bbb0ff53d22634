//! Waiting for a container's end, and copying its output to its log.

use std::cmp::Ordering;
use std::time::Duration;

use bollard::Docker;
use bollard::container::LogOutput;
use bollard::errors::Error as DockerError;
use bollard::query_parameters::{
    InspectContainerOptions, LogsOptionsBuilder, WaitContainerOptions,
};
use futures::StreamExt as _;
use rouse_kit::Task;

use super::engine::is_code;
use crate::logs::{Lines, LogStream, LogWriter};
use crate::runtime::interface::Exit;

const OUTPUT_MAX: Duration = Duration::from_secs(2);
/// The pause before an interrupted wait is repeated.
const WAIT_AGAIN: Duration = Duration::from_secs(1);

/// Waits for the container's end and for the rest of its output.
pub(super) async fn wait(
    docker: Docker,
    id: String,
    mut output: Task<()>,
    memory_limit: Option<u64>,
) -> Exit {
    let code = exit_code(&docker, &id).await;
    if tokio::time::timeout(OUTPUT_MAX, &mut output).await.is_err() {
        output.abort();
    }
    let state = docker.inspect_container(&id, None::<InspectContainerOptions>).await;
    let state = state.ok().and_then(|inspected| inspected.state).unwrap_or_default();
    // Engines before 24 report it only when the first process itself was killed.
    let oom_killed = state.oom_killed.unwrap_or(false);
    let limit = memory_limit.filter(|_| oom_killed);
    let message = limit.map(|limit| format!("it used more memory than its limit of {limit} bytes"));
    Exit { code, oom_killed, message: message.or(state.error.filter(|error| !error.is_empty())) }
}

/// The exit code, asked for until the engine gives it. An engine that breaks off the wait, restarts
/// or is silent for a while says nothing about the container, which may run on.
async fn exit_code(docker: &Docker, id: &str) -> i32 {
    let known = |code: i64| code.try_into().unwrap_or(Exit::UNKNOWN_CODE);
    let mut broken = false;
    loop {
        let mut waiting = std::pin::pin!(docker.wait_container(id, None::<WaitContainerOptions>));
        let why = match waiting.next().await {
            Some(Ok(ended)) => return known(ended.status_code),
            Some(Err(DockerError::DockerContainerWaitError { code, .. })) => return known(code),
            // The engine has no such container any more.
            Some(Err(error)) if is_code(&error, 404) => return Exit::UNKNOWN_CODE,
            Some(Err(error)) => error.to_string(),
            None => "the engine ended its answer".to_owned(),
        };
        if !broken {
            tracing::warn!(
                error = why,
                id,
                "the wait for a container's end broke off; it is begun again"
            );
            broken = true;
        }
        tokio::time::sleep(WAIT_AGAIN).await;
    }
}

/// Copies the output of a container to its log, until the container has ended. A stream that breaks off
/// is begun again where it was, for an engine may restart under a container that runs on.
pub(super) async fn pump(docker: Docker, id: String, log: LogWriter) {
    log.open();
    let mut copy = Copy::new(log);
    let mut running = true;
    // Once more after its end: its last lines may have come while the engine was away.
    loop {
        let readable = copy.read(&docker, &id).await;
        if !(readable && running) {
            break;
        }
        running = runs_on(&docker, &id).await;
        if running {
            tokio::time::sleep(WAIT_AGAIN).await;
        }
    }
    copy.finish();
}

/// A container's output as far as it is copied.
struct Copy {
    log: LogWriter,
    stdout: Lines,
    stderr: Lines,
    /// The engine's time of the last entry, RFC 3339 in UTC with nine digits of a second, and how many
    /// entries had it: the parts of a long line share one.
    last: String,
    same: usize,
}

impl Copy {
    fn new(log: LogWriter) -> Self {
        let (stdout, stderr) = (Lines::default(), Lines::default());
        Self { log, stdout, stderr, last: String::new(), same: 0 }
    }

    /// Copies what is new until the stream ends. Returns whether there can be more.
    async fn read(&mut self, docker: &Docker, id: &str) -> bool {
        let since = self.last.parse::<jiff::Timestamp>().map_or(0, jiff::Timestamp::as_second);
        let options = LogsOptionsBuilder::default()
            .follow(true)
            .stdout(true)
            .stderr(true)
            .timestamps(true)
            .since(i32::try_from(since).unwrap_or(i32::MAX));
        let mut entries = std::pin::pin!(docker.logs(id, Some(options.build())));
        let mut repeated = self.same;
        while let Some(entry) = entries.next().await {
            match entry {
                Ok(entry) => self.entry(entry, &mut repeated),
                // The engine keeps no log that can be read, or has no such container.
                Err(DockerError::DockerResponseServerError { status_code, .. }) => {
                    return status_code != 501 && !(400..500).contains(&status_code);
                }
                Err(_) => return true,
            }
        }
        true
    }

    /// Copies one entry, unless it was copied before a break: `repeated` of those with the last time
    /// were.
    fn entry(&mut self, entry: LogOutput, repeated: &mut usize) {
        let (stream, lines, message) = match entry {
            LogOutput::StdErr { message } => (LogStream::Stderr, &mut self.stderr, message),
            LogOutput::StdOut { message } | LogOutput::Console { message } => {
                (LogStream::Stdout, &mut self.stdout, message)
            }
            LogOutput::StdIn { .. } => return,
        };
        let Some(space) = message.iter().position(|byte| *byte == b' ') else { return };
        let at = String::from_utf8_lossy(&message[..space]);
        match at.as_ref().cmp(&self.last) {
            Ordering::Less => return,
            Ordering::Equal if *repeated > 0 => {
                *repeated -= 1;
                return;
            }
            Ordering::Equal => self.same += 1,
            Ordering::Greater => {
                self.last = at.into_owned();
                self.same = 1;
                *repeated = 0;
            }
        }
        let log = &self.log;
        lines.feed(&message[space + 1..], |whole, text| log.line(stream, whole, text));
    }

    fn finish(mut self) {
        let log = self.log;
        self.stdout.finish(|whole, text| log.line(LogStream::Stdout, whole, text));
        self.stderr.finish(|whole, text| log.line(LogStream::Stderr, whole, text));
    }
}

/// Whether a container runs, asked until the engine answers.
async fn runs_on(docker: &Docker, id: &str) -> bool {
    loop {
        match docker.inspect_container(id, None::<InspectContainerOptions>).await {
            Ok(inspected) => return inspected.state.and_then(|state| state.running) == Some(true),
            Err(error) if is_code(&error, 404) => return false,
            Err(_) => tokio::time::sleep(WAIT_AGAIN).await,
        }
    }
}
