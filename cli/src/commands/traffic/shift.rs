//! The edits of a traffic block. Pure.

use rouse_api::TrafficTarget;

use crate::outcome::{Failure, Result};

/// The changes that the user asked for.
#[derive(Debug, Default)]
pub(crate) struct Edits {
    /// (revision, tag or `@latest`; percent)
    pub(crate) shares: Vec<(String, i64)>,
    /// (revision or `@latest`; tag)
    pub(crate) tags: Vec<(String, String)>,
    pub(crate) untags: Vec<String>,
}

impl Edits {
    pub(crate) fn parse(shares: &[String], tags: &[String], untags: &[String]) -> Result<Self> {
        if shares.is_empty() && tags.is_empty() && untags.is_empty() {
            return Err(Failure::usage("nothing to change")
                .next("rouse traffic NAME REVISION=PERCENT, --tag REVISION=TAG or --untag TAG"));
        }
        let mut edits = Self { untags: untags.to_vec(), ..Self::default() };
        for share in shares {
            let (name, percent) = pair(share, "TARGET=PERCENT")?;
            let percent: i64 = percent
                .trim_end_matches('%')
                .parse()
                .ok()
                .filter(|p| (0..=100).contains(p))
                .ok_or_else(|| {
                    Failure::usage(format!(
                        "{share:?}: a percentage is a whole number from 0 to 100"
                    ))
                })?;
            edits.shares.push((name, percent));
        }
        for tag in tags {
            edits.tags.push(pair(tag, "REVISION=TAG")?);
        }
        let total: i64 = edits.shares.iter().map(|(_, p)| p).sum();
        if total > 100 {
            return Err(Failure::usage(format!("the percentages make {total}, and there are 100")));
        }
        Ok(edits)
    }
}

fn pair(text: &str, form: &str) -> Result<(String, String)> {
    text.split_once('=')
        .filter(|(a, b)| !a.is_empty() && !b.is_empty())
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .ok_or_else(|| Failure::usage(format!("{text:?} is not {form}")))
}

/// A Service without a traffic block sends everything to the latest revision.
pub(crate) fn spec_or_default(spec: &[TrafficTarget]) -> Vec<TrafficTarget> {
    if spec.is_empty() {
        vec![TrafficTarget { percent: Some(100), ..latest() }]
    } else {
        spec.to_vec()
    }
}

fn latest() -> TrafficTarget {
    TrafficTarget { latest_revision: Some(true), percent: Some(0), ..TrafficTarget::default() }
}

fn is_latest(target: &TrafficTarget) -> bool {
    target.revision_name.is_none()
}

/// Applies the edits; targets that are not named share the rest in their present proportion.
pub(crate) fn shift(
    spec: &[TrafficTarget],
    edits: &Edits,
    revisions: &[String],
) -> Result<Vec<TrafficTarget>> {
    let mut traffic: Vec<TrafficTarget> = spec.to_vec();
    for tag in &edits.untags {
        untag(&mut traffic, tag)?;
    }
    for (name, tag) in &edits.tags {
        retag(&mut traffic, name, tag, revisions)?;
    }
    let mut named = Vec::new();
    for (name, percent) in &edits.shares {
        let index = find_or_add(&mut traffic, name, revisions)?;
        if named.contains(&index) {
            return Err(Failure::usage(format!("{name} is named twice")));
        }
        traffic[index].percent = Some(*percent);
        named.push(index);
    }
    if !named.is_empty() {
        share_rest(&mut traffic, &named)?;
    }
    traffic.retain(|t| t.percent.unwrap_or(0) > 0 || t.tag.is_some());
    Ok(traffic)
}

fn untag(traffic: &mut [TrafficTarget], tag: &str) -> Result {
    let tagged = traffic.iter_mut().find(|t| t.tag.as_deref() == Some(tag));
    match tagged {
        Some(target) => {
            target.tag = None;
            Ok(())
        }
        None => Err(Failure::usage(format!("there is no tag {tag:?} to take away"))),
    }
}

fn retag(traffic: &mut Vec<TrafficTarget>, name: &str, tag: &str, revisions: &[String]) -> Result {
    for target in traffic.iter_mut().filter(|t| t.tag.as_deref() == Some(tag)) {
        target.tag = None;
    }
    // A second tag on the same revision is an entry of its own.
    let untagged = traffic.iter().position(|t| t.tag.is_none() && names(t, name));
    let index = match untagged {
        Some(index) => index,
        None => add(traffic, name, revisions)?,
    };
    traffic[index].tag = Some(tag.to_owned());
    Ok(())
}

fn names(target: &TrafficTarget, name: &str) -> bool {
    if name == "@latest" {
        is_latest(target)
    } else {
        target.revision_name.as_deref() == Some(name)
    }
}

fn find_or_add(
    traffic: &mut Vec<TrafficTarget>,
    name: &str,
    revisions: &[String],
) -> Result<usize> {
    let by_name = |t: &&TrafficTarget| names(t, name) || t.tag.as_deref() == Some(name);
    let with_share = traffic.iter().position(|t| by_name(&t) && t.percent.unwrap_or(0) > 0);
    match with_share.or_else(|| traffic.iter().position(|t| by_name(&t))) {
        Some(index) => Ok(index),
        None => add(traffic, name, revisions),
    }
}

fn add(traffic: &mut Vec<TrafficTarget>, name: &str, revisions: &[String]) -> Result<usize> {
    if name == "@latest" {
        traffic.push(latest());
    } else if revisions.iter().any(|r| r == name) {
        traffic.push(TrafficTarget {
            revision_name: Some(name.to_owned()),
            latest_revision: Some(false),
            percent: Some(0),
            ..TrafficTarget::default()
        });
    } else {
        return Err(Failure::usage(format!("there is no revision or tag {name:?}"))
            .because(format!("the revisions are {}, or @latest", revisions.join(", "))));
    }
    Ok(traffic.len() - 1)
}

/// Largest remainders, so that the whole is 100 exactly.
fn share_rest(traffic: &mut [TrafficTarget], named: &[usize]) -> Result {
    let given: i64 = named.iter().map(|&i| traffic[i].percent.unwrap_or(0)).sum();
    let rest = 100 - given;
    let others: Vec<usize> = (0..traffic.len())
        .filter(|i| !named.contains(i) && traffic[*i].percent.unwrap_or(0) > 0)
        .collect();
    let total: i64 = others.iter().map(|&i| traffic[i].percent.unwrap_or(0)).sum();
    if total == 0 {
        if rest == 0 {
            return Ok(());
        }
        return Err(Failure::usage(format!(
            "{rest} % are left, and nothing else has a share to take them"
        )));
    }
    let mut left = rest;
    let mut remainders = Vec::new();
    for &i in &others {
        let exact = rest * traffic[i].percent.unwrap_or(0);
        traffic[i].percent = Some(exact / total);
        left -= exact / total;
        remainders.push((std::cmp::Reverse(exact % total), i));
    }
    remainders.sort_unstable();
    for &(_, i) in remainders.iter().take(usize::try_from(left).unwrap_or(0)) {
        traffic[i].percent = traffic[i].percent.map(|p| p + 1);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `rev:percent[:tag]`, `@latest` for the latest.
    fn block(text: &str) -> Vec<TrafficTarget> {
        let one = |word: &str| {
            let mut parts = word.split(':');
            let name = parts.next().unwrap();
            let percent = parts.next().unwrap().parse().ok();
            let revision = (name != "@latest").then(|| name.to_owned());
            TrafficTarget {
                latest_revision: Some(revision.is_none()),
                revision_name: revision,
                percent,
                tag: parts.next().map(str::to_owned),
                ..TrafficTarget::default()
            }
        };
        text.split_whitespace().map(one).collect()
    }

    fn text(traffic: &[TrafficTarget]) -> String {
        let one = |t: &TrafficTarget| {
            let name = t.revision_name.as_deref().unwrap_or("@latest");
            let tag = t.tag.as_ref().map(|tag| format!(":{tag}")).unwrap_or_default();
            format!("{name}:{}{tag}", t.percent.unwrap())
        };
        traffic.iter().map(one).collect::<Vec<_>>().join(" ")
    }

    fn shifted(spec: &str, words: &str) -> Result<String> {
        let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
        let edits = Edits::parse(&words, &[], &[])?;
        let revisions = ["a".to_owned(), "b".to_owned(), "c".to_owned()];
        shift(&block(spec), &edits, &revisions).map(|t| text(&t))
    }

    #[test]
    fn targets_that_are_not_named_share_the_rest_in_proportion() {
        assert_eq!(shifted("@latest:100", "a=10").unwrap(), "@latest:90 a:10");
        assert_eq!(shifted("a:60 b:30 c:10", "c=40").unwrap(), "a:40 b:20 c:40");
        assert_eq!(shifted("a:50 b:25 c:25", "a=0").unwrap(), "b:50 c:50");
        assert_eq!(shifted("a:34 b:33 c:33", "a=1").unwrap(), "a:1 b:50 c:49");
        assert_eq!(shifted("a:90 b:10:next", "next=100").unwrap(), "b:100:next");
    }

    #[test]
    fn impossible_shares_are_refused_with_the_reason() {
        for (words, complaint) in [
            ("a=60 b=50", "make 110"),
            ("a=101", "0 to 100"),
            ("nobody=5", "no revision or tag \"nobody\""),
            ("a=50", "50 % are left"),
        ] {
            let error = shifted("a:100", words).unwrap_err().to_string();
            assert!(error.contains(complaint), "{words}: {error}");
        }
    }

    #[test]
    fn tags_move_and_go() {
        let revisions = ["a".to_owned(), "b".to_owned()];
        let edits = Edits::parse(&[], &["b=next".to_owned()], &[]).unwrap();
        let tagged = shift(&block("a:100:next"), &edits, &revisions).unwrap();
        assert_eq!(text(&tagged), "a:100 b:0:next");
        let edits = Edits::parse(&[], &[], &["next".to_owned()]).unwrap();
        assert_eq!(text(&shift(&tagged, &edits, &revisions).unwrap()), "a:100");
    }
}
