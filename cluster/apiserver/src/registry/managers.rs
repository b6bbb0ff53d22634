//! Managed fields of the objects that are written.
//!
//! The writes of built-in controllers are tracked only where somebody has applied the object: see
//! `docs/decisions/managed-fields.md`.

use rouse_schema::kinds::Resource;
use rouse_schema::managed::{self, Scope, Write};
use serde_json::Value;

use super::Registry;
use super::actor::Options;
use super::change::Part;
use super::meta;

/// How the managed fields of a new object or version come about.
#[derive(Clone, Debug)]
pub(super) enum Owners {
    /// By what the write changes.
    Update,
    /// An apply has made them; none for an object without.
    Applied(Option<Value>),
}

impl Registry {
    /// Sets the managed fields of a new object, or of a new version of `old`.
    pub(super) fn track(
        &self,
        resource: &Resource,
        part: Part,
        old: Option<&Value>,
        new: &mut Value,
        owners: Owners,
        options: &Options,
    ) {
        match owners {
            Owners::Update => self.with_write(resource, part, options, |write| {
                managed::update(write, old, new, options.manager.tracks_new);
            }),
            Owners::Applied(list) => {
                let Some(meta) = new["metadata"].as_object_mut() else { return };
                match list {
                    Some(list) => meta.insert("managedFields".to_owned(), list),
                    None => meta.remove("managedFields"),
                };
            }
        }
    }

    /// The same for a trusted actor's change, if somebody has applied the object.
    pub(super) fn track_trusted(
        &self,
        resource: &Resource,
        old: &Value,
        new: &mut Value,
        options: &Options,
    ) {
        if !managed::is_applied(old) || new == old {
            return;
        }
        let status = resource.status && new.get("status") != old.get("status");
        let part = if status { Part::Status } else { Part::Main };
        self.with_write(resource, part, options, |write| {
            // One entry for all, whatever the parts.
            let write = Write { scope: Scope::Everything, ..*write };
            managed::update(&write, Some(old), new, false);
        });
    }

    /// Calls `act` with what managed fields need to know of a write.
    pub(super) fn with_write<T>(
        &self,
        resource: &Resource,
        part: Part,
        options: &Options,
        act: impl FnOnce(&Write<'_>) -> T,
    ) -> T {
        let subresource = match part {
            Part::Status => "status",
            Part::Finalize => "finalize",
            Part::Binding => "binding",
            Part::Scale => "scale",
            Part::Main if options.manager.by_scale => "scale",
            Part::Main => "",
        };
        let scope = match part {
            Part::Status => Scope::Status,
            _ if resource.status => Scope::AllButStatus,
            _ => Scope::Everything,
        };
        let serves = |api_version: &str| {
            let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
            group == resource.group
                && self.kinds.by_resource(group, version, &resource.plural).is_some()
        };
        act(&Write {
            schema: &resource.schema,
            api_version: &resource.api_version(),
            manager: &options.manager.name,
            subresource,
            scope,
            now: &meta::time(self.clock.now()),
            serves: &serves,
        })
    }
}
