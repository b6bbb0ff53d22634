//! The Revision that a Configuration stamps: its name, labels and annotations.
//!
//! Labels and annotations of the Configuration are not copied, only those of the template.
//!
//! Upstream: pkg/reconciler/configuration/resources/revision.go.

use jiff::Timestamp;
use kube::ResourceExt;
use rouse_api::{Configuration, Revision, keys, names::revision_name};

use rouse_k8s::time::rfc3339;

use crate::objects::children::meta;
use crate::objects::meta::name;
use crate::objects::routing_state::{ACTIVE, PENDING};

/// The Revision's name: the user's, or one made of the generation.
pub(super) fn name_for(configuration: &Configuration) -> String {
    configuration.spec.template.metadata.name.clone().unwrap_or_else(|| {
        revision_name(name(configuration), configuration.metadata.generation.unwrap_or_default())
    })
}

/// A new Revision of the present template.
pub(super) fn stamp(configuration: &Configuration, revision: &str, now: Timestamp) -> Revision {
    let template = &configuration.spec.template;
    let mut labels = template.metadata.labels.clone();
    let generation = configuration.metadata.generation.unwrap_or_default().to_string();
    let routes = configuration.annotations().get(keys::ROUTES);
    let routing_state = if routes.is_some() { ACTIVE } else { PENDING };
    labels.insert(keys::CONFIGURATION.to_owned(), name(configuration).to_owned());
    labels.insert(keys::CONFIGURATION_GENERATION.to_owned(), generation);
    labels.insert(
        keys::CONFIGURATION_UID.to_owned(),
        configuration.metadata.uid.clone().unwrap_or_default(),
    );
    labels.insert(keys::ROUTING_STATE.to_owned(), routing_state.to_owned());
    for key in [keys::SERVICE, keys::SERVICE_UID] {
        if let Some(value) = configuration.labels().get(key) {
            labels.insert(key.to_owned(), value.clone());
        }
    }
    let mut annotations = template.metadata.annotations.clone();
    if let Some(routes) = routes {
        annotations.insert(keys::ROUTES.to_owned(), routes.clone());
    }
    if let Some(modifier) = configuration.annotations().get(keys::LAST_MODIFIER) {
        annotations.insert(keys::CREATOR.to_owned(), modifier.clone());
    }
    annotations.insert(keys::ROUTING_STATE_MODIFIED.to_owned(), rfc3339(now));
    Revision {
        metadata: meta(configuration, revision, labels, annotations),
        spec: template.spec.clone(),
        status: None,
    }
}
