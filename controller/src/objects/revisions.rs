//! Readers of a Revision.

use kube::ResourceExt;
use rouse_api::{Revision, keys};

/// The generation that a Revision was stamped for.
pub(crate) fn generation(revision: &Revision) -> i64 {
    revision
        .labels()
        .get(keys::CONFIGURATION_GENERATION)
        .and_then(|generation| generation.parse().ok())
        .unwrap_or_default()
}
