//! The logins for a pod's images, of its pull secrets.

use k8s_openapi::api::core::v1::Pod;
use rouse_image::Logins;
use rouse_k8s::object;
use rouse_kit::events::{self, Level, Notice};
use rouse_kit::pull_secrets::PullSecrets;

use super::shared::Shared;

/// Logins of the secrets that exist; an Event names the others.
pub(super) async fn of_pod(shared: &Shared, pod: &Pod) -> Result<Logins, kube::Error> {
    let Some(spec) = &pod.spec else { return Ok(Logins::default()) };
    let secrets = PullSecrets::new(
        object::namespace(&pod.metadata),
        spec.image_pull_secrets.as_deref(),
        spec.service_account_name.as_deref(),
    );
    let found = secrets.read(&shared.client).await?;
    let (logins, unreadable) = Logins::of(found.files);
    let mut missing = found.missing;
    missing.extend(unreadable);
    if !missing.is_empty() {
        let message = format!(
            "Unable to retrieve some image pull secrets ({}); attempting to pull the image may not \
             succeed.",
            missing.join(", ")
        );
        let reason = "FailedToRetrieveImagePullSecret".to_owned();
        let notice = Notice { level: Level::Warning, reason, message };
        shared.events.publish(events::reference(pod), notice);
    }
    Ok(logins)
}
