//! Removes the files of pods and of persistent volume claims that are gone.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::ListParams;
use rouse_k8s::object;
use rouse_kit::Shutdown;

use crate::worker::{Shared, remove_unclaimed};

const EVERY: Duration = Duration::from_secs(60);

/// Removes what is left, again and again until `shutdown`.
pub(super) async fn keep_removing(shared: Arc<Shared>, shutdown: Shutdown) {
    let removing = async {
        // A platform that was killed left the files of pods that were deleted since.
        let mut left = files_of_gone_pods(&shared).await;
        loop {
            let removed = match left {
                Ok(()) => remove_unclaimed(&shared).await,
                Err(error) => Err(error),
            };
            if let Err(error) = removed {
                tracing::debug!(%error, "the files of what is gone are removed later");
            }
            left = Ok(());
            tokio::time::sleep(EVERY).await;
        }
    };
    // The loop never ends by itself.
    let _over = shutdown.run_until_cancelled(removing).await;
}

async fn files_of_gone_pods(shared: &Shared) -> Result<(), kube::Error> {
    // Read first: a pod that is made meanwhile has its directory later.
    let hosts = shared.hosts.left();
    let dirs = [Some(shared.config.data_dir.join("volumes")), shared.config.memory()];
    let entries =
        dirs.into_iter().flatten().flat_map(|dir| fs::read_dir(dir).into_iter().flatten());
    let found: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    if found.is_empty() && hosts.is_empty() {
        return Ok(());
    }
    let pods: Api<Pod> = Api::all(shared.client.clone());
    let pods = pods.list(&ListParams::default()).await?;
    let kept: BTreeSet<String> =
        pods.into_iter().map(|pod| object::uid(&pod.metadata).to_owned()).collect();
    let is_kept = |path: &PathBuf| {
        path.file_name().and_then(|name| name.to_str()).is_some_and(|name| kept.contains(name))
    };
    for path in found.iter().filter(|path| !is_kept(path)) {
        // What a container made unreadable stays.
        let _ = fs::remove_dir_all(path);
    }
    for path in hosts.iter().filter(|path| !is_kept(path)) {
        let _ = fs::remove_file(path);
    }
    Ok(())
}
