//! Reading the log of one run of a container from the API.

use futures::{AsyncBufReadExt, TryStreamExt};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, LogParams};

use super::line::{Line, Lines};
use super::source::Source;
use crate::args::Logs;
use crate::outcome::{Failure, Result, refused};

/// Of one container, where the logs of several are sorted by time.
const BYTES_MAX: i64 = 16 << 20;

pub(super) fn params(source: &Source, args: &Logs) -> LogParams {
    // Whole seconds, rounded up; the API knows nothing smaller.
    let seconds = |since: std::time::Duration| {
        i64::try_from(since.as_secs())
            .unwrap_or(i64::MAX)
            .saturating_add(i64::from(since.subsec_nanos() > 0))
    };
    LogParams {
        container: Some(source.container.clone()),
        previous: source.previous,
        tail_lines: args.tail,
        since_seconds: args.since.map(|since| seconds(since.to_std())),
        // Always, to sort by it; printed only when it is asked for.
        timestamps: true,
        ..LogParams::default()
    }
}

/// Prints a log as it comes; returns the number of lines.
pub(super) async fn stream(
    api: &Api<Pod>,
    source: &Source,
    params: &LogParams,
    out: &Lines,
) -> Result<usize> {
    let stream = match api.log_stream(&source.pod, params).await {
        Ok(stream) => stream,
        Err(error) if is_gone(&error) => return Ok(0),
        Err(error) => return Err(unreadable(&error, source)),
    };
    let (mut lines, mut count) = (stream.lines(), 0);
    loop {
        match lines.try_next().await {
            Ok(Some(text)) => out.print(&Line::of(source, &text)),
            Ok(None) => return Ok(count),
            Err(error) => {
                return Err(
                    Failure::new(format!("the log of pod {} broke off", source.pod)).because(error)
                );
            }
        }
        count += 1;
    }
}

pub(super) async fn read(api: &Api<Pod>, source: &Source, args: &Logs) -> Result<String> {
    let params = LogParams { limit_bytes: Some(BYTES_MAX), ..params(source, args) };
    match api.logs(&source.pod, &params).await {
        Ok(text) => Ok(text),
        Err(error) if is_gone(&error) => Ok(String::new()),
        Err(error) => Err(unreadable(&error, source)),
    }
}

/// The pod went away after the pods were listed, or its container has written nothing yet.
fn is_gone(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if matches!(status.code, 400 | 404))
}

fn unreadable(error: &kube::Error, source: &Source) -> Failure {
    refused(error, &format!("read the log of pod {}", source.pod))
}
