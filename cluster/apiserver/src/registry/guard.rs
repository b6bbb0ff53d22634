//! Annotations that say where a pod is reached: node agents alone may set them.
//!
//! Whoever routes requests believes them, so a user who could set one could have another's requests.

use rouse_kit::address::ADDRESS_ANNOTATION;
use serde_json::Value;

use crate::identity::UserInfo;
use crate::kinds::Resource;
use crate::status::Failure;

/// Refuses a write that sets or changes the annotation, unless a node agent makes it.
pub(super) fn check(
    resource: &Resource,
    name: &str,
    user: &UserInfo,
    new: &Value,
    old: Option<&Value>,
) -> Result<(), Failure> {
    let path = if resource.is("", "Pod") {
        "/metadata/annotations"
    } else if resource.is("apps", "Deployment") || resource.is("apps", "ReplicaSet") {
        "/spec/template/metadata/annotations"
    } else {
        return Ok(());
    };
    let set = |object: &Value| object.pointer(path)?.get(ADDRESS_ANNOTATION).cloned();
    let wanted = set(new);
    if wanted.is_none() || wanted == old.and_then(set) || user.is_node() {
        return Ok(());
    }
    let why =
        format!("the annotation {ADDRESS_ANNOTATION} is set by node agents alone: leave it out");
    Err(Failure::forbidden(resource, name, &why))
}
