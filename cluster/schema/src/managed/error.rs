//! Errors of server-side apply.

use super::entries::Entry;

/// One field that another manager owns with another value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The manager as messages name it: `"kubectl" using apps/v1`.
    pub manager: String,
    /// `.spec.replicas`
    pub field: String,
}

/// Why a configuration cannot be applied.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the configuration has more than {limit} values")]
    TooLarge { limit: usize },
    #[error("metadata.managedFields must be nil")]
    HasManagedFields,
    #[error("{}", in_words(.0))]
    Conflicts(Vec<Conflict>),
    /// The configuration does not fit the schema.
    #[error("failed to create typed patch object ({object}): {why}")]
    Untyped { object: String, why: String },
    #[error("failed to decode managed fields: {0}")]
    Undecodable(String),
}

/// Conflicts in the words of the real server.
fn in_words(conflicts: &[Conflict]) -> String {
    if let [Conflict { manager, field }] = conflicts {
        return format!("Apply failed with 1 conflict: conflict with {manager}: {field}");
    }
    let mut lines = Vec::new();
    let mut last = None;
    for Conflict { manager, field } in conflicts {
        if last != Some(manager) {
            lines.push(format!("conflicts with {manager}:"));
            last = Some(manager);
        }
        lines.push(format!("- {field}"));
    }
    format!("Apply failed with {} conflicts: {}", conflicts.len(), lines.join("\n"))
}

/// A manager as conflicts name it.
pub(super) fn named(entry: &Entry) -> String {
    let mut text = format!("{:?}", entry.manager);
    if !entry.subresource.is_empty() {
        text += &format!(" with subresource {:?}", entry.subresource);
    }
    if !entry.is_apply() {
        text += &format!(" using {}", entry.api_version);
    }
    text
}
