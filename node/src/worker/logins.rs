//! The logins for a pod's images: of its pull secrets, or of those of its service account.
//!
//! Upstream: pkg/kubelet/kubelet_pods.go (`getPullSecretsForPod`), plugin/pkg/admission/serviceaccount.

use k8s_openapi::api::core::v1::{LocalObjectReference, Pod, Secret, ServiceAccount};
use kube::Api;
use rouse_image::Logins;
use rouse_k8s::object;
use rouse_kit::events::{self, Level, Notice};

use super::shared::Shared;

/// Logins of the secrets that exist; an Event names the others.
pub(super) async fn of_pod(shared: &Shared, pod: &Pod) -> Result<Logins, kube::Error> {
    let mut logins = Logins::default();
    let Some(spec) = &pod.spec else { return Ok(logins) };
    let namespace = object::namespace(&pod.metadata);
    let mut references = spec.image_pull_secrets.clone().unwrap_or_default();
    if references.is_empty() {
        let account = spec.service_account_name.as_deref().unwrap_or("default");
        references = of_account(shared, namespace, account).await?;
    }
    let secrets: Api<Secret> = Api::namespaced(shared.client.clone(), namespace);
    let mut missing = Vec::new();
    for LocalObjectReference { name } in references {
        let Some(secret) = secrets.get_opt(&name).await? else {
            missing.push(name);
            continue;
        };
        let data = secret.data.unwrap_or_default();
        if data.iter().any(|(key, content)| logins.add(key, &content.0).is_err()) {
            missing.push(name);
        }
    }
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

async fn of_account(
    shared: &Shared,
    namespace: &str,
    account: &str,
) -> Result<Vec<LocalObjectReference>, kube::Error> {
    let accounts: Api<ServiceAccount> = Api::namespaced(shared.client.clone(), namespace);
    let account = accounts.get_opt(account).await?;
    Ok(account.and_then(|account| account.image_pull_secrets).unwrap_or_default())
}
