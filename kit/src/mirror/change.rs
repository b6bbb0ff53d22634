//! One change of a mirrored kind.

use std::sync::Arc;

use rouse_k8s::ObjectKey;

/// What happened to one object.
#[derive(Debug, PartialEq, Eq)]
pub enum Change<T> {
    Added {
        key: ObjectKey,
        new: Arc<T>,
    },
    Changed {
        key: ObjectKey,
        old: Arc<T>,
        new: Arc<T>,
    },
    /// It was deleted, or is no longer of interest. An object that was deleted and created again
    /// under its name is first gone and then added.
    Gone {
        key: ObjectKey,
        old: Arc<T>,
    },
    /// All objects that existed when the mirror began have been yielded. Comes once.
    InSync,
}

impl<T> Clone for Change<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Added { key, new } => Self::Added { key: key.clone(), new: Arc::clone(new) },
            Self::Changed { key, old, new } => {
                Self::Changed { key: key.clone(), old: Arc::clone(old), new: Arc::clone(new) }
            }
            Self::Gone { key, old } => Self::Gone { key: key.clone(), old: Arc::clone(old) },
            Self::InSync => Self::InSync,
        }
    }
}
