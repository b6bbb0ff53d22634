//! `rouse rollback NAME`: all requests to the revision that served before, or to a named one.

use rouse_api::condition::{self, READY};
use rouse_api::{Condition, Revision, TrafficTarget};

use super::serving::{name_of, revisions, service};
use super::traffic;
use crate::args::{Global, Rollback};
use crate::outcome::{Failure, Result};
use crate::printer::Printer;
use crate::target::Target;

pub(crate) async fn run(args: &Rollback, global: &Global, printer: &Printer) -> Result {
    let target = Target::connect(global).await?;
    let current = service(&target, &args.name).await?;
    let serving = current.status.clone().unwrap_or_default().traffic;
    let revisions = revisions(&target, &args.name).await?;
    let to = match &args.to {
        Some(to) => named(to, &revisions)?,
        None => previous(&serving, &revisions).ok_or_else(|| no_earlier(&args.name, &serving))?,
    };
    let newest = revisions.iter().find(|revision| is_ready(revision)).map(name_of);
    // The newest one is followed by those that come after it, as before the first rollback.
    let wanted = match newest == Some(to) && args.to.is_some() {
        true => to_latest(&current.spec.traffic),
        false => to_only(&current.spec.traffic, to),
    };
    traffic::apply(&target, &current, wanted, printer).await?;
    if newest != Some(to) {
        let newest = newest.unwrap_or("@latest");
        printer.progress(format!(
            "{newest} gets no requests; rouse traffic {} @latest=100 goes forward again",
            args.name
        ));
    }
    Ok(())
}

fn no_earlier(name: &str, serving: &[TrafficTarget]) -> Failure {
    let now = serving.iter().find(|target| target.percent.unwrap_or(0) > 0);
    let now = now.and_then(|target| target.revision_name.as_deref()).unwrap_or("none");
    Failure::new(format!("{name} has no ready revision that is older than {now}, which serves"))
        .next(format!("rouse revisions {name}; or rouse traffic {name} @latest=100, to go forward"))
}

/// The revision of that name, which must be ready.
fn named<'a>(name: &str, revisions: &'a [Revision]) -> Result<&'a str> {
    match revisions.iter().find(|revision| name_of(*revision) == name) {
        Some(found) if is_ready(found) => Ok(name_of(found)),
        Some(_) => Err(Failure::new(format!("revision {name} is not ready"))),
        None => {
            let known: Vec<&str> = revisions.iter().map(name_of).collect();
            Err(Failure::usage(format!("there is no revision {name:?}"))
                .because(format!("the revisions are {}", known.join(", "))))
        }
    }
}

/// The newest ready revision that is older than the newest one with a share: of a canary, the one
/// that it was to replace.
fn previous<'a>(serving: &[TrafficTarget], newest_first: &'a [Revision]) -> Option<&'a str> {
    let serves = |r: &Revision| {
        serving
            .iter()
            .any(|t| t.percent.unwrap_or(0) > 0 && t.revision_name.as_deref() == Some(name_of(r)))
    };
    let position = newest_first.iter().position(serves)?;
    newest_first[position + 1..].iter().find(|r| is_ready(r)).map(name_of)
}

fn is_ready(revision: &Revision) -> bool {
    let conditions = revision.status.as_ref().map(|s| s.conditions.as_slice()).unwrap_or_default();
    condition::find(conditions, READY).is_some_and(Condition::is_true)
}

/// All requests to one revision; tags stay.
fn to_only(spec: &[TrafficTarget], revision: &str) -> Vec<TrafficTarget> {
    let target = TrafficTarget {
        revision_name: Some(revision.to_owned()),
        latest_revision: Some(false),
        ..TrafficTarget::default()
    };
    whole(spec, target)
}

/// All requests to the latest revision; tags stay.
fn to_latest(spec: &[TrafficTarget]) -> Vec<TrafficTarget> {
    whole(spec, TrafficTarget { latest_revision: Some(true), ..TrafficTarget::default() })
}

fn whole(spec: &[TrafficTarget], target: TrafficTarget) -> Vec<TrafficTarget> {
    let mut traffic = vec![TrafficTarget { percent: Some(100), ..target }];
    let tagged = spec.iter().filter(|t| t.tag.is_some());
    traffic.extend(tagged.map(|t| TrafficTarget { percent: Some(0), ..t.clone() }));
    traffic
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn revision(name: &str, ready: &str) -> Revision {
        serde_json::from_value(json!({
            "metadata": { "name": name }, "spec": { "containers": [] },
            "status": { "conditions": [{ "type": "Ready", "status": ready }] }
        }))
        .unwrap()
    }

    #[test]
    fn revisions_that_are_not_ready_are_skipped() {
        let revisions = [revision("c", "True"), revision("b", "False"), revision("a", "True")];
        let serving = [TrafficTarget {
            revision_name: Some("c".into()),
            percent: Some(100),
            ..Default::default()
        }];
        assert_eq!(previous(&serving, &revisions), Some("a"));
        let serving = [TrafficTarget {
            revision_name: Some("a".into()),
            percent: Some(100),
            ..Default::default()
        }];
        assert_eq!(previous(&serving, &revisions), None);
    }

    #[test]
    fn a_way_back_keeps_tags_and_a_way_forward_follows_later_revisions() {
        let spec = [
            TrafficTarget { percent: Some(100), latest_revision: Some(true), ..Default::default() },
            TrafficTarget {
                percent: Some(0),
                revision_name: Some("a".into()),
                tag: Some("x".into()),
                ..Default::default()
            },
        ];
        let back = to_only(&spec, "a");
        assert_eq!(crate::wording::traffic_text(&back), "100% a (tag x)");
        let forward = to_latest(&back);
        assert_eq!(crate::wording::traffic_text(&forward), "100% @latest, 0% a (tag x)");
        assert_eq!(forward[0].latest_revision, Some(true));
    }

    #[test]
    fn only_a_ready_revision_can_be_named() {
        let revisions = [revision("b", "False"), revision("a", "True")];
        assert_eq!(named("a", &revisions).unwrap(), "a");
        for (name, complaint) in [("b", "not ready"), ("c", "the revisions are b, a")] {
            let error = named(name, &revisions).unwrap_err().to_string();
            assert!(error.contains(complaint), "{name}: {error}");
        }
    }
}
