//! `rouse logs NAME [-f]`: what the pods wrote; at zero, what the last one left.

use futures::AsyncBufReadExt;
use futures::TryStreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, LogParams};
use rouse_api::keys;

use super::serving::{name_of, pods, service};
use crate::args::{Global, Logs};
use crate::outcome::{Failure, Result, refused};
use crate::printer::Printer;
use crate::target::Target;

pub(crate) async fn run(args: Logs, global: &Global, printer: &Printer) -> Result {
    let target = Target::connect(global).await?;
    service(&target, &args.name).await?;
    let pods = match &args.revision {
        Some(revision) => pods(&target, keys::REVISION, revision).await?,
        None => pods(&target, keys::SERVICE, &args.name).await?,
    };
    if pods.is_empty() {
        return of_the_last_pod(&target, &args, printer);
    }
    let api: Api<Pod> = Api::namespaced(target.client.clone(), &target.namespace);
    let many = pods.len() > 1;
    let streams = pods.iter().map(|pod| {
        let prefix = if many { format!("[{}] ", name_of(pod)) } else { String::new() };
        one(&api, name_of(pod), prefix, &args, printer)
    });
    futures::future::try_join_all(streams).await.map(|_| ())
}

async fn one(api: &Api<Pod>, pod: &str, prefix: String, args: &Logs, printer: &Printer) -> Result {
    let params = LogParams { follow: args.follow, tail_lines: args.tail, ..LogParams::default() };
    let stream = api
        .log_stream(pod, &params)
        .await
        .map_err(|e| refused(&e, &format!("read the log of pod {pod}")))?;
    let mut lines = stream.lines();
    loop {
        match lines.try_next().await {
            Ok(Some(line)) => printer.line(format!("{prefix}{line}")),
            Ok(None) => return Ok(()),
            Err(error) => {
                return Err(Failure::new(format!("the log of pod {pod} broke off")).because(error));
            }
        }
    }
}

/// Pods are gone, but a local cluster keeps their files for a while.
fn of_the_last_pod(target: &Target, args: &Logs, printer: &Printer) -> Result {
    let nothing = || {
        Failure::new(format!("{} has no pod, and no log of an earlier one is kept", args.name))
            .next(format!("rouse call {}, which wakes it", args.name))
    };
    let Some(dir) = &target.data_dir else { return Err(nothing()) };
    let prefix = args.revision.clone().unwrap_or_else(|| args.name.clone());
    let Some(file) = last_log(&dir.join("logs"), &target.namespace, &prefix) else {
        return Err(nothing());
    };
    let text = std::fs::read_to_string(&file)
        .map_err(|e| Failure::new(format!("cannot read {}", file.display())).because(e))?;
    printer.progress(format!("at zero; from the last pod, {}", file.display()));
    let lines: Vec<&str> = text.lines().collect();
    let tail = args.tail.and_then(|n| usize::try_from(n).ok()).unwrap_or(lines.len());
    for line in &lines[lines.len().saturating_sub(tail)..] {
        printer.line(line);
    }
    Ok(())
}

/// The newest log file of a pod of this service: `logs/<namespace>_<pod>_…/**/*.log`.
fn last_log(logs: &std::path::Path, namespace: &str, service: &str) -> Option<std::path::PathBuf> {
    let start = format!("{namespace}_{service}-");
    let pods = std::fs::read_dir(logs).ok()?.flatten();
    let ours = pods.filter(|entry| entry.file_name().to_string_lossy().starts_with(&start));
    let mut files = Vec::new();
    let mut folders: Vec<_> = ours.map(|entry| entry.path()).collect();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).ok()?.flatten() {
            let Ok(meta) = entry.metadata() else { continue };
            if meta.is_dir() {
                folders.push(entry.path());
            } else if meta.len() > 0 {
                files.push((meta.modified().ok(), entry.path()));
            }
        }
    }
    files.into_iter().max().map(|(_, path)| path)
}
