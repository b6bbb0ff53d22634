//! What the API does, without HTTP: create, update, patch and delete with Kubernetes' rules.
//!
//! The HTTP side and the built-in controllers call the same functions. They are synchronous: a write
//! is ordered when they return, and durable when [`Store::durable`] says so.

pub mod account;
mod crd;
mod create;
mod delete;
mod guard;
mod meta;
mod scale;
mod service;
mod update;

use std::sync::Arc;

use parking_lot::RwLock;
use rouse_kit::Clock;
use serde_json::Value;

use crate::admission::Hook;
use crate::identity::UserInfo;
use crate::kinds::{Kinds, Resource};
use crate::status::Failure;
use crate::store::{Key, Object, Store};

pub use self::delete::{DeleteOptions, Deleted, Propagation};
pub use self::update::{Part, Patch};

/// What to do about fields that a kind does not have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Validation {
    /// Drop them and say nothing.
    #[default]
    Ignore,
    /// Drop them and say so in a warning.
    Warn,
    /// Refuse the write.
    Strict,
}

/// Who writes, and how.
#[derive(Clone, Debug)]
pub struct Options {
    pub user: UserInfo,
    /// Do everything but store.
    pub dry_run: bool,
    pub validation: Validation,
    /// Keys that the body holds twice, found where its bytes were.
    pub duplicates: Vec<String>,
}

impl Options {
    /// For the parts of the cluster itself.
    #[must_use]
    pub fn internal() -> Self {
        Self {
            user: UserInfo::component("system:kube-controller-manager"),
            dry_run: false,
            validation: Validation::Ignore,
            duplicates: Vec::new(),
        }
    }
}

/// The object as written, and what the writer should be told.
#[derive(Debug)]
pub struct Written {
    pub object: Arc<Object>,
    pub warnings: Vec<String>,
}

/// The API over a store. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Registry {
    pub kinds: Arc<Kinds>,
    pub store: Store,
    hooks: Arc<RwLock<Arc<Vec<Hook>>>>,
    pub(crate) clock: Clock,
}

impl Registry {
    #[must_use]
    pub fn new(kinds: Arc<Kinds>, store: Store, clock: Clock) -> Self {
        Self { kinds, store, hooks: Arc::default(), clock }
    }

    /// Replaces the admission hooks.
    pub fn set_hooks(&self, hooks: Vec<Hook>) {
        *self.hooks.write() = Arc::new(hooks);
    }

    fn hooks(&self) -> Arc<Vec<Hook>> {
        Arc::clone(&self.hooks.read())
    }

    /// The resource of a built-in kind: `("apps", "v1", "Deployment")`.
    ///
    /// # Panics
    /// If there is no such kind: the names are the caller's own.
    #[must_use]
    pub fn builtin(&self, group: &str, version: &str, kind: &str) -> Arc<Resource> {
        self.kinds.by_kind(group, version, kind).expect("a built-in kind")
    }

    /// The key of an object; a cluster-wide resource has no namespace.
    #[must_use]
    pub fn key(&self, resource: &Resource, namespace: &str, name: &str) -> Key {
        Key::new(&stored_as(resource), if resource.namespaced { namespace } else { "" }, name)
    }

    pub fn get(
        &self,
        resource: &Resource,
        namespace: &str,
        name: &str,
    ) -> Result<Arc<Object>, Failure> {
        self.store
            .get(&self.key(resource, namespace, name))
            .ok_or_else(|| Failure::not_found(resource, name))
    }

    /// The form of an object in the version asked for: only its `apiVersion` differs.
    #[must_use]
    pub fn in_version(resource: &Resource, mut value: Value) -> Value {
        value["apiVersion"] = resource.api_version().into();
        value
    }
}

/// The resource under whose name objects are stored: the Events of two groups are the same.
#[must_use]
pub(crate) fn stored_as(resource: &Resource) -> String {
    if is_new_event(resource) { "events".to_owned() } else { resource.qualified() }
}

/// An Event of `events.k8s.io`, which is stored as one of the core group.
pub(crate) fn is_new_event(resource: &Resource) -> bool {
    resource.is("events.k8s.io", "Event")
}

#[cfg(test)]
mod tests;
