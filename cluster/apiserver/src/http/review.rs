//! SelfSubjectAccessReview and SelfSubjectReview.

use http::{HeaderMap, StatusCode};
use serde_json::json;

use super::body::{self, Answer};
use super::decode::{self, Expected};
use super::rights;
use crate::identity::UserInfo;
use crate::kinds::Resource;
use crate::status::Failure;

pub(super) fn answer(
    resource: &Resource,
    headers: &HeaderMap,
    bytes: &[u8],
    user: &UserInfo,
) -> Result<Answer, Failure> {
    let mut review = decode::object(headers, bytes, &Expected::resource(resource))?;
    if !review.is_object() {
        return Err(Failure::bad_request(format!("a {} is a JSON object", resource.kind)));
    }
    review["kind"] = resource.kind.clone().into();
    review["apiVersion"] = resource.api_version().into();
    if review["metadata"].is_null() {
        review["metadata"] = json!({});
    }
    review["status"] = match resource.kind.as_str() {
        "SelfSubjectAccessReview" => {
            json!({ "allowed": rights::allows(user, &review["spec"]) })
        }
        "SelfSubjectReview" => {
            json!({ "userInfo": { "username": user.username, "groups": user.groups } })
        }
        _ => return Err(Failure::unknown_resource()),
    };
    Ok(body::json(StatusCode::CREATED, &review))
}
