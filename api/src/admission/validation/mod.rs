//! Validation: all problems of a document that keep it from being stored.
//!
//! Works on defaulted JSON, since it has to see fields that are not handled here and refuse them by
//! name. Messages and paths are Knative's; a field of Knative's that Rouse does not act on is
//! refused with the details `not handled by Rouse yet`.
//!
//! Upstream: `pkg/apis/serving/v1/*_validation.go`, `metadata_validation.go`.

mod annotations;
mod callers;
mod container;
mod fields;
mod foreign;
mod image;
mod metadata;
mod objects;
mod pod;
mod probe;
mod request;
mod revision;
mod security;
mod template;
mod traffic;
mod volume;

pub use foreign::{CLOUD_RUN, unread_annotations, unread_on_service};
pub use objects::{configuration, domain_mapping, revision, route, service};
pub use pod::is_googles;
pub use request::Request;

#[cfg(test)]
mod testing;
