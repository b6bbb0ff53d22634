//! Validation of built-in kinds, and of the metadata of all.

use serde_json::Value;

use super::Resource;
use crate::schema::Invalid;

/// What is wrong with an object; with `old`, also what may not change.
#[must_use]
pub fn check(_resource: &Resource, _object: &Value, _old: Option<&Value>) -> Vec<Invalid> {
    Vec::new()
}
