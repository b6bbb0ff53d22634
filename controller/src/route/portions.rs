//! The targets of a Route, each divided among the Revisions that it is rolled out over.

use rouse_api::rollout::{RevisionRollout, Rollout};

use super::traffic::Target;

/// The part of a target that one Revision gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Portion {
    pub(super) tag: Option<String>,
    pub(super) revision: String,
    /// It follows a Configuration rather than naming a Revision.
    pub(super) latest: bool,
    /// Of the traffic of the Route's own host.
    pub(super) percent: i64,
}

/// All portions, in the order of the targets; of one target the oldest Revision first. Targets that follow the same
/// Configuration share its rollout: the first gets the oldest.
pub(super) fn portions(targets: &[Target], rollout: &Rollout) -> Vec<Portion> {
    let mut left: Vec<(&str, Vec<RevisionRollout>)> = rollout
        .configurations
        .iter()
        .filter(|c| c.tag.is_empty() && c.revisions.len() > 1)
        .map(|c| (c.configuration_name.as_str(), c.revisions.clone()))
        .collect();
    let mut portions = Vec::new();
    for target in targets {
        let portion = |revision: &str, percent| Portion {
            tag: target.tag.clone(),
            revision: revision.to_owned(),
            latest: target.configuration.is_some(),
            percent,
        };
        let moving =
            left.iter_mut().find(|(name, _)| target.configuration.as_deref() == Some(name));
        match moving {
            Some((_, revisions)) if target.percent > 0 => {
                let taken = take(revisions, target.percent);
                portions.extend(taken.iter().map(|r| portion(&r.revision_name, r.percent)));
            }
            Some(_) | None => portions.push(portion(&target.revision, target.percent)),
        }
    }
    portions
}

/// Takes the first `percent` of the shares.
fn take(shares: &mut Vec<RevisionRollout>, mut percent: i64) -> Vec<RevisionRollout> {
    let mut taken = Vec::new();
    while percent > 0
        && let Some(first) = shares.first_mut()
    {
        let part = first.percent.min(percent);
        first.percent -= part;
        percent -= part;
        taken.push(RevisionRollout { revision_name: first.revision_name.clone(), percent: part });
        if first.percent == 0 {
            shares.remove(0);
        }
    }
    taken
}
