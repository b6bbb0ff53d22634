//! The next number of pods of each ReplicaSet of a Deployment. Pure.
//!
//! Users may write any number into specs and statuses: sums and differences are computed in `i64`
//! and clamped to `i32`.
//!
//! Upstream: `pkg/controller/deployment/{rolling,recreate,sync}.go`.

use k8s_openapi::api::apps::v1::DeploymentSpec;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use rouse_k8s::int_or_percent::{self, Round};

/// A ReplicaSet as a rollout sees it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Set {
    pub(super) name: String,
    /// The creation time, for sorting.
    pub(super) created: String,
    pub(super) replicas: i32,
    pub(super) available: i32,
    /// Pods that exist, ended ones not counted.
    pub(super) pods: i32,
    /// The replicas that its Deployment asked for when it was last scaled.
    pub(super) desired: Option<i32>,
}

/// How a Deployment replaces pods.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Strategy {
    Recreate,
    Rolling { surge: i32, unavailable: i32 },
}

/// The strategy, in pods.
pub(super) fn strategy(spec: &DeploymentSpec) -> Strategy {
    let replicas = spec.replicas.unwrap_or(1);
    let Some(strategy) = &spec.strategy else { return rolling(replicas, None, None) };
    if strategy.type_.as_deref() == Some("Recreate") {
        return Strategy::Recreate;
    }
    let update = strategy.rolling_update.as_ref();
    let surge = update.and_then(|update| update.max_surge.as_ref());
    rolling(replicas, surge, update.and_then(|update| update.max_unavailable.as_ref()))
}

fn rolling(
    replicas: i32,
    surge: Option<&IntOrString>,
    unavailable: Option<&IntOrString>,
) -> Strategy {
    let surge = resolve(surge, replicas, Round::Up);
    let mut unavailable = resolve(unavailable, replicas, Round::Down);
    if surge == 0 && unavailable == 0 {
        // No pod could ever be replaced.
        unavailable = 1;
    }
    Strategy::Rolling { surge, unavailable: unavailable.min(replicas) }
}

/// A number, or a percentage of the replicas; 25% if neither is there.
fn resolve(value: Option<&IntOrString>, replicas: i32, round: Round) -> i32 {
    let quarter = IntOrString::String("25%".to_owned());
    int_or_percent::scaled(value.unwrap_or(&quarter), replicas, round).unwrap_or(0).max(0)
}

/// All replicas of some ReplicaSets.
fn total<'a>(sets: impl IntoIterator<Item = &'a Set>) -> i64 {
    sets.into_iter().map(|set| i64::from(set.replicas)).sum()
}

/// A count of pods as a field holds it: neither negative nor beyond `i32`.
fn pods(count: i64) -> i32 {
    i32::try_from(count.max(0)).unwrap_or(i32::MAX)
}

/// The most pods that a Deployment may have at a time.
pub(super) fn most(replicas: i32, strategy: Strategy) -> i32 {
    match strategy {
        Strategy::Recreate => replicas,
        Strategy::Rolling { surge, .. } if replicas > 0 => replicas.saturating_add(surge),
        Strategy::Rolling { .. } => replicas,
    }
}

/// The initial replicas of a new ReplicaSet beside `old` ones; `None` if it must wait for them.
pub(super) fn first(replicas: i32, strategy: Strategy, old: &[Set]) -> Option<i32> {
    match strategy {
        Strategy::Recreate => {
            old.iter().all(|set| set.replicas == 0 && set.pods == 0).then_some(replicas)
        }
        Strategy::Rolling { .. } => {
            let room = i64::from(most(replicas, strategy)) - total(old);
            Some(replicas.min(pods(room)))
        }
    }
}

/// The next replicas of each ReplicaSet, by name; only those that change.
pub(super) fn next(
    replicas: i32,
    strategy: Strategy,
    new: &Set,
    old: &[Set],
) -> Vec<(String, i32)> {
    let mut old: Vec<Set> = old.to_vec();
    old.sort_by(|a, b| a.created.cmp(&b.created).then_with(|| a.name.cmp(&b.name)));
    match strategy {
        Strategy::Recreate => recreate(replicas, new, &old),
        Strategy::Rolling { unavailable, .. } => {
            if let Some(scaled) = proportional(replicas, most(replicas, strategy), new, &old) {
                return scaled;
            }
            let up = grow(replicas, most(replicas, strategy), new, &old);
            if !up.is_empty() {
                return up;
            }
            shrink(i64::from(replicas) - i64::from(unavailable), new, &old)
        }
    }
}

fn recreate(replicas: i32, new: &Set, old: &[Set]) -> Vec<(String, i32)> {
    let busy: Vec<(String, i32)> =
        old.iter().filter(|set| set.replicas > 0).map(|set| (set.name.clone(), 0)).collect();
    if !busy.is_empty() {
        return busy;
    }
    if new.replicas != replicas && old.iter().all(|set| set.pods == 0) {
        return vec![(new.name.clone(), replicas)];
    }
    Vec::new()
}

/// The replicas changed while several ReplicaSets run: each gets its part of the change.
fn proportional(replicas: i32, most: i32, new: &Set, old: &[Set]) -> Option<Vec<(String, i32)>> {
    let active: Vec<&Set> = old.iter().chain([new]).filter(|set| set.replicas > 0).collect();
    let rescaled = active.iter().any(|set| set.desired.is_some_and(|d| d != replicas));
    if active.len() < 2 || !rescaled {
        return None;
    }
    let total = total(active.iter().copied());
    let change = i64::from(most) - total;
    let mut left = change;
    let mut scaled = Vec::new();
    // The largest first: it takes what rounding leaves, and the newest is the last to shrink.
    let mut order = active.clone();
    order.sort_by(|a, b| b.replicas.cmp(&a.replicas).then_with(|| b.created.cmp(&a.created)));
    for set in &order {
        let part = part(change, i64::from(set.replicas), total.max(1));
        let part = if change > 0 { part.clamp(0, left.max(0)) } else { part.clamp(left.min(0), 0) };
        left -= part;
        scaled.push((set.name.clone(), pods(i64::from(set.replicas) + part)));
    }
    if let Some((_, first)) = scaled.first_mut() {
        *first = pods(i64::from(*first) + left);
    }
    Some(scaled)
}

/// `replicas` of `total` parts of a change, to the nearest whole pod, halves away from zero.
fn part(change: i64, replicas: i64, total: i64) -> i64 {
    let (whole, total) = (i128::from(change) * i128::from(replicas), i128::from(total));
    let half = if whole < 0 { -total / 2 } else { total / 2 };
    i64::try_from((whole + half) / total).unwrap_or(change)
}

fn grow(replicas: i32, most: i32, new: &Set, old: &[Set]) -> Vec<(String, i32)> {
    let to = if new.replicas > replicas {
        replicas
    } else {
        let room = i64::from(most) - total(old.iter().chain([new]));
        let missing = i64::from(replicas) - i64::from(new.replicas);
        pods(i64::from(new.replicas) + room.clamp(0, missing))
    };
    if to == new.replicas { Vec::new() } else { vec![(new.name.clone(), to)] }
}

/// Scales old ReplicaSets down as far as `least` pods stay available: first by the pods that are
/// not available anyway.
fn shrink(least: i64, new: &Set, old: &[Set]) -> Vec<(String, i32)> {
    let broken = |set: &Set| (i64::from(set.replicas) - i64::from(set.available)).max(0);
    let mut may_go = total(old.iter().chain([new])) - least - broken(new);
    let mut left: Vec<i64> = old.iter().map(|set| i64::from(set.replicas)).collect();
    for (set, left) in old.iter().zip(&mut left) {
        let broken = broken(set).min(may_go.max(0));
        *left -= broken;
        may_go -= broken;
    }
    let available: i64 = old.iter().chain([new]).map(|set| i64::from(set.available)).sum();
    let mut spare = (available - least).min(may_go).max(0);
    for left in &mut left {
        let part = (*left).min(spare);
        *left -= part;
        spare -= part;
    }
    old.iter()
        .zip(left.into_iter().map(pods))
        .filter(|(set, left)| set.replicas != *left)
        .map(|(set, left)| (set.name.clone(), left))
        .collect()
}

#[cfg(test)]
mod tests;
