//! Workloads and other kinds that count generations and have no further rules.

use super::rules::{PLAIN, Strategy};

pub(super) const STRATEGY: Strategy = Strategy { generation: true, ..PLAIN };

/// Kinds that have a pod template and are reconciled here.
pub(super) const TEMPLATED: Strategy =
    Strategy { pod_annotations: Some("/spec/template/metadata/annotations"), ..STRATEGY };
