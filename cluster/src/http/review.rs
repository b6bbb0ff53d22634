//! SelfSubjectAccessReview and SelfSubjectReview: may I, and who am I. Every known user may do all.

use http::StatusCode;
use serde_json::{Value, json};

use super::body::{self, Answer};
use crate::identity::UserInfo;
use crate::kinds::Resource;
use crate::status::Failure;

pub(super) fn answer(
    resource: &Resource,
    bytes: &[u8],
    user: &UserInfo,
) -> Result<Answer, Failure> {
    let mut review: Value = serde_json::from_slice(bytes).map_err(|_| {
        Failure::unsupported_media(format!(
            "a {} is read as application/json; protobuf bodies are not read by Rouse yet",
            resource.kind
        ))
    })?;
    review["kind"] = resource.kind.clone().into();
    review["apiVersion"] = resource.api_version().into();
    if review["metadata"].is_null() {
        review["metadata"] = json!({});
    }
    review["status"] = match resource.kind.as_str() {
        "SelfSubjectAccessReview" => {
            json!({ "allowed": true })
        }
        "SelfSubjectReview" => {
            json!({ "userInfo": { "username": user.username, "groups": user.groups } })
        }
        _ => return Err(Failure::unknown_resource()),
    };
    Ok(body::json(StatusCode::CREATED, &review))
}
