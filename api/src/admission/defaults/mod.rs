//! Defaulting: writes the defaults of absent fields into a document.
//!
//! Works on JSON, so that unknown fields are neither lost nor rewritten.
//!
//! Upstream: `pkg/apis/serving/v1/*_defaults.go`, `metadata_validation.go` (`SetUserInfo`).

mod objects;
mod request;
mod revision;

pub use objects::{configuration, domain_mapping, revision, route, service};
pub use request::Request;
