//! The PodAutoscaler that a revision is scaled by, as Events and metrics name it.

use k8s_openapi::api::core::v1::ObjectReference;
use rouse_api::{PodAutoscaler, keys};
use rouse_k8s::object::label;
use rouse_kit::events;

/// How Events and metrics name a revision.
#[derive(Clone, Debug)]
pub(crate) struct About {
    pub(crate) reference: ObjectReference,
    /// Knative's attributes with underscores.
    pub(crate) labels: Labels,
}

pub(crate) type Labels = Vec<(&'static str, String)>;

impl About {
    pub(crate) fn of(pa: &PodAutoscaler) -> Self {
        let meta = &pa.metadata;
        let written = |key| label(meta, key).unwrap_or_default().to_owned();
        let labels = vec![
            ("k8s_namespace_name", meta.namespace.clone().unwrap_or_default()),
            ("kn_service_name", written(keys::SERVICE)),
            ("kn_configuration_name", written(keys::CONFIGURATION)),
            ("kn_revision_name", meta.name.clone().unwrap_or_default()),
        ];
        Self { reference: events::reference(pa), labels }
    }

    /// The Service's name; empty for a Revision of no Service.
    pub(crate) fn service(&self) -> &str {
        let found = self.labels.iter().find(|(label, _)| *label == "kn_service_name");
        found.map_or("", |(_, service)| service)
    }
}
