//! The kinds of the group `apps`.

use super::rules::{PLAIN, Strategy};

pub(super) const STRATEGY: Strategy = Strategy { generation: true, ..PLAIN };

/// Those that have a pod template.
pub(super) const TEMPLATED: Strategy =
    Strategy { pod_annotations: Some("/spec/template/metadata/annotations"), ..STRATEGY };
