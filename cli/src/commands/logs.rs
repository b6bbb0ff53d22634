//! `rouse logs NAME [-f]`: the logs of the pods; at zero, the kept log of the last one.

mod follow;
mod line;
mod read;
mod source;

use k8s_openapi::api::core::v1::Pod;
use kube::api::Api;
use rouse_api::keys;
use rouse_node::logs::{LogOptions, of_last_pod};

use self::line::{Line, Lines};
use self::read::{params, read, stream};
use self::source::{Source, containers, not_started, sources};
use super::serving::{name_of, pods, revisions, service};
use crate::args::{Global, Logs};
use crate::outcome::{Failure, Result};
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
    check_container(&pods, args.container.as_deref())?;
    let api: Api<Pod> = Api::namespaced(target.client.clone(), &target.namespace);
    let out = Lines::new(*printer, args.timestamps);
    if args.follow {
        if pods.is_empty() {
            print_last_pod(&target, &args, &out, printer).await?;
            printer.progress("waiting for the next pod");
        }
        return follow::run(&api, &format!("{label}={value}"), &args, &out, printer).await;
    }
    for pod in &pods {
        if let Some(why) = not_started(pod) {
            printer.progress(format!("pod {} has no log yet: {why}", name_of(pod)));
        }
    }
    let of = |pod| sources(pod, args.container.as_deref(), args.previous);
    let found: Vec<Source> = pods.iter().flat_map(of).collect();
    let printed = match found.as_slice() {
        [] => print_last_pod(&target, &args, &out, printer).await?,
        [one] => {
            print_one(&api, one, &args, &out, printer).await?;
            true
        }
        several => {
            print_several(&api, several, &args, &out).await?;
            true
        }
    };
    // A pod that has not started is no failure: it has said why.
    if printed || (!args.previous && pods.iter().any(|pod| not_started(pod).is_some())) {
        return Ok(());
    }
    let of =
        args.container.as_ref().map_or_else(String::new, |name| format!(" of container {name}"));
    let what = if args.previous { "no log of an earlier run" } else { "no log" };
    let next = if args.previous {
        format!("rouse logs {}, for the present run", args.name)
    } else {
        format!("rouse call {}, which wakes it", args.name)
    };
    Err(Failure::new(format!("{} has {what}{of}", args.name)).next(next))
}

fn check_container(pods: &[Pod], wanted: Option<&str>) -> Result {
    let (Some(wanted), Some(pod)) = (wanted, pods.first()) else { return Ok(()) };
    if pods.iter().any(|pod| containers(pod).contains(&wanted)) {
        return Ok(());
    }
    Err(Failure::usage(format!("pod {} has no container {wanted:?}", name_of(pod)))
        .because(format!("its containers are {}", containers(pod).join(", "))))
}

/// Prints the log of the only container; of one that has just been started again and is silent yet, of
/// the run before.
async fn print_one(
    api: &Api<Pod>,
    source: &Source,
    args: &Logs,
    out: &Lines,
    printer: &Printer,
) -> Result {
    out.announce(source);
    let count = stream(api, source, &params(source, args), out).await?;
    if count == 0 && source.restarts > 0 && !source.previous && !source.ended {
        let before = Source { previous: true, ..source.clone() };
        printer.progress(format!(
            "{} has been started again and has written nothing yet; of the run before:",
            source.container
        ));
        stream(api, &before, &params(&before, args), out).await?;
    }
    Ok(())
}

/// Reads and prints the logs of several containers.
async fn print_several(api: &Api<Pod>, sources: &[Source], args: &Logs, out: &Lines) -> Result {
    let reads = sources.iter().map(|source| read(api, source, args));
    let texts = futures::future::try_join_all(reads).await?;
    print_sorted(sources.iter().zip(texts.iter().map(String::as_str)), out);
    Ok(())
}

/// Prints logs as one, sorted by time.
fn print_sorted<'a>(logs: impl Iterator<Item = (&'a Source, &'a str)>, out: &Lines) {
    let mut lines: Vec<Line<'_>> = Vec::new();
    for (source, text) in logs {
        out.announce(source);
        lines.extend(text.lines().map(|line| Line::of(source, line)));
    }
    lines.sort_by_key(|line| line.time);
    lines.iter().for_each(|line| out.print(line));
}

/// Prints the log of the last pod, which a local cluster keeps for a while; whether there is one.
async fn print_last_pod(
    target: &Target,
    args: &Logs,
    out: &Lines,
    printer: &Printer,
) -> Result<bool> {
    let Some(dir) = &target.data_dir else { return Ok(false) };
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
    let now = jiff::Timestamp::now();
    let since = args.since.and_then(|since| now.checked_sub(since.to_std()).ok());
    let options = LogOptions {
        previous: args.previous,
        timestamps: true,
        tail_lines: args.tail.and_then(|n| usize::try_from(n).ok()),
        since,
        ..LogOptions::default()
    };
    let container = args.container.as_deref();
    let last = of_last_pod(&dir.join("logs"), &target.namespace, is_ours, container, &options);
    let Some(first) = last.first() else { return Ok(false) };
    printer.progress(format!("from the last pod with a log, {}", first.pod));
    let sources: Vec<Source> =
        last.iter().map(|last| Source::of_last(&last.pod, &last.container)).collect();
    print_sorted(sources.iter().zip(last.iter().map(|last| last.text.as_str())), out);
    Ok(true)
}
