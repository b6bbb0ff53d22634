//! The one place that creates, replaces and removes objects in the store.

use std::sync::Arc;

use rouse_schema::kinds::{Resource, StorageVersion, versions};
use rouse_schema::managed;
use serde_json::Value;

use super::change::{Part, Written};
use super::strategy::{self, Followup, Strategy};
use super::{Registry, meta};
use crate::status::Failure;
use crate::store::{Conflict, Object, Prepared};

/// The largest object that is stored, in bytes of JSON.
const MAX_OBJECT: usize = 3 << 20;

impl Registry {
    /// Replaces `current`, whose value is `old`, by `new`: with a new generation if the kind has
    /// one, and without a write if nothing differs.
    pub(super) fn put(
        &self,
        resource: &Arc<Resource>,
        (current, old): (&Arc<Object>, &Value),
        part: Part,
        mut new: Value,
        dry_run: bool,
    ) -> Result<Written, Failure> {
        let rules = strategy::of(resource);
        let mut followup = Followup::Nothing;
        if part == Part::Main {
            followup = (rules.prepare_for_update)(self, &mut new, old)?;
            if rules.generation && meta::spec_differs(&new, old) {
                new["metadata"]["generation"] = current.generation.saturating_add(1).into();
            }
        }
        // Times of managed fields alone are no change.
        let unchanged = managed::same_but_times(&new, old);
        if unchanged && !is_gone(rules, &new) {
            let object = Arc::clone(current);
            return Ok(Written { object, warnings: Vec::new(), gone: false, created: false });
        }
        let (object, gone) = self.commit(resource, Some(current), new, followup, dry_run)?;
        Ok(Written { object, warnings: Vec::new(), gone, created: false })
    }

    /// Stores an object, or removes it if its deletion is complete; returns whether it was removed.
    pub(super) fn commit(
        &self,
        resource: &Arc<Resource>,
        current: Option<&Arc<Object>>,
        object: Value,
        followup: Followup,
        dry_run: bool,
    ) -> Result<(Arc<Object>, bool), Failure> {
        let gone = current.is_some() && is_gone(strategy::of(resource), &object);
        let prepared = self.prepared(resource, object);
        // Many small writes must not make an object larger than one request could.
        if prepared.size() > MAX_OBJECT && !gone {
            return Err(Failure::too_large(MAX_OBJECT));
        }
        let name = prepared.key().name.clone();
        let conflict = |found: Conflict| match found {
            Conflict::Missing => Failure::not_found(resource, &name),
            Conflict::Exists => Failure::exists(resource, &name),
            Conflict::Changed(_) => Failure::changed(resource, &name),
        };
        let stored = match current {
            None if dry_run && self.store.get(prepared.key()).is_some() => {
                return Err(Failure::exists(resource, &name));
            }
            None if dry_run => return Ok((Arc::new(prepared.unnumbered()), false)),
            Some(current) if dry_run => {
                return Ok((Arc::new(prepared.numbered(current.resource_version)), gone));
            }
            None => self.store.create(prepared).map_err(conflict)?,
            Some(current) if gone => {
                let removed =
                    self.store.remove(prepared, current.resource_version).map_err(conflict)?;
                (strategy::of(resource).removed)(self, resource, &removed);
                return Ok((removed, true));
            }
            Some(current) => {
                self.store.replace(prepared, current.resource_version).map_err(conflict)?
            }
        };
        match followup {
            Followup::Nothing => {}
            Followup::Serve(served) => self.serve_crd(served),
        }
        Ok((stored, false))
    }

    /// The object ready to be numbered, in its stored version.
    fn prepared(&self, resource: &Resource, object: Value) -> Prepared {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default();
        let key = self.key(resource, namespace, name);
        if resource.is_storage() {
            return Prepared::new(key, object, &resource.selectable_fields);
        }
        let StorageVersion { group, version } = &resource.storage;
        let stored = self.kinds.by_resource(group, version, &resource.plural);
        let fields = stored.as_ref().map_or(&resource.selectable_fields, |s| &s.selectable_fields);
        Prepared::new(key, versions::to_stored(resource, object), fields)
    }
}

/// Whether an object is being deleted, without finalizers or a grace period left.
pub(super) fn is_gone(rules: &Strategy, object: &Value) -> bool {
    let meta = &object["metadata"];
    let waiting = meta["deletionGracePeriodSeconds"].as_i64().unwrap_or(0) > 0;
    let any = |list: &Value| list.as_array().is_some_and(|list| !list.is_empty());
    let held =
        any(&meta["finalizers"]) || rules.finalizers_in_spec && any(&object["spec"]["finalizers"]);
    !meta["deletionTimestamp"].is_null() && !waiting && !held
}
