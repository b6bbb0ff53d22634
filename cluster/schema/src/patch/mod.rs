//! Patches: JSON patch, merge patch and strategic merge patch, each a function from documents to a document.
//!
//! The result of a merge patch is no larger than document and patch together; the others are bounded
//! besides, in size and in work.

mod error;
mod json;
mod order;
mod strategic;
#[cfg(test)]
mod tests;
mod work;

use serde_json::Value;

pub use self::error::Error;

use crate::structure::Schema;

/// Applies a JSON patch (RFC 6902).
pub fn json(document: &Value, patch: &Value) -> Result<Value, Error> {
    json::apply(document, patch)
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
