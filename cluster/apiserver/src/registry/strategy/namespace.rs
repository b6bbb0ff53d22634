//! Namespaces: emptied before they are removed.

use super::rules::{Followup, PLAIN, Strategy};

pub(super) const STRATEGY: Strategy = Strategy {
    permanent: (&["default", "kube-system", "kube-public"], "this namespace may not be deleted"),
    finalizers_in_spec: true,
    // The subresource `finalize` alone changes `spec.finalizers`.
    prepare_for_update: |_, namespace, old| {
        namespace["spec"]["finalizers"] = old["spec"]["finalizers"].clone();
        Ok(Followup::Nothing)
    },
    prepare_for_delete: |_, namespace| namespace["status"]["phase"] = "Terminating".into(),
    ..PLAIN
};
