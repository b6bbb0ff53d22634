//! The core Services that make a Route's local names resolve: ExternalName, to the local gateway.
//!
//! Labels and annotations of the Route are added to them and never taken away, for users put the
//! visibility label there.
//!
//! Upstream: pkg/reconciler/route/resources/service.go.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{Service as CoreService, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use rouse_api::config::domain::CLUSTER_LOCAL_DOMAIN;
use rouse_api::{Route, RouteStatus, keys};
use rouse_k8s::keys::LAST_APPLIED;
use rouse_kit::Plan;

use super::hosts::Names;
use crate::objects::children::{Map, annotations_without, labels_without, meta};
use crate::objects::meta::name;

/// Creates missing core Services and completes existing ones.
pub(super) fn ensure(
    route: &Route,
    names: &[Names],
    found: &[Arc<CoreService>],
    plan: &mut Plan<RouteStatus>,
) {
    for wanted in names {
        let fresh = build(route, &wanted.service);
        match found.iter().find(|service| name(&***service) == wanted.service) {
            None => plan.create(&fresh),
            Some(found) => plan.replace(&**found, &united(found, fresh)),
        }
    }
}

/// Deletes the core Services of removed tags.
pub(super) fn remove_stale(
    names: &[Names],
    found: &[Arc<CoreService>],
    plan: &mut Plan<RouteStatus>,
) {
    for service in found {
        if !names.iter().any(|wanted| wanted.service == name(&**service)) {
            plan.delete(&**service);
        }
    }
}

fn build(route: &Route, service: &str) -> CoreService {
    let mut labels = labels_without(route, &[keys::VISIBILITY]);
    labels.insert(keys::ROUTE.to_owned(), name(route).to_owned());
    let annotations = annotations_without(route, &[LAST_APPLIED]);
    let gateway =
        format!("{}.{}.{CLUSTER_LOCAL_DOMAIN}", keys::GATEWAY_LOCAL, keys::SYSTEM_NAMESPACE);
    CoreService {
        metadata: meta(route, service, labels, annotations),
        spec: Some(ServiceSpec {
            type_: Some("ExternalName".to_owned()),
            external_name: Some(gateway),
            session_affinity: Some("None".to_owned()),
            ports: Some(vec![ServicePort {
                name: Some("http2".to_owned()),
                port: 80,
                protocol: Some("TCP".to_owned()),
                target_port: Some(IntOrString::Int(80)),
                app_protocol: Some("kubernetes.io/h2c".to_owned()),
                ..ServicePort::default()
            }]),
            ..ServiceSpec::default()
        }),
        status: None,
    }
}

/// `found` with the labels and annotations of `fresh` added. Of its spec only
/// type and external name are set; the rest was defaulted by the API server.
fn united(found: &CoreService, fresh: CoreService) -> CoreService {
    let mut want = found.clone();
    unite(&mut want.metadata.labels, fresh.metadata.labels);
    unite(&mut want.metadata.annotations, fresh.metadata.annotations);
    if let (Some(spec), Some(fresh)) = (want.spec.as_mut(), fresh.spec) {
        spec.type_ = fresh.type_;
        spec.external_name = fresh.external_name;
    }
    want
}

fn unite(into: &mut Option<Map>, from: Option<Map>) {
    into.get_or_insert_default().extend(from.unwrap_or_default());
}
