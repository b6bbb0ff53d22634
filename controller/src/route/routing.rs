//! Compiles resolved targets to the routing that activators serve.

use rouse_api::routing::{Host, HttpOption, Share};

use super::hosts::Names;
use super::traffic::Target;

/// One host for the Route, one for each tag.
pub(super) fn compile(names: &[Names], targets: &[Target]) -> Vec<Host> {
    names
        .iter()
        .map(|names| Host {
            public: names.public.iter().cloned().collect(),
            local: names.local.clone(),
            tag: names.tag.clone(),
            http: HttpOption::Enabled,
            split: match &names.tag {
                None => shares(targets),
                Some(tag) => tagged(targets, tag),
            },
            rewrite_host: None,
        })
        .collect()
}

/// Targets of the same Revision are one share; those without traffic are left out.
fn shares(targets: &[Target]) -> Vec<Share> {
    let mut shares: Vec<Share> = Vec::new();
    for target in targets {
        let percent = u8::try_from(target.percent.clamp(0, 100)).unwrap_or_default();
        if percent == 0 {
            continue;
        }
        match shares.iter_mut().find(|share| share.revision == target.revision) {
            Some(share) => share.percent = share.percent.saturating_add(percent).min(100),
            None => shares.push(share(&target.revision, percent)),
        }
    }
    shares
}

fn tagged(targets: &[Target], tag: &str) -> Vec<Share> {
    let target = targets.iter().find(|target| target.tag.as_deref() == Some(tag));
    target.map(|target| share(&target.revision, 100)).into_iter().collect()
}

fn share(revision: &str, percent: u8) -> Share {
    Share { revision: revision.to_owned(), percent }
}
