//! Adapters between the components when all of them run in one process.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use futures::FutureExt;
use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::Pod;
use rouse_controller::{Activators, Images, NotServed, Routed, admission};
use rouse_node::Images as _;
use rouse_node::Traffic;
use rouse_node::runtime::ContainerRuntime;

/// The one activator of this process.
pub(super) struct OneActivator(pub(super) Arc<rouse_activator::Handle>);

impl Activators for OneActivator {
    fn served(
        &self,
        kind: Routed,
        namespace: &str,
        name: &str,
        version: i64,
    ) -> BoxFuture<'static, Result<(), NotServed>> {
        let (handle, namespace, name) =
            (Arc::clone(&self.0), namespace.to_owned(), name.to_owned());
        async move {
            match kind {
                Routed::Route => handle.served(&namespace, &name, version).await,
                Routed::DomainMapping => handle.served_domain(&namespace, &name, version).await,
            }
            Ok(())
        }
        .boxed()
    }
}

/// Draining of pods, whose requests all come through this process's activator, once it is set.
#[derive(Default)]
pub(super) struct GatewayTraffic(OnceLock<Arc<rouse_activator::Handle>>);

impl GatewayTraffic {
    pub(super) fn set(&self, activator: Arc<rouse_activator::Handle>) {
        // Set once, at the start.
        let _ = self.0.set(activator);
    }
}

impl Traffic for GatewayTraffic {
    fn drained(&self, pod: &Pod) -> BoxFuture<'static, ()> {
        match self.0.get() {
            Some(activator) => activator.drained(pod).boxed(),
            None => std::future::ready(()).boxed(),
        }
    }
}

/// The image store, which prepares pinned images for the runtime: a start from zero loads nothing.
pub(super) struct ReadyImages {
    pub(super) store: rouse_image::Store,
    pub(super) runtime: Arc<dyn ContainerRuntime>,
}

impl Images for ReadyImages {
    fn pin(
        &self,
        image: String,
        skipped: Arc<BTreeSet<String>>,
    ) -> BoxFuture<'static, Result<String, String>> {
        let named: Option<rouse_image::Reference> = image.parse().ok();
        let unasked = named.filter(|name| skipped.contains(name.registry()));
        let pinned = Images::pin(&self.store, image, skipped);
        let (store, runtime) = (self.store.clone(), Arc::clone(&self.runtime));
        async move {
            let pinned = pinned.await?;
            if let Some(name) = unasked
                && let Err(error) = store.refresh_from_engine(&name).await
            {
                // The pod runs the copy in the store, if there is one.
                tracing::warn!(%error, "an image cannot be read from the Docker engine");
            }
            // An image that is not in the store is prepared when it is pulled.
            if let Ok(Some(local)) = rouse_node::StoreImages::new(store).find(&pinned)
                && let Err(error) = runtime.prepare(&local).await
            {
                // The pod reports it when it starts.
                tracing::info!(%error, image = pinned, "an image cannot be prepared for the runtime");
            }
            Ok(pinned)
        }
        .boxed()
    }
}

/// The controller's admission hooks as the API server's type.
pub(super) fn hooks(
    settings: &rouse_controller::Settings,
) -> Vec<rouse_apiserver::admission::Hook> {
    let settings = settings.clone();
    let live: admission::LiveConfig = Arc::new(move || settings.get());
    admission::hooks(&live).into_iter().map(hook).collect()
}

fn hook(hook: admission::Hook) -> rouse_apiserver::admission::Hook {
    use rouse_apiserver::admission::{Hook, Phase, Rule};
    let texts = |list: &[&str]| list.iter().map(|&s| s.to_owned()).collect();
    let rule = |rule: admission::Rule| Rule {
        group: rule.group.to_owned(),
        resources: texts(rule.resources),
        operations: texts(rule.operations),
    };
    Hook {
        name: hook.name.to_owned(),
        phase: match hook.phase {
            admission::Phase::Mutating => Phase::Mutating,
            admission::Phase::Validating => Phase::Validating,
        },
        rules: hook.rules.into_iter().map(rule).collect(),
        review: hook.review,
    }
}

#[cfg(test)]
mod tests {
    use kube::api::{Api, PostParams};
    use rouse_api::Service;
    use rouse_apiserver::{Cluster, Config, Storage};
    use rouse_kit::Clock;

    use super::*;

    #[tokio::test]
    async fn the_cluster_asks_knatives_hooks() {
        let initial = super::super::gateway::initial().unwrap();
        let config =
            Config { storage: Storage::Memory, initial, clock: Clock::system(), ca: String::new() };
        let cluster = Cluster::open(config).unwrap();
        cluster.set_hooks(hooks(&rouse_controller::Settings::new(
            rouse_api::config::ApiConfig::default(),
        )));
        let services: Api<Service> = Api::default_namespaced(cluster.client("system:test"));
        let service = |name: &str, env: &str| {
            serde_json::from_value(serde_json::json!({
                "metadata": { "name": name },
                "spec": { "template": { "spec": { "containers": [{ "image": "hello", "env": [{ "name": env, "value": "v" }] }] } } }
            }))
            .unwrap()
        };
        let made: Service =
            services.create(&PostParams::default(), &service("good", "A")).await.unwrap();
        assert_eq!(made.spec.template.spec.pod.containers[0].name, "user-container");
        let refused = services
            .create(&PostParams::default(), &service("bad", "PORT"))
            .await
            .unwrap_err()
            .to_string();
        assert!(refused.contains("denied the request: validation failed"), "{refused}");
    }
}
