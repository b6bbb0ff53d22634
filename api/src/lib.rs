//! What users write and what components tell one another: kinds, names, routing, load.
//!
//! Pure data and functions: no IO, no clock, no async. Kinds and their JSON are Knative Serving's,
//! so that existing manifests work unchanged; what is ours alone stands under `rouse.dev/`.

pub mod annotations;
pub mod clusterdomainclaim;
pub mod condition;
pub mod config;
pub mod configuration;
pub mod defaults;
pub mod domainmapping;
pub mod duration;
pub mod field_error;
mod json;
pub mod keys;
pub mod load;
pub mod meta;
pub mod podautoscaler;
pub mod quantity;
pub mod revision;
pub mod route;
pub mod routing;
pub mod service;
pub mod template;
pub mod validation;

pub use clusterdomainclaim::{ClusterDomainClaim, ClusterDomainClaimSpec};
pub use condition::{Condition, ConditionSet, ConditionStatus, Conditions};
pub use configuration::{Configuration, ConfigurationSpec, ConfigurationStatus};
pub use domainmapping::{DomainMapping, DomainMappingSpec, DomainMappingStatus};
pub use podautoscaler::{PodAutoscaler, PodAutoscalerSpec, PodAutoscalerStatus};
pub use revision::{Revision, RevisionSpec, RevisionStatus, RevisionTemplate};
pub use route::{Route, RouteSpec, RouteStatus, TrafficTarget};
pub use service::{Service, ServiceSpec, ServiceStatus};
