//! CustomResourceDefinitions: established when they are stored, removed after their objects.

use super::rules::{Followup, PLAIN, Strategy};

pub(super) const STRATEGY: Strategy = Strategy {
    generation: true,
    prepare_for_create: |registry, crd| registry.establish(crd, None).map(Followup::Serve),
    prepare_for_update: |registry, crd, old| {
        registry.establish(crd, Some(old)).map(Followup::Serve)
    },
    prepare_for_delete: |registry, crd| registry.clean_up_crd(crd),
    removed: |registry, _, crd| registry.forget_crd(&crd.value()),
    ..PLAIN
};
