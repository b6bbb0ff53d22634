//! Waiting for a container's end, and copying its output to its log.

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

/// Copies the output of a container to its log, until the container has ended. An engine that
/// restarts under a container that runs on is asked again, and what it repeats is passed over.
pub(super) async fn pump(docker: Docker, id: String, log: LogWriter) {
    log.open();
    let options = LogsOptionsBuilder::default().follow(true).stdout(true).stderr(true).build();
    let (mut stdout, mut stderr) = (Lines::default(), Lines::default());
    let mut copied = 0_u64;
    loop {
        let chunks = docker.logs(&id, Some(options.clone())).enumerate();
        let mut chunks = std::pin::pin!(chunks);
        while let Some((index, Ok(chunk))) = chunks.next().await {
            if (index as u64) < copied {
                continue;
            }
            copied += 1;
            match chunk {
                LogOutput::StdErr { message } => {
                    stderr.feed(&message, |whole, text| log.line(LogStream::Stderr, whole, text));
                }
                LogOutput::StdOut { message } | LogOutput::Console { message } => {
                    stdout.feed(&message, |whole, text| log.line(LogStream::Stdout, whole, text));
                }
                LogOutput::StdIn { .. } => {}
            }
        }
        if !runs_on(&docker, &id).await {
            break;
        }
        tokio::time::sleep(WAIT_AGAIN).await;
    }
    stdout.finish(|whole, text| log.line(LogStream::Stdout, whole, text));
    stderr.finish(|whole, text| log.line(LogStream::Stderr, whole, text));
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
