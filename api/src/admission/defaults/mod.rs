//! Defaulting: what a document means where it says nothing, written into it.
//!
//! Works on JSON, so that what is not known here is neither lost nor rewritten.
//!
//! Upstream: `pkg/apis/serving/v1/*_defaults.go`, `metadata_validation.go` (`SetUserInfo`).

mod objects;
mod request;
mod revision;

pub use objects::{configuration, domain_mapping, revision, route, service};
pub use request::Request;
