//! [`Registry::write`]: the one function that changes objects.

use std::sync::Arc;

use rouse_schema::kinds::Resource;
use serde_json::Value;

use super::Registry;
use super::actor::Options;
use super::change::{Change, Deleted, Part, Patch, Target, Written};
use super::delete_options::DeleteOptions;
use super::managers::Owners;
use crate::status::Failure;

impl Registry {
    /// Changes an object on behalf of the actor in `options`. The write is ordered when this returns,
    /// and durable when [`Store::durable`](crate::store::Store::durable) returns; while the disk
    /// cannot be written it is refused.
    pub fn write(
        &self,
        target: Target<'_>,
        change: Change<'_>,
        options: &Options,
    ) -> Result<Written, Failure> {
        self.store.writable()?;
        match change {
            Change::Create(object) => self.create_object(target, object, Owners::Update, options),
            Change::Replace(part, object) => self.replace_object(target, part, object, options),
            Change::Patch(part, patch) => self.patch_object(target, part, patch, options),
            Change::Apply(part, config) => self.apply_object(target, part, config, options),
            Change::Edit(part, edit) => self.edit_object(target, part, edit, options),
            Change::Delete(how) => self.delete_object(target, how, options),
        }
    }

    /// [`Change::Create`].
    pub fn create(
        &self,
        resource: &Arc<Resource>,
        namespace: &str,
        object: Value,
        options: &Options,
    ) -> Result<Written, Failure> {
        let target = Target { resource, namespace, name: "" };
        self.write(target, Change::Create(object), options)
    }

    /// [`Change::Replace`].
    pub fn update(
        &self,
        resource: &Arc<Resource>,
        namespace: &str,
        name: &str,
        part: Part,
        object: Value,
        options: &Options,
    ) -> Result<Written, Failure> {
        let target = Target { resource, namespace, name };
        self.write(target, Change::Replace(part, object), options)
    }

    /// [`Change::Patch`].
    pub fn patch(
        &self,
        resource: &Arc<Resource>,
        namespace: &str,
        name: &str,
        part: Part,
        patch: &Patch,
        options: &Options,
    ) -> Result<Written, Failure> {
        let target = Target { resource, namespace, name };
        self.write(target, Change::Patch(part, patch), options)
    }

    /// [`Change::Apply`].
    pub fn apply(
        &self,
        resource: &Arc<Resource>,
        namespace: &str,
        name: &str,
        part: Part,
        config: &Value,
        options: &Options,
    ) -> Result<Written, Failure> {
        let target = Target { resource, namespace, name };
        self.write(target, Change::Apply(part, config), options)
    }

    /// [`Change::Delete`].
    pub fn delete(
        &self,
        resource: &Arc<Resource>,
        namespace: &str,
        name: &str,
        how: &DeleteOptions,
        options: &Options,
    ) -> Result<Deleted, Failure> {
        let target = Target { resource, namespace, name };
        let Written { object, gone, .. } = self.write(target, Change::Delete(how), options)?;
        Ok(if gone { Deleted::Gone(object) } else { Deleted::Waiting(object) })
    }
}
