//! Knative's kinds as users and clients see them, and the load reports between components.

pub mod clusterdomainclaim;
pub mod compiled;
pub mod condition;
pub mod configuration;
pub mod domainmapping;
pub mod load;
pub mod podautoscaler;
pub mod revision;
pub mod rollout;
pub mod route;
pub mod routing;
pub mod service;
pub mod usage;
