//! Readers of a Revision.

use kube::ResourceExt;
use rouse_api::{Configuration, Revision, keys};

use super::meta::controls;

/// The generation that a Revision was stamped for.
pub(crate) fn generation(revision: &Revision) -> i64 {
    revision
        .labels()
        .get(keys::CONFIGURATION_GENERATION)
        .and_then(|generation| generation.parse().ok())
        .unwrap_or_default()
}

/// Whether a Revision is what `configuration` stamps from its present template. One that is not and
/// has the name for it takes that name away.
pub(crate) fn is_stamp(configuration: &Configuration, revision: &Revision) -> bool {
    controls(configuration, revision) && revision.spec == configuration.spec.template.spec
}
