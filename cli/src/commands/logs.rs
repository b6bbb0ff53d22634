//! `rouse logs NAME [-f]`: the logs of the pods; at zero, the kept log of the last one.

use std::cell::Cell;
use std::collections::HashSet;

use futures::stream::FuturesUnordered;
use futures::{AsyncBufReadExt, StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, LogParams};
use kube::runtime::{WatchStreamExt, watcher};
use rouse_api::keys;

use super::serving::{name_of, pods, revisions, service};
use crate::args::{Global, Logs};
use crate::outcome::{Failure, Result, refused};
use crate::printer::Printer;
use crate::target::Target;

pub(crate) async fn run(args: Logs, global: &Global, printer: &Printer) -> Result {
    let target = Target::connect(global).await?;
    service(&target, &args.name).await?;
    let (label, value) = match &args.revision {
        Some(revision) => (keys::REVISION, revision.as_str()),
        None => (keys::SERVICE, args.name.as_str()),
    };
    let pods = pods(&target, label, value).await?;
    if pods.is_empty() {
        match of_the_last_pod(&target, &args, printer).await {
            Err(nothing) if !args.follow => return Err(nothing),
            Ok(()) if !args.follow => return Ok(()),
            Ok(()) | Err(_) => printer.progress("waiting for the next pod"),
        }
    }
    let api: Api<Pod> = Api::namespaced(target.client.clone(), &target.namespace);
    let several = Cell::new(pods.len() > 1);
    if args.follow {
        return follow(&api, &format!("{label}={value}"), args.tail, &several, printer).await;
    }
    let params = LogParams { tail_lines: args.tail, ..LogParams::default() };
    let streams = pods.iter().map(|pod| print_log(&api, name_of(pod), &params, &several, printer));
    futures::future::try_join_all(streams).await.map(|_| ())
}

/// Failures of the watch in a row after which `--follow` ends.
const FAILURES_MAX: u32 = 3;

/// Prints every container run of all present and later pods, until the user ends it.
async fn follow(
    api: &Api<Pod>,
    labels: &str,
    tail: Option<i64>,
    several: &Cell<bool>,
    printer: &Printer,
) -> Result {
    let config = watcher::Config::default().labels(labels);
    let mut pods = std::pin::pin!(watcher(api.clone(), config).default_backoff());
    let (mut seen, mut pods_seen) = (HashSet::new(), HashSet::new());
    let mut streams = FuturesUnordered::new();
    // `--tail` applies to pods of the first list; later ones are printed from their first line.
    let (mut tail, mut failures) = (tail, 0);
    loop {
        let event = tokio::select! {
            event = pods.next() => event,
            Some((run, ended)) = streams.next(), if !streams.is_empty() => {
                let ended: Result = ended;
                if let Err(failure) = ended {
                    // If its pod is still there, the pod's next event starts its log again.
                    printer.progress(failure.to_string());
                    seen.remove(&run);
                }
                continue;
            }
        };
        failures = if matches!(event, Some(Err(_))) { failures + 1 } else { 0 };
        match event {
            Some(Ok(watcher::Event::InitApply(pod) | watcher::Event::Apply(pod))) => {
                let Some(run) = current_run(&pod) else { continue };
                if seen.insert(run.clone()) {
                    pods_seen.insert(name_of(&pod).to_owned());
                    several.set(pods_seen.len() > 1);
                    let params =
                        LogParams { follow: true, tail_lines: tail, ..LogParams::default() };
                    let name = name_of(&pod).to_owned();
                    streams.push(async move {
                        (run, print_log(api, &name, &params, several, printer).await)
                    });
                }
            }
            Some(Ok(watcher::Event::InitDone)) => tail = None,
            Some(Ok(watcher::Event::Init | watcher::Event::Delete(_))) => {}
            // It may be an expired watch, which starts again by itself.
            Some(Err(_)) if failures < FAILURES_MAX => {}
            Some(Err(error)) => {
                return Err(Failure::new("the pods cannot be watched any more")
                    .because(error)
                    .next("rouse status"));
            }
            None => return Err(Failure::new("the watch of the pods ended")),
        }
    }
}

/// The pod's uid and its container's restart count, once the container has a log.
fn current_run(pod: &Pod) -> Option<(String, i32)> {
    let status = pod.status.as_ref()?.container_statuses.as_ref()?.first()?;
    let state = status.state.as_ref()?;
    let started = state.running.is_some() || state.terminated.is_some();
    started.then(|| (pod.metadata.uid.clone().unwrap_or_default(), status.restart_count))
}

/// Prints a pod's log, with its name before each line while there are several.
async fn print_log(
    api: &Api<Pod>,
    pod: &str,
    params: &LogParams,
    several: &Cell<bool>,
    printer: &Printer,
) -> Result {
    let stream = api
        .log_stream(pod, params)
        .await
        .map_err(|e| refused(&e, &format!("read the log of pod {pod}")))?;
    let mut lines = stream.lines();
    loop {
        match lines.try_next().await {
            Ok(Some(line)) if several.get() => printer.line(format!("[{pod}] {line}")),
            Ok(Some(line)) => printer.line(line),
            Ok(None) => return Ok(()),
            Err(error) => {
                return Err(Failure::new(format!("the log of pod {pod} broke off")).because(error));
            }
        }
    }
}

/// Prints the log of the last pod, which a local cluster keeps for a while.
async fn of_the_last_pod(target: &Target, args: &Logs, printer: &Printer) -> Result {
    let nothing = || {
        Failure::new(format!("{} has no pod, and no log of an earlier one is kept", args.name))
            .next(format!("rouse call {}, which wakes it", args.name))
    };
    let Some(dir) = &target.data_dir else { return Err(nothing()) };
    let revisions: Vec<String> = match &args.revision {
        Some(revision) => vec![revision.clone()],
        None => {
            revisions(target, &args.name).await?.iter().map(|r| name_of(r).to_owned()).collect()
        }
    };
    let is_ours = |pod: &str| {
        revisions.iter().any(|r| {
            pod.strip_prefix(r.as_str()).is_some_and(|rest| rest.starts_with("-deployment-"))
        })
    };
    let tail = args.tail.and_then(|n| usize::try_from(n).ok());
    let last = rouse_node::logs::of_last_pod(&dir.join("logs"), &target.namespace, is_ours, tail);
    let last = last.ok_or_else(nothing)?;
    printer.progress(format!("at zero; from the last pod, {}", last.pod));
    printer.line(last.text.trim_end());
    Ok(())
}
