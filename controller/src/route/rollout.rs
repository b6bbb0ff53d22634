//! Gradual rollouts: the state machine that moves traffic to the latest Revision of a Configuration, step by step.
//!
//! A new Revision begins with 1 %. Once activators serve that, the time that this took is the shortest step; the rest
//! of the traffic moves in equal steps over the rest of the duration, at least 1 % each, first from the newest of the
//! older Revisions. The state is a part of the status, written together with the routing that it leads to, so that a
//! restarted controller goes on where the last one ended. Each tag that follows a Configuration has its own rollout.
//!
//! Upstream: pkg/reconciler/route/traffic/rollout.go.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use rouse_api::rollout::{ConfigurationRollout, RevisionRollout, Rollout, Steps};

use super::traffic::Target;

const SECOND: i64 = 1_000_000_000;

/// What a step depends on, besides the targets.
pub(super) struct Seen<'a, E> {
    /// The written state.
    pub(super) before: Option<&'a Rollout>,
    /// Whether activators serve the written state.
    pub(super) served: bool,
    /// Zero moves all traffic at once.
    pub(super) duration: Duration,
    pub(super) now: Timestamp,
    /// Whether a Revision is there.
    pub(super) exists: E,
}

/// The next state of all rollouts, and the time until the step after it.
pub(super) fn step<E: Fn(&str) -> bool>(
    targets: &[Target],
    seen: &Seen<'_, E>,
) -> (Rollout, Option<Duration>) {
    let goal = goal(targets);
    let Some(before) = seen.before.filter(|before| is_valid(before)) else { return (goal, None) };
    if seen.duration.is_zero() {
        return (goal, None);
    }
    let now = i64::try_from(seen.now.as_nanosecond()).unwrap_or(i64::MAX);
    let step = |goal: ConfigurationRollout| {
        let before = before.get(&goal.tag, &goal.configuration_name);
        let Some(mut before) = before.cloned().filter(|_| goal.percent > 1) else { return goal };
        drop_missing(&mut before, &seen.exists);
        if seen.served {
            schedule(&mut before, now, seen.duration);
        }
        stepped(goal, before, now)
    };
    let next = Rollout { configurations: goal.configurations.into_iter().map(step).collect() };
    let times = next.configurations.iter().map(|c| c.step_params.next_step_time);
    let due = times.filter(|time| *time > 0).min();
    let wake = due.map(|due| {
        Duration::from_nanos(u64::try_from(due.saturating_sub(now)).unwrap_or_default())
    });
    (next, wake)
}

/// The state without any rollout: the latest Revision of each Configuration has all of its traffic.
fn goal(targets: &[Target]) -> Rollout {
    let mut all: BTreeMap<(&str, &str), (&str, i64)> = BTreeMap::new();
    for target in targets {
        let Some(configuration) = target.configuration.as_deref() else { continue };
        if target.percent > 0 {
            let entry = all.entry(("", configuration)).or_insert((&target.revision, 0));
            entry.1 = entry.1.saturating_add(target.percent);
        }
        if let Some(tag) = target.tag.as_deref() {
            all.insert((tag, configuration), (&target.revision, 100));
        }
    }
    let configurations =
        all.into_iter().map(|((tag, configuration), (revision, percent))| ConfigurationRollout {
            configuration_name: configuration.to_owned(),
            tag: tag.to_owned(),
            percent,
            revisions: vec![share(revision, percent)],
            step_params: Steps::default(),
        });
    Rollout { configurations: configurations.collect() }
}

fn share(revision: &str, percent: i64) -> RevisionRollout {
    RevisionRollout { revision_name: revision.to_owned(), percent }
}

/// Whether a written state makes sense; users may have edited it.
fn is_valid(rollout: &Rollout) -> bool {
    rollout.configurations.iter().all(|configuration| {
        let ConfigurationRollout { percent, revisions, step_params, .. } = configuration;
        let Steps { start_time, next_step_time, step_duration, step_size } = *step_params;
        (0..=100).contains(percent)
            && (0..=*percent).contains(&step_size)
            && start_time.min(next_step_time).min(step_duration) >= 0
            && revisions.iter().all(|revision| (0..=100).contains(&revision.percent))
            && revisions.iter().map(|revision| revision.percent).sum::<i64>() == *percent
    })
}

/// Gives the traffic of Revisions that were deleted to the next newer one.
fn drop_missing(rollout: &mut ConfigurationRollout, exists: impl Fn(&str) -> bool) {
    let mut freed = 0;
    rollout.revisions.retain_mut(|revision| {
        if exists(&revision.revision_name) {
            revision.percent += std::mem::take(&mut freed);
            return true;
        }
        freed += revision.percent;
        false
    });
    if let Some(newest) = rollout.revisions.last_mut() {
        newest.percent += freed;
    }
}

/// Sets size and times of the steps of a rollout whose first percent is served.
fn schedule(rollout: &mut ConfigurationRollout, now: i64, duration: Duration) {
    let steps = &mut rollout.step_params;
    if steps.start_time == 0 || steps.step_duration != 0 {
        return;
    }
    let took = now.saturating_sub(steps.start_time).max(1);
    // Whole seconds, rounded up.
    let shortest = took.saturating_add(SECOND - 1) / SECOND * SECOND;
    let duration = i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
    let rest = duration.saturating_sub(shortest).max(SECOND);
    let percents = rollout.percent.saturating_sub(1).max(1);
    (steps.step_size, steps.step_duration) = if shortest.saturating_mul(percents) <= rest {
        (1, rest / percents)
    } else if rest <= shortest {
        (percents, rest)
    } else {
        (rounded(percents, shortest, rest), shortest)
    };
    steps.next_step_time = now.saturating_add(steps.step_duration);
}

/// `percents * shortest / rest`, rounded. The quotient is no more than `percents`.
fn rounded(percents: i64, shortest: i64, rest: i64) -> i64 {
    let (percents, shortest, rest) = (i128::from(percents), i128::from(shortest), i128::from(rest));
    i64::try_from((2 * percents * shortest + rest) / (2 * rest)).unwrap_or(1)
}

/// The state after `before`, on the way to `goal`, which has one Revision.
fn stepped(
    goal: ConfigurationRollout,
    before: ConfigurationRollout,
    now: i64,
) -> ConfigurationRollout {
    let [newest] = goal.revisions.as_slice() else { return goal };
    let (revisions, steps) = (before.revisions, before.step_params);
    let revisions = of_percent(revisions, before.percent, goal.percent);
    let Some(last) = revisions.last() else { return goal };
    if last.revision_name != newest.revision_name {
        let revisions = with_new(revisions, &newest.revision_name);
        let step_params = Steps { start_time: now, ..Steps::default() };
        return ConfigurationRollout { revisions, step_params, ..goal };
    }
    if revisions.len() < 2 {
        return goal;
    }
    let step_params = Steps { step_size: steps.step_size.min(goal.percent), ..steps };
    let mut next = ConfigurationRollout { revisions, step_params, ..goal };
    if steps.step_size > 0 && now >= steps.next_step_time {
        advance(&mut next, now);
    }
    next
}

/// The shares after the user has changed their sum: the newest Revision gets more, the oldest ones get less.
fn of_percent(
    mut revisions: Vec<RevisionRollout>,
    before: i64,
    after: i64,
) -> Vec<RevisionRollout> {
    if after > before {
        if let Some(newest) = revisions.last_mut() {
            newest.percent += after - before;
        }
        return revisions;
    }
    take(revisions.iter_mut(), before - after);
    revisions.retain(|revision| revision.percent > 0);
    revisions
}

/// Takes `percent` from the shares, as far as they go, in the order given.
fn take<'a>(shares: impl Iterator<Item = &'a mut RevisionRollout>, mut percent: i64) {
    for share in shares {
        let taken = share.percent.min(percent);
        share.percent -= taken;
        percent -= taken;
    }
}

/// The shares with 1 % for another newest Revision, or 1 % more if it has traffic already.
fn with_new(mut revisions: Vec<RevisionRollout>, name: &str) -> Vec<RevisionRollout> {
    let had = revisions.iter().position(|revision| revision.revision_name == name);
    let had = had.map_or(0, |at| revisions.remove(at).percent);
    take(revisions.iter_mut().rev(), 1);
    revisions.retain(|revision| revision.percent > 0);
    revisions.push(share(name, had.saturating_add(1)));
    revisions
}

/// One step: traffic moves from the newest of the older Revisions to the newest.
fn advance(rollout: &mut ConfigurationRollout, now: i64) {
    let Some(mut newest) = rollout.revisions.pop() else { return };
    take(rollout.revisions.iter_mut().rev(), rollout.step_params.step_size);
    rollout.revisions.retain(|revision| revision.percent > 0);
    let rest: i64 = rollout.revisions.iter().map(|revision| revision.percent).sum();
    newest.percent = rollout.percent - rest;
    rollout.step_params = if rollout.revisions.is_empty() {
        Steps::default()
    } else {
        let next_step_time = now.saturating_add(rollout.step_params.step_duration);
        Steps { next_step_time, ..rollout.step_params }
    };
    rollout.revisions.push(newest);
}

#[cfg(test)]
mod tests;
