//! The V1 inference protocol: from a request's method, path and body to an answer. Pure.
//!
//! Beside the protocol's own fields, every answer says which model version and revision gave it, in
//! the JSON and in headers, so that a traffic split can be seen from outside.

use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::model::{Error, Model};

/// The name under which the model is served.
pub(crate) const MODEL: &str = "digits";

/// The inputs of every answer.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) model: Model,
    /// Knative's revision, empty outside Knative.
    pub(crate) revision: String,
}

/// Status and JSON of an answer.
pub(crate) type Answer = (StatusCode, Value);

#[derive(Deserialize)]
struct Predict {
    instances: Vec<Vec<f64>>,
}

impl Service {
    pub(crate) fn answer(&self, method: &Method, path: &str, body: &[u8]) -> Answer {
        let is_get = matches!(*method, Method::GET | Method::HEAD);
        match path.trim_end_matches('/') {
            "" | "/v1/models" if is_get => (StatusCode::OK, json!({"models": [MODEL]})),
            "/v1/models/digits" if is_get => (
                StatusCode::OK,
                json!({
                    "name": MODEL, "ready": true, "version": self.model.version,
                    "revision": self.revision, "accuracy": self.model.accuracy,
                }),
            ),
            "/v1/models/digits:predict" if *method == Method::POST => self.predict(body),
            "" | "/v1/models" | "/v1/models/digits" => {
                refuse(StatusCode::METHOD_NOT_ALLOWED, format!("{path} is read with GET"))
            }
            "/v1/models/digits:predict" => {
                refuse(StatusCode::METHOD_NOT_ALLOWED, format!("{path} takes a POST"))
            }
            _unknown => refuse(
                StatusCode::NOT_FOUND,
                format!("there is nothing at {path}; the model is at /v1/models/{MODEL}"),
            ),
        }
    }

    fn predict(&self, body: &[u8]) -> Answer {
        let request: Predict = match serde_json::from_slice(body) {
            Ok(request) => request,
            Err(error) => {
                let expected =
                    "the body must be JSON of the form {\"instances\": [[64 numbers], ...]}";
                return refuse(StatusCode::BAD_REQUEST, format!("{expected}: {error}"));
            }
        };
        match self.model.predict(&request.instances) {
            Ok(predictions) => (
                StatusCode::OK,
                json!({
                    "predictions": predictions, "version": self.model.version, "revision": self.revision,
                }),
            ),
            Err(error @ Error::Pixels { .. }) => refuse(StatusCode::BAD_REQUEST, error.to_string()),
            Err(error) => refuse(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
        }
    }
}

pub(crate) fn refuse(status: StatusCode, reason: impl Into<String>) -> Answer {
    (status, json!({"error": reason.into()}))
}
