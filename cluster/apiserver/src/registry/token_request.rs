//! Bodies of requests for a token of a service account, which are stored nowhere.
//!
//! Upstream: `pkg/registry/core/serviceaccount/storage/token.go`.

use std::sync::LazyLock;

use rouse_schema::kinds::{Kinds, Resource};
use rouse_schema::structure::Invalid;
use serde_json::Value;

use super::{decode, meta};
use crate::status::Failure;

/// The kind `TokenRequest`, which is served as a subresource alone.
pub(crate) static TOKEN_REQUEST: LazyLock<Resource> = LazyLock::new(Kinds::token_request);

/// The request, if it is one, and for this account.
pub(crate) fn token_request(
    mut request: Value,
    namespace: &str,
    name: &str,
) -> Result<Value, Failure> {
    meta::check_kind(&TOKEN_REQUEST, &mut request)?;
    decode::normalize(&TOKEN_REQUEST, &mut request)?;
    for (field, of_path) in [("name", name), ("namespace", namespace)] {
        let given = &request["metadata"][field];
        if given.as_str().is_some_and(|given| !given.is_empty() && given != of_path) {
            let why = format!("must match the service account {field} if specified");
            let problem = Invalid::value(format!("metadata.{field}"), given, &why);
            return Err(Failure::invalid(&TOKEN_REQUEST, name, &[problem]));
        }
    }
    Ok(request)
}
