//! The runtime's part in admission: what it cannot give to pods is refused, what it does not enforce is warned of.

use std::sync::{Arc, OnceLock};

use k8s_openapi::api::core::v1::PodSpec;
use kube::core::DynamicObject;
use kube::core::admission::{AdmissionRequest, AdmissionResponse};
use rouse_apiserver::admission::{Hook, Phase, Rule};
use rouse_node::runtime::{Capabilities, ContainerRuntime};
use serde::Deserialize;

/// The runtime, once it is chosen; until then everything is admitted.
#[derive(Clone, Default)]
pub(super) struct RuntimeLimits(Arc<OnceLock<Arc<dyn ContainerRuntime>>>);

impl RuntimeLimits {
    pub(super) fn set(&self, runtime: Arc<dyn ContainerRuntime>) {
        // Set once, at the start.
        let _ = self.0.set(runtime);
    }

    pub(super) fn hook(&self) -> Hook {
        let runtime = Arc::clone(&self.0);
        // A runtime that runs nothing has nothing to enforce.
        let real = move || runtime.get().filter(|runtime| runtime.needs_images()).cloned();
        hook(move || real().map(|runtime| (runtime.name(), runtime.capabilities())))
    }
}

/// `runtime` is its name and what it can do.
fn hook(
    runtime: impl Fn() -> Option<(&'static str, Capabilities)> + Send + Sync + 'static,
) -> Hook {
    let texts = |list: &[&str]| list.iter().map(|&s| s.to_owned()).collect();
    Hook {
        name: "runtime.rouse.dev".to_owned(),
        phase: Phase::Validating,
        rules: vec![Rule {
            group: "serving.knative.dev".to_owned(),
            resources: texts(&["services", "configurations", "revisions"]),
            operations: texts(&["CREATE", "UPDATE"]),
        }],
        review: Arc::new(move |request| {
            let response = AdmissionResponse::from(request);
            let pod = pod_spec(request);
            let Some(((path, pod), (name, can))) = pod.zip(runtime()) else { return response };
            reviewed(response, (path, &pod), (name, can))
        }),
    }
}

fn reviewed(
    mut response: AdmissionResponse,
    (path, pod): (&str, &PodSpec),
    (runtime, can): (&str, Capabilities),
) -> AdmissionResponse {
    if let Some((field, why)) = can.refusal(pod) {
        return response.deny(format!("validation failed: {why}: {path}.{field}"));
    }
    let warning = |unmet: rouse_node::runtime::Unmet| {
        let fields = unmet.fields.iter().map(|field| format!("{path}.{field}"));
        format!("{}: {}", unmet.message, fields.collect::<Vec<_>>().join(", "))
    };
    let warnings: Vec<_> = can.unmet(runtime, pod).into_iter().map(warning).collect();
    response.warnings = (!warnings.is_empty()).then_some(warnings);
    response
}

/// The pod of a Service, Configuration or Revision, and the path at which it stands.
fn pod_spec(request: &AdmissionRequest<DynamicObject>) -> Option<(&'static str, PodSpec)> {
    let object = &request.object.as_ref()?.data;
    let template = object.pointer("/spec/template/spec").map(|spec| ("spec.template.spec", spec));
    let (path, spec) = template.or_else(|| Some(("spec", object.get("spec")?)))?;
    // One that cannot be read is refused by the others.
    Some((path, PodSpec::deserialize(spec).ok()?))
}

#[cfg(test)]
mod tests;
