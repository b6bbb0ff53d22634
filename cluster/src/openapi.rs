//! OpenAPI v3 documents, made of the kinds that are served: an index, and one document per group version.

use serde_json::{Value, json};

use crate::kinds::Kinds;

/// The index: where the document of each group version is.
#[must_use]
pub fn index(_kinds: &Kinds) -> Value {
    json!({"paths": {}})
}

/// The document of a group version, if anything is served there.
#[must_use]
pub fn document(_kinds: &Kinds, _group: &str, _version: &str) -> Option<Value> {
    None
}
