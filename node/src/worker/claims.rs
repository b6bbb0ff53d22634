//! Persistent volume claims: each gets a directory of the node at its first use, as the class of local
//! paths does that waits for the first consumer. The directory is removed when its claim is gone.

use std::collections::BTreeSet;
use std::fs;

use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::api::{Api, ListParams, Patch, PatchParams};
use rouse_k8s::object;
use serde_json::json;

use super::shared::Shared;

const BOUND: &str = "Bound";

/// Says in the claim's status that it has its volume.
pub(super) async fn bind(
    shared: &Shared,
    claim: &PersistentVolumeClaim,
) -> Result<(), kube::Error> {
    let phase = claim.status.as_ref().and_then(|status| status.phase.as_deref());
    if phase == Some(BOUND) {
        return Ok(());
    }
    let spec = claim.spec.clone().unwrap_or_default();
    let capacity = spec.resources.and_then(|resources| resources.requests);
    let status = json!({"phase": BOUND, "accessModes": spec.access_modes, "capacity": capacity});
    let meta = &claim.metadata;
    let claims: Api<PersistentVolumeClaim> =
        Api::namespaced(shared.client.clone(), object::namespace(meta));
    let patch = json!({"metadata": {"uid": meta.uid}, "status": status});
    let params = PatchParams::default();
    match claims.patch_status(object::name(meta), &params, &Patch::Merge(&patch)).await {
        Ok(_) => Ok(()),
        // The claim has gone meanwhile, which the mount will say.
        Err(kube::Error::Api(error)) if matches!(error.code, 404 | 409) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Removes the directories of claims that are gone.
pub(crate) async fn remove_unclaimed(shared: &Shared) -> Result<(), kube::Error> {
    // Read first: a claim that is made meanwhile has its directory later.
    let Ok(entries) = fs::read_dir(shared.config.claims()) else { return Ok(()) };
    let found: Vec<_> = entries.flatten().collect();
    if found.is_empty() {
        return Ok(());
    }
    let claims: Api<PersistentVolumeClaim> = Api::all(shared.client.clone());
    let claims = claims.list(&ListParams::default()).await?;
    let kept: BTreeSet<String> =
        claims.into_iter().map(|claim| object::uid(&claim.metadata).to_owned()).collect();
    let is_gone =
        |entry: &fs::DirEntry| entry.file_name().to_str().is_some_and(|name| !kept.contains(name));
    let gone: Vec<_> = found.into_iter().filter(is_gone).map(|entry| entry.path()).collect();
    let removing = move || gone.iter().try_for_each(fs::remove_dir_all);
    // A panic was logged.
    if let Ok(Err(error)) = shared.tasks.blocking("removal of volumes", removing).await {
        tracing::warn!(%error, "the files of a claim that is gone cannot be removed");
    }
    Ok(())
}
