//! Patches: JSON patch, merge patch and strategic merge patch, each a function from documents to a document.

mod error;
mod order;
mod strategic;
#[cfg(test)]
mod tests;

use serde_json::Value;

pub use self::error::Error;

use crate::structure::Schema;

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
