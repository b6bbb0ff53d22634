//! Compiles resolved targets to the routing that activators serve.

use rouse_api::rollout::Rollout;
use rouse_api::routing::{Callers, Host, HttpOption, Share, TagShares};

use super::hosts::Names;
use super::portions::Portion;
use super::traffic::Target;

/// One host for the Route, one for each tag.
pub(super) fn compile(
    names: &[Names],
    targets: &[Target],
    portions: &[Portion],
    rollout: &Rollout,
    options: &Options,
) -> Vec<Host> {
    let by_header = |names: &Names| {
        // A host of a tag has no choice, but tells the Revision its tag.
        options.tag_header.then(|| match names.tag {
            None => all_tags(targets, rollout),
            Some(_) => Vec::new(),
        })
    };
    names
        .iter()
        .map(|names| Host {
            public: names.public.iter().cloned().collect(),
            local: names.local.clone(),
            tag: names.tag.clone(),
            http: options.http,
            split: match &names.tag {
                None => shares(portions.iter().map(|p| (p.revision.as_str(), p.percent))),
                Some(tag) => tagged(targets, tag, rollout),
            },
            header_tags: by_header(names),
            tls_secret: None,
            rewrite_host: None,
            callers: options.callers.clone(),
        })
        .collect()
}

/// The settings that hold for all hosts of a Route.
#[derive(Clone, Debug)]
pub(super) struct Options {
    pub(super) http: HttpOption,
    /// Whether requests may name their tag in a header.
    pub(super) tag_header: bool,
    /// Who may call, if not anybody from anywhere.
    pub(super) callers: Option<Callers>,
}

fn all_tags(targets: &[Target], rollout: &Rollout) -> Vec<TagShares> {
    let tags = targets.iter().filter_map(|target| target.tag.as_deref());
    tags.map(|tag| TagShares { tag: tag.to_owned(), split: tagged(targets, tag, rollout) })
        .collect()
}

/// Portions of the same Revision are one share; those without traffic are left out.
fn shares<'a>(portions: impl Iterator<Item = (&'a str, i64)>) -> Vec<Share> {
    let mut shares: Vec<Share> = Vec::new();
    for (revision, percent) in portions {
        let percent = u8::try_from(percent.clamp(0, 100)).unwrap_or_default();
        if percent == 0 {
            continue;
        }
        match shares.iter_mut().find(|share| share.revision == revision) {
            Some(share) => share.percent = share.percent.saturating_add(percent).min(100),
            None => shares.push(Share { revision: revision.to_owned(), percent }),
        }
    }
    shares
}

fn tagged(targets: &[Target], tag: &str, rollout: &Rollout) -> Vec<Share> {
    let target = targets.iter().find(|target| target.tag.as_deref() == Some(tag));
    let Some(target) = target else { return Vec::new() };
    let rolled = target.configuration.as_deref().and_then(|name| rollout.get(tag, name));
    match rolled {
        Some(rolled) => shares(rolled.revisions.iter().map(|r| (&*r.revision_name, r.percent))),
        None => shares(std::iter::once((target.revision.as_str(), 100))),
    }
}
