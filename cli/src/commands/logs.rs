//! `rouse logs NAME [-f]`: what the pods wrote; at zero, what the last one left.

use futures::AsyncBufReadExt;
use futures::TryStreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, LogParams};
use rouse_api::keys;

use super::serving::{name_of, pods, revisions, service};
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
        return of_the_last_pod(&target, &args, printer).await;
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
