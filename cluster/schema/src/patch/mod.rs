//! Patches: JSON patch, merge patch and strategic merge patch, each a function from documents to a document.

mod order;
mod strategic;
#[cfg(test)]
mod tests;

use serde_json::Value;

use crate::schema::Schema;

/// Why a patch cannot be applied.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The patch itself is no patch of its kind.
    #[error("error decoding patch: {what}")]
    Malformed { what: String },
    /// A JSON patch whose test or path fails on this document.
    #[error("{source}")]
    Inapplicable {
        #[source]
        source: json_patch::PatchError,
    },
    /// A list item of a strategic merge patch without the field that identifies it.
    #[error("map: {item} does not contain declared merge key: {key}")]
    NoMergeKey { item: String, key: String },
    /// A `$patch` directive that does not exist.
    #[error("unknown patch type {directive:?}: only delete, merge and replace are known")]
    Directive { directive: String },
    /// A list, set or object meets something else.
    #[error("unable to merge {path}: expected {want}")]
    Shape { path: String, want: &'static str },
}

impl Error {
    /// The HTTP status that the error becomes: 400 for a patch that is none, 422 for one that does not fit.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::Malformed { .. }
            | Self::NoMergeKey { .. }
            | Self::Directive { .. }
            | Self::Shape { .. } => 400,
            Self::Inapplicable { .. } => 422,
        }
    }
}

/// Applies a JSON patch (RFC 6902).
pub fn json(document: &Value, patch: &Value) -> Result<Value, Error> {
    let operations: json_patch::Patch = serde_json::from_value(patch.clone())
        .map_err(|error| Error::Malformed { what: error.to_string() })?;
    let mut result = document.clone();
    json_patch::patch(&mut result, &operations).map_err(|source| Error::Inapplicable { source })?;
    Ok(result)
}

/// Applies a merge patch (RFC 7386).
pub fn merge(document: &Value, patch: &Value) -> Result<Value, Error> {
    if !patch.is_object() {
        return Err(Error::Malformed { what: "a merge patch is a JSON object".to_owned() });
    }
    let mut result = document.clone();
    json_patch::merge(&mut result, patch);
    Ok(result)
}

/// Applies a strategic merge patch by the merge keys and strategies of the schema.
pub fn strategic(schema: &Schema, document: &Value, patch: &Value) -> Result<Value, Error> {
    strategic::apply(schema.root(), document, patch)
}
