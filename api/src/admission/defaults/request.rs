//! The settings, the user and the stored object that defaulting reads.

use serde_json::Value;

use crate::config::ApiConfig;

/// The inputs of defaulting.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub config: &'a ApiConfig,
    /// Name of the user who sends the request.
    pub user: &'a str,
    /// The stored object; None at creation.
    pub old: Option<&'a Value>,
}
