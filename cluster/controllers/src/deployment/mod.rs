//! Deployment: ReplicaSets for its templates, and the rollout from one to the next.

mod rollout;
mod status;
mod template;

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::Pod;
use rouse_apiserver::registry::Propagation;
use rouse_apiserver::status::Failure;
use rouse_apiserver::store::{Key, Object};
use rouse_k8s::keys::{DEPLOYMENT_DESIRED_REPLICAS, DEPLOYMENT_MAX_REPLICAS, DEPLOYMENT_REVISION};
use rouse_k8s::pod::has_ended;
use serde_json::Value;

use self::rollout::{Set, Strategy};
use super::adopt::adopt;
use super::objects::{DEPLOYMENTS, Objects, PODS, REPLICA_SETS};
use super::recorder::{self, Notice};
use super::work::{Next, Work};

const COMPONENT: &str = "deployment-controller";
/// The default of `revisionHistoryLimit`.
const HISTORY: i32 = 10;

/// A Deployment and its ReplicaSets as they are now.
struct Observed {
    object: std::sync::Arc<Object>,
    deployment: Deployment,
    value: Value,
    /// Key, typed and whole.
    sets: Vec<(Key, ReplicaSet, Value)>,
    /// The index in `sets` of the ReplicaSet with the current template.
    new: Option<usize>,
}

fn observe(objects: &Objects, key: &Key) -> Option<Observed> {
    let object = objects.store.get(key)?;
    let deployment: Deployment = object.decode().ok()?;
    let value = object.value();
    let mut sets: Vec<(Key, ReplicaSet, Value)> = objects
        .controlled_objects(REPLICA_SETS, &object.uid)
        .iter()
        .filter_map(|set| Some((set.key.clone(), set.decode().ok()?, set.value())))
        .collect();
    sets.sort_by_key(|(key, set, _)| {
        (set.metadata.creation_timestamp.as_ref().map(|time| time.0), key.name.clone())
    });
    let new = sets.iter().position(|(_, _, set)| template::is_same(set, &value));
    Some(Observed { object, deployment, value, sets, new })
}

impl Observed {
    fn replicas(&self) -> i32 {
        self.deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1)
    }

    fn strategy(&self) -> Strategy {
        self.deployment.spec.as_ref().map_or(Strategy::Recreate, rollout::strategy)
    }

    fn set(&self, objects: &Objects, at: usize) -> Option<Set> {
        let (key, set, value) = self.sets.get(at)?;
        let uid = set.metadata.uid.as_deref()?;
        let pods: Vec<Pod> = objects.controlled(PODS, uid);
        let pods = pods.iter().filter(|pod| !has_ended(pod)).count();
        let created = set.metadata.creation_timestamp.as_ref();
        let desired = value["metadata"]["annotations"][DEPLOYMENT_DESIRED_REPLICAS].as_str();
        Some(Set {
            name: key.name.clone(),
            created: created.map(|time| time.0.to_string()).unwrap_or_default(),
            replicas: set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1),
            available: set.status.as_ref().and_then(|s| s.available_replicas).unwrap_or(0),
            pods: super::replicaset::count(pods),
            desired: desired.and_then(|desired| desired.parse().ok()),
        })
    }

    fn old(&self, objects: &Objects) -> Vec<Set> {
        let others = (0..self.sets.len()).filter(|at| Some(*at) != self.new);
        others.filter_map(|at| self.set(objects, at)).collect()
    }

    /// The highest revision among the sets at `places`.
    fn revision(&self, places: impl Iterator<Item = usize>) -> i64 {
        places
            .filter_map(|at| self.sets.get(at))
            .map(|(_, _, set)| revision(set))
            .max()
            .unwrap_or(0)
    }
}

/// The revision after `highest`; the largest number is repeated.
fn after(highest: i64) -> i64 {
    highest.max(0).saturating_add(1)
}

/// `collisionCount` after one more collision; an int32 field.
fn collided(before: i64) -> i64 {
    before.saturating_add(1).clamp(1, i64::from(i32::MAX))
}

fn revision(set: &Value) -> i64 {
    let written = set["metadata"]["annotations"][DEPLOYMENT_REVISION].as_str();
    written.and_then(|revision| revision.parse().ok()).unwrap_or(0)
}

/// Creates, scales and deletes the ReplicaSets. Work for those that changed is queued.
pub(super) fn roll(objects: &Objects, key: &Key, next: &mut Next) -> Result<(), Failure> {
    if let Some(object) = objects.store.get(key)
        && let Ok(Deployment { spec: Some(spec), .. }) = object.decode()
    {
        adopt(objects, &object, REPLICA_SETS, &spec.selector)?;
    }
    let Some(seen) = observe(objects, key) else { return Ok(()) };
    let spec = seen.deployment.spec.as_ref();
    if seen.deployment.metadata.deletion_timestamp.is_some() {
        return Ok(());
    }
    let paused = spec.and_then(|spec| spec.paused) == Some(true);
    let old = seen.old(objects);
    let new = seen.new.and_then(|at| seen.set(objects, at));
    match new {
        Some(new) => {
            update_revision(objects, &seen, key)?;
            let changes = if paused {
                paused_scale(seen.replicas(), &new, &old)
            } else {
                rollout::next(seen.replicas(), seen.strategy(), &new, &old)
            };
            for (name, to) in changes {
                let set = [&new].into_iter().chain(&old).find(|set| set.name == name);
                scale(objects, &seen, &name, (set.map_or(0, |set| set.replicas), to), next)?;
            }
            if !paused {
                clean_up(objects, &seen, &old)?;
            }
        }
        None if !paused => {
            if let Some(replicas) = rollout::first(seen.replicas(), seen.strategy(), &old) {
                create(objects, &seen, replicas, next)?;
            } else {
                // Recreate: the old ReplicaSets are scaled down first.
                for set in old.iter().filter(|set| set.replicas > 0) {
                    scale(objects, &seen, &set.name, (set.replicas, 0), next)?;
                }
            }
        }
        None => {}
    }
    Ok(())
}

/// A paused Deployment is scaled, but rolls nothing out.
fn paused_scale(replicas: i32, new: &Set, old: &[Set]) -> Vec<(String, i32)> {
    let mut active: Vec<&Set> = old.iter().chain([new]).filter(|set| set.replicas > 0).collect();
    if active.is_empty() {
        active.push(new);
    }
    match active.as_slice() {
        [only] if only.replicas != replicas => vec![(only.name.clone(), replicas)],
        _ => Vec::new(),
    }
}

fn scaled(deployment: &Object, set: &str, from: i32, to: i32) -> Option<Notice> {
    let direction = if to > from { "up" } else { "down" };
    (from != to).then(|| Notice {
        about: recorder::about(deployment),
        component: COMPONENT,
        warning: false,
        reason: "ScalingReplicaSet",
        message: format!("Scaled {direction} replica set {set} from {from} to {to}"),
    })
}

fn scale(
    objects: &Objects,
    seen: &Observed,
    name: &str,
    (from, to): (i32, i32),
    next: &mut Next,
) -> Result<(), Failure> {
    let replicas = seen.replicas();
    let most = rollout::most(replicas, seen.strategy());
    let set = Key::new(REPLICA_SETS, &seen.object.key.namespace, name);
    objects.change(&set, |set| {
        set["spec"]["replicas"] = to.into();
        let annotations = &mut set["metadata"]["annotations"];
        annotations[DEPLOYMENT_DESIRED_REPLICAS] = replicas.to_string().into();
        annotations[DEPLOYMENT_MAX_REPLICAS] = most.to_string().into();
    })?;
    next.notices.extend(scaled(&seen.object, name, from, to));
    next.work.push(Work::ReplicaSet(set));
    Ok(())
}

/// Gives the current ReplicaSet the highest revision, and the Deployment the same.
fn update_revision(objects: &Objects, seen: &Observed, key: &Key) -> Result<(), Failure> {
    let Some(new) = seen.new else { return Ok(()) };
    let highest = seen.revision((0..seen.sets.len()).filter(|at| *at != new));
    let Some((set, _, value)) = seen.sets.get(new) else { return Ok(()) };
    let mut own = revision(value);
    if own <= highest {
        own = after(highest);
        set_revision(objects, set, own)?;
    }
    if seen.value["metadata"]["annotations"][DEPLOYMENT_REVISION] != own.to_string().as_str() {
        set_revision(objects, key, own)?;
    }
    Ok(())
}

fn set_revision(objects: &Objects, key: &Key, revision: i64) -> Result<(), Failure> {
    let set = |object: &mut Value| {
        object["metadata"]["annotations"][DEPLOYMENT_REVISION] = revision.to_string().into();
    };
    objects.change(key, set).map(|_| ())
}

fn create(
    objects: &Objects,
    seen: &Observed,
    replicas: i32,
    next: &mut Next,
) -> Result<(), Failure> {
    let revision = after(seen.revision(0..seen.sets.len()));
    let most = rollout::most(seen.replicas(), seen.strategy());
    let collisions = seen.value["status"]["collisionCount"].as_i64().unwrap_or(0);
    let set = template::replica_set(&seen.value, revision, replicas, most, collisions);
    match objects.create(REPLICA_SETS, set) {
        Ok(set) => {
            next.notices.extend(scaled(&seen.object, &set.key.name, 0, replicas));
            next.work.push(Work::ReplicaSet(set.key.clone()));
            set_revision(objects, &seen.object.key, revision)
        }
        // Another ReplicaSet has the name: the next try has another hash.
        Err(failure) if failure.is_already_exists() => objects
            .change(&seen.object.key, |deployment| {
                deployment["status"]["collisionCount"] = collided(collisions).into();
            })
            .map(|_| ()),
        Err(failure) => Err(failure),
    }
}

/// Deletes the oldest ReplicaSets that are beyond the history.
fn clean_up(objects: &Objects, seen: &Observed, old: &[Set]) -> Result<(), Failure> {
    let limit = seen.deployment.spec.as_ref().and_then(|spec| spec.revision_history_limit);
    let limit = usize::try_from(limit.unwrap_or(HISTORY)).unwrap_or(0);
    let mut idle: Vec<&(Key, ReplicaSet, Value)> = seen
        .sets
        .iter()
        .filter(|(key, set, _)| {
            let gone = set.status.as_ref().is_none_or(|status| status.replicas == 0);
            let name = |old: &&Set| old.name == key.name && old.replicas == 0 && old.pods == 0;
            gone && set.metadata.deletion_timestamp.is_none() && old.iter().any(|o| name(&o))
        })
        .collect();
    idle.sort_by_key(|(_, _, value)| revision(value));
    for (key, _, _) in idle.iter().take(idle.len().saturating_sub(limit)) {
        objects.delete(key, Propagation::Background)?;
    }
    Ok(())
}

/// Writes the status, and sets when it is computed again without an event.
pub(super) fn report(objects: &Objects, key: &Key, next: &mut Next) -> Result<(), Failure> {
    let Some(seen) = observe(objects, key) else { return Ok(()) };
    let new = seen.new.and_then(|at| seen.sets.get(at)).map(|(_, set, _)| set);
    let all: Vec<ReplicaSet> = seen.sets.iter().map(|(_, set, _)| set.clone()).collect();
    let (status, at) = status::compute(&seen.deployment, new, &all, objects.now());
    next.at = at;
    objects.set_status(key, &status)
}

/// The Deployment that a ReplicaSet belongs to.
pub(super) fn of(set: &Object) -> Option<Key> {
    let owner = set.controller().filter(|owner| owner.kind == "Deployment")?;
    Some(Key::new(DEPLOYMENTS, &set.key.namespace, &owner.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_revision_has_none_after_it() {
        for (highest, next) in [(0, 1), (41, 42), (-3, 1), (i64::MIN, 1), (i64::MAX, i64::MAX)] {
            assert_eq!(after(highest), next);
        }
    }

    #[test]
    fn collisions_are_counted_within_their_field() {
        let most = i64::from(i32::MAX);
        for (before, now) in [(0, 1), (1, 2), (most, most), (i64::MAX, most), (i64::MIN, 1)] {
            assert_eq!(collided(before), now);
        }
    }

    #[test]
    fn a_revision_that_is_no_number_is_none() {
        for (written, read) in [("7", 7), ("x", 0), ("9223372036854775808", 0), ("-1", -1)] {
            let set = serde_json::json!({ "metadata": { "annotations": { DEPLOYMENT_REVISION: written } } });
            assert_eq!(revision(&set), read);
        }
    }
}
