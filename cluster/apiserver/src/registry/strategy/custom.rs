//! Custom resources, whatever their kind.

use super::rules::{PLAIN, Strategy};

pub(super) const STRATEGY: Strategy = Strategy {
    generation: true,
    // A CRD that is being deleted waits for its last object.
    removed: |registry, resource, _| registry.crd_may_go(resource),
    ..PLAIN
};
