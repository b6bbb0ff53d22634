//! The annotation with a pod's address: node agents alone may set it.
//!
//! Requests are routed by it, so a user who could set it could receive another's requests.

use rouse_kit::address::ADDRESS_ANNOTATION;
use rouse_schema::kinds::Resource;
use serde_json::Value;

use crate::identity::UserInfo;
use crate::status::Failure;

/// Refuses a write that sets or changes the annotation under `path`, unless a node agent makes it.
pub(super) fn check(
    path: &str,
    resource: &Resource,
    name: &str,
    user: &UserInfo,
    new: &Value,
    old: Option<&Value>,
) -> Result<(), Failure> {
    let set = |object: &Value| object.pointer(path)?.get(ADDRESS_ANNOTATION).cloned();
    let wanted = set(new);
    if wanted.is_none() || wanted == old.and_then(set) || user.is_node() {
        return Ok(());
    }
    let why =
        format!("the annotation {ADDRESS_ANNOTATION} is set by node agents alone: leave it out");
    Err(Failure::forbidden(resource, name, &why))
}
