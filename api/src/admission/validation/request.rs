//! The settings and the present object that a document is validated against.

use serde_json::Value;

use crate::config::ApiConfig;

/// What a document is held against.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub config: &'a ApiConfig,
    /// The object as it is; None at creation.
    pub old: Option<&'a Value>,
}
