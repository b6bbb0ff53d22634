//! `rouse rollback NAME`: all requests to the revision that served before.

use rouse_api::{ConditionStatus, Revision, TrafficTarget};

use super::serving::{condition, name_of, revisions, service};
use super::traffic;
use crate::args::{Global, Named};
use crate::outcome::{Failure, Result};
use crate::printer::Printer;
use crate::target::Target;

pub(crate) async fn run(args: &Named, global: &Global, printer: &Printer) -> Result {
    let target = Target::connect(global).await?;
    let current = service(&target, &args.name).await?;
    let serving = current.status.clone().unwrap_or_default().traffic;
    let revisions = revisions(&target, &args.name).await?;
    let Some(previous) = previous(&serving, &revisions) else {
        return Err(Failure::new(format!("{} has no earlier revision that is ready", args.name))
            .next(format!("rouse revisions {}", args.name)));
    };
    let wanted = to_only(&current.spec.traffic, previous);
    traffic::apply(&target, &current, wanted, printer).await
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
    condition(conditions, "Ready").is_some_and(|c| c.status == ConditionStatus::True)
}

/// All requests to one revision; tags stay.
fn to_only(spec: &[TrafficTarget], revision: &str) -> Vec<TrafficTarget> {
    let mut traffic = vec![TrafficTarget {
        revision_name: Some(revision.to_owned()),
        latest_revision: Some(false),
        percent: Some(100),
        ..TrafficTarget::default()
    }];
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
}
