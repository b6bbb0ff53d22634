//! Changes of objects, and their outcomes.

use std::sync::Arc;

use rouse_schema::kinds::Resource;
use serde_json::Value;

use super::delete_options::DeleteOptions;
use crate::store::Object;

/// Which part of an object a write changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Everything but the status, where that has a subresource.
    Main,
    Status,
    /// `autoscaling/v1` Scale.
    Scale,
    /// A Pod's node, by a `v1` Binding.
    Binding,
    /// A Namespace's `spec.finalizers`.
    Finalize,
}

/// A patch by its media type.
#[derive(Clone, Debug)]
pub enum Patch {
    Json(Value),
    Merge(Value),
    Strategic(Value),
}

/// An existing object, or one to be created, which may have no name yet.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    pub resource: &'a Arc<Resource>,
    /// Ignored for cluster-wide resources.
    pub namespace: &'a str,
    pub name: &'a str,
}

/// One change of one object.
pub enum Change<'a> {
    Create(Value),
    /// The whole object, or one part of it.
    Replace(Part, Value),
    Patch(Part, &'a Patch),
    /// Server-side apply of a configuration; creates the object if there is none.
    Apply(Part, &'a Value),
    /// A trusted actor's function of the current object, called again after a conflict.
    Edit(Part, &'a dyn Fn(&mut Value)),
    Delete(&'a DeleteOptions),
}

/// The object as written, and warnings for the client.
#[derive(Debug)]
pub struct Written {
    pub object: Arc<Object>,
    pub warnings: Vec<String>,
    /// This change removed it from the store.
    pub gone: bool,
    /// This change created it.
    pub created: bool,
}

/// The outcome of a deletion.
#[derive(Debug)]
pub enum Deleted {
    /// It is gone.
    Gone(Arc<Object>),
    /// It waits for its grace period or its finalizers.
    Waiting(Arc<Object>),
}

impl Deleted {
    #[must_use]
    pub fn object(&self) -> &Arc<Object> {
        match self {
            Self::Gone(object) | Self::Waiting(object) => object,
        }
    }
}
