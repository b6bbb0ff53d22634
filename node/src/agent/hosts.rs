//! Follows Services for the hosts files of pods.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::FutureExt as _;
use k8s_openapi::api::core::v1::Service;
use kube::Api;
use kube::runtime::watcher;
use rouse_k8s::ObjectKey;
use rouse_kit::Shutdown;
use rouse_kit::mirror::{Change, Mirror};

use crate::spec::hosts::{self, Reached};
use crate::worker::Shared;

/// Keeps the files up to date until `shutdown`.
pub(super) async fn follow(shared: Arc<Shared>, shutdown: Shutdown) {
    let services: Api<Service> = Api::all(shared.client.clone());
    let read = |service: Service| hosts::reached(&service);
    let mut mirror = Mirror::of(services, watcher::Config::default(), read);
    let mut all: BTreeMap<ObjectKey, Reached> = BTreeMap::new();
    let following = async {
        loop {
            let mut next = Some(mirror.next().await);
            // A burst of changes is written once.
            while let Some(change) = next {
                apply(&mut all, change);
                next = mirror.next().now_or_never();
            }
            let (files, addresses) = (Arc::clone(&shared), hosts::addresses(&all));
            let writing = move || files.hosts.set(addresses);
            match shared.tasks.blocking("hosts", writing).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::warn!(%error, "the hosts files of pods cannot be written");
                }
                Err(error) => tracing::warn!(%error, "the hosts files of pods were not written"),
            }
        }
    };
    // The loop never ends by itself.
    let _over = shutdown.run_until_cancelled(following).await;
}

fn apply(all: &mut BTreeMap<ObjectKey, Reached>, change: Change<Reached>) {
    match change {
        Change::Added { key, new } | Change::Changed { key, new, .. } => {
            all.insert(key, Reached::clone(&new));
        }
        Change::Gone { key, .. } => {
            all.remove(&key);
        }
        Change::InSync => {}
    }
}
