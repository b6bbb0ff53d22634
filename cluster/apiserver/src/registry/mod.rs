//! The API without HTTP: create, update, patch and delete with Kubernetes' rules.
//!
//! Every change of an object, an HTTP request's or a built-in controller's, goes through
//! [`Registry::write`]:
//!
//! ```text
//! write          dispatch by kind of change; refused while the disk cannot be written
//! create, update, apply, delete, scale, binding    compute the new object
//! managers       which client set which field
//! newest         applies a change to the newest version, again after a conflict
//! decode, admit  for actors that are not trusted
//! commit         generation; stores the object, or removes it once nothing holds it
//! strategy       rules that differ by kind
//! ```
//!
//! All of it is synchronous.

mod actor;
mod address;
mod admit;
mod apply;
mod binding;
mod change;
mod commit;
mod crd;
mod create;
mod decode;
mod delete;
mod delete_options;
mod managers;
mod meta;
mod newest;
mod scale;
mod served;
mod strategy;
mod token_request;
mod update;
mod write;

use std::sync::Arc;

use parking_lot::RwLock;
use rouse_kit::Clock;

use crate::admission::Hook;
use crate::kinds::{Kinds, Resource};
use crate::status::Failure;
use crate::store::{Key, Object, Store};

pub use self::actor::{Actor, Manager, Options, Validation};
pub use self::change::{Change, Deleted, Part, Patch, Target, Written};
pub use self::delete_options::{DeleteOptions, Propagation};
/// Why pods of a spec would be forbidden.
pub use self::strategy::account_problem;
pub(crate) use self::token_request::{TOKEN_REQUEST, token_request};

/// The API over a store. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Registry {
    pub kinds: Arc<Kinds>,
    pub store: Store,
    hooks: Arc<RwLock<Arc<Vec<Hook>>>>,
    clock: Clock,
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

    #[must_use]
    pub fn clock(&self) -> Clock {
        self.clock
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
        Key::new(&resource.stored_as(), if resource.namespaced { namespace } else { "" }, name)
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
}

#[cfg(test)]
mod tests;
