//! `rouse logs -f`: every container run of all present and later pods, until the user ends it.

use std::collections::HashSet;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, LogParams};
use kube::runtime::watcher;

use super::line::Lines;
use super::read::{params, stream};
use super::source::sources;
use crate::args::Logs;
use crate::commands::watching::Events;
use crate::outcome::Result;
use crate::printer::Printer;

pub(super) async fn run(
    api: &Api<Pod>,
    labels: &str,
    args: &Logs,
    out: &Lines,
    printer: &Printer,
) -> Result {
    let config = watcher::Config::default().labels(labels);
    let mut pods = Events::of(api.clone(), config, "pods");
    let mut seen = HashSet::new();
    let mut streams = FuturesUnordered::new();
    // `--tail` and `--since` apply to pods of the first list; later ones are printed from their first
    // line.
    let mut is_first = true;
    loop {
        let event = tokio::select! {
            event = pods.next() => event?,
            Some((run, ended)) = streams.next(), if !streams.is_empty() => {
                let ended: Result<usize> = ended;
                if let Err(failure) = ended {
                    // If its pod is still there, the pod's next event starts its log again.
                    printer.progress(failure.to_string());
                    seen.remove(&run);
                }
                continue;
            }
        };
        match event {
            watcher::Event::InitApply(pod) | watcher::Event::Apply(pod) => {
                let uid = pod.metadata.uid.clone().unwrap_or_default();
                for source in sources(&pod, args.container.as_deref(), false) {
                    let run = (uid.clone(), source.container.clone(), source.restarts);
                    if !seen.insert(run.clone()) {
                        continue;
                    }
                    out.announce(&source);
                    let given = params(&source, args);
                    let params = if is_first {
                        LogParams { follow: true, ..given }
                    } else {
                        LogParams { follow: true, tail_lines: None, since_seconds: None, ..given }
                    };
                    streams.push(async move { (run, stream(api, &source, &params, out).await) });
                }
            }
            watcher::Event::InitDone => is_first = false,
            watcher::Event::Init | watcher::Event::Delete(_) => {}
        }
    }
}
