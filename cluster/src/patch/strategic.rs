//! Strategic merge patch.

use serde_json::Value;

use super::Error;
use crate::schema::Node;

pub(super) fn apply(_root: &Node, document: &Value, patch: &Value) -> Result<Value, Error> {
    super::merge(document, patch)
}
