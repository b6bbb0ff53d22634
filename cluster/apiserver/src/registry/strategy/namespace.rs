//! Namespaces: emptied before they go.

use super::rules::{Followup, PLAIN, Strategy};

pub(super) const STRATEGY: Strategy = Strategy {
    permanent: (&["default", "kube-system", "kube-public"], "this namespace may not be deleted"),
    finalizers_in_spec: true,
    // They change by the subresource `finalize` alone.
    prepare_for_update: |_, namespace, old| {
        namespace["spec"]["finalizers"] = old["spec"]["finalizers"].clone();
        Ok(Followup::Nothing)
    },
    prepare_for_delete: |_, namespace| namespace["status"]["phase"] = "Terminating".into(),
    ..PLAIN
};
