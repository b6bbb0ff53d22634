//! Knative's kinds, their defaults and validation, settings, routing and load reports.
//!
//! Pure data and functions: no IO, no clock, no async. Kinds and their JSON are Knative Serving's,
//! so that existing manifests work unchanged; Rouse's own keys are under `rouse.dev/`.
//!
//! Layers, top to bottom:
//!
//! - `billing`: price books, and what usage costs by them
//! - `admission`: defaulting and validation of documents
//! - `config`: the operator's settings, and the annotations that override them
//! - `kinds`: the kinds, their conditions, `status.routing`, load reports, usage
//! - `terms`: keys, names, members, networks, templates, problems of fields

mod admission;
pub mod billing;
pub mod config;
mod kinds;
mod terms;

pub use admission::{defaults, validation};
pub use config::{annotations, callers};
pub use kinds::{
    clusterdomainclaim, compiled, condition, configuration, domainmapping, load, podautoscaler,
    revision, rollout, route, routing, service, usage,
};
pub use terms::{field_error, keys, member, names, network, template};

pub use clusterdomainclaim::{ClusterDomainClaim, ClusterDomainClaimSpec};
pub use condition::{Condition, ConditionSet, ConditionStatus, Conditions};
pub use configuration::{Configuration, ConfigurationSpec, ConfigurationStatus};
pub use domainmapping::{DomainMapping, DomainMappingSpec, DomainMappingStatus};
pub use podautoscaler::{PodAutoscaler, PodAutoscalerSpec, PodAutoscalerStatus};
pub use revision::{Revision, RevisionSpec, RevisionStatus, RevisionTemplate};
pub use route::{Route, RouteSpec, RouteStatus, TrafficTarget};
pub use service::{Service, ServiceSpec, ServiceStatus};
