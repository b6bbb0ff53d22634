//! Namespaces: emptied before they go.

use super::rules::{PLAIN, Strategy};

pub(super) const STRATEGY: Strategy = Strategy {
    permanent: (&["default", "kube-system", "kube-public"], "this namespace may not be deleted"),
    finalizers_in_spec: true,
    prepare_for_delete: |_, namespace| namespace["status"]["phase"] = "Terminating".into(),
    ..PLAIN
};
