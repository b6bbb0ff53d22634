//! The settings, the user and the present object that defaulting may look at.

use serde_json::Value;

use crate::config::ApiConfig;

/// Who changes what, and from what.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub config: &'a ApiConfig,
    /// Name of the user who asks.
    pub user: &'a str,
    /// The object as it is; None at creation.
    pub old: Option<&'a Value>,
}
