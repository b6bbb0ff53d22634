//! `rouse revisions NAME`: every revision, its share of the traffic and its pods.

use rouse_api::{Revision, TrafficTarget};

use super::serving::{age_of, name_of, ready_text, revisions, service};
use crate::args::{Global, Named};
use crate::outcome::Result;
use crate::printer::Printer;
use crate::target::Target;

pub(crate) async fn run(args: &Named, global: &Global, printer: &Printer) -> Result {
    let target = Target::connect(global).await?;
    let service = service(&target, &args.name).await?;
    let revisions = revisions(&target, &args.name).await?;
    if printer.json() {
        printer.document(&revisions);
        return Ok(());
    }
    let traffic = service.status.map(|s| s.traffic).unwrap_or_default();
    printer.table(&HEADINGS, &rows(&revisions, &traffic));
    Ok(())
}

pub(crate) const HEADINGS: [&str; 8] =
    ["REVISION", "TRAFFIC", "TAGS", "PODS", "READY", "AGE", "IMAGE", "REASON"];

pub(crate) fn rows(revisions: &[Revision], traffic: &[TrafficTarget]) -> Vec<Vec<String>> {
    revisions.iter().map(|revision| row(revision, traffic)).collect()
}

fn row(revision: &Revision, traffic: &[TrafficTarget]) -> Vec<String> {
    let name = name_of(revision);
    let mine = || traffic.iter().filter(|t| t.revision_name.as_deref() == Some(name));
    let percent: i64 = mine().filter_map(|t| t.percent).sum();
    let tags: Vec<_> = mine().filter_map(|t| t.tag.as_deref()).collect();
    let status = revision.status.clone().unwrap_or_default();
    let (ready, reason) = ready_text(&status.conditions);
    let image =
        revision.spec.pod.containers.first().and_then(|c| c.image.clone()).unwrap_or_default();
    vec![
        name.to_owned(),
        if percent == 0 { String::new() } else { format!("{percent}%") },
        tags.join(","),
        status.actual_replicas.map_or_else(String::new, |n| n.to_string()),
        ready,
        age_of(revision),
        short_image(&image),
        reason,
    ]
}

/// Enough of a digest to tell two apart.
fn short_image(image: &str) -> String {
    match image.split_once("@sha256:") {
        Some((name, digest)) => format!("{name}@{}", digest.get(..12).unwrap_or(digest)),
        None => image.to_owned(),
    }
}
