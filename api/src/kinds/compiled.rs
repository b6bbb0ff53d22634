//! Readers and writers of Knative's kinds, compiled here once: see [`rouse_k8s::compiled`].

use rouse_k8s::compiled::read_and_written;

use crate::{
    ClusterDomainClaim, Configuration, DomainMapping, PodAutoscaler, Revision, Route, Service,
};

/// Knative's kinds. Never called: its existence makes the compiler generate the code.
pub fn kinds() {
    read_and_written::<ClusterDomainClaim>();
    read_and_written::<Configuration>();
    read_and_written::<DomainMapping>();
    read_and_written::<PodAutoscaler>();
    read_and_written::<Revision>();
    read_and_written::<Route>();
    read_and_written::<Service>();
}
