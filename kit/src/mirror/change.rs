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
    /// It is not there any more, or not of interest. An object that was deleted and made again under
    /// its name is gone first and added then.
    Gone {
        key: ObjectKey,
        old: Arc<T>,
    },
    /// All that existed when the mirror began was told. Comes once.
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
