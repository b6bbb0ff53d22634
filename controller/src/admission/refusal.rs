//! The denial of a request.

use kube::core::admission::AdmissionResponse;

/// A denial that Kubernetes answers with 400.
pub(super) fn refuse(response: AdmissionResponse, why: &str) -> AdmissionResponse {
    let mut response = response.deny(why);
    response.result.code = 400;
    response.result.reason = "BadRequest".to_owned();
    response.result.status = Some(kube::core::response::StatusSummary::Failure);
    response
}
