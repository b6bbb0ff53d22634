//! Why a request gets no slot.

use std::time::Duration;

use rouse_k8s::ObjectKey;

/// Why a revision refused a request.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error("revision {revision} does not exist")]
    RevisionMissing { revision: ObjectKey },
    #[error("{limit} requests already wait for revision {revision}")]
    QueueFull { revision: ObjectKey, limit: usize },
    #[error("no pod of revision {revision} became ready within {:.1} s", .waited.as_secs_f64())]
    NotReadyInTime { revision: ObjectKey, waited: Duration, cause: Option<String> },
    #[error("no pod of revision {revision} had a free slot within {:.1} s", .waited.as_secs_f64())]
    NoSlotInTime { revision: ObjectKey, waited: Duration },
}

impl Refused {
    pub(crate) fn revision(&self) -> &ObjectKey {
        match self {
            Self::RevisionMissing { revision }
            | Self::QueueFull { revision, .. }
            | Self::NotReadyInTime { revision, .. }
            | Self::NoSlotInTime { revision, .. } => revision,
        }
    }
}
