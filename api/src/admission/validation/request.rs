//! The settings and the stored object that a document is validated against.

use serde_json::Value;

use crate::config::ApiConfig;

/// The inputs of validation.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub config: &'a ApiConfig,
    /// The stored object; None at creation.
    pub old: Option<&'a Value>,
}
