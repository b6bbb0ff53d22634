//! Adapters between the components when all of them run in one process.

use std::sync::{Arc, OnceLock};

use futures::FutureExt;
use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::Pod;
use rouse_apiserver::registry::{Change, Options, Registry, Target};
use rouse_controller::{Activators, Asking, Images, NotPinned, NotServed, Routed, admission};
use rouse_controllers::{ContainerUsage, PodMetrics, PodUsage};
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

/// What the pods of the one node use, once the node is there.
#[derive(Default)]
pub(super) struct NodeMetrics(OnceLock<rouse_node::PodUsages>);

impl NodeMetrics {
    pub(super) fn set(&self, usages: rouse_node::PodUsages) {
        // Set once, at the start.
        let _ = self.0.set(usages);
    }
}

impl PodMetrics for NodeMetrics {
    fn of(&self, namespace: &str, pod: &str) -> Option<PodUsage> {
        let sample = self.0.get()?.of(namespace, pod)?;
        let containers = sample.containers.into_iter().map(|container| ContainerUsage {
            name: container.name,
            cpu_millis: container.cpu_millis,
            memory_bytes: container.working_set_bytes,
        });
        Some(PodUsage { at: sample.at, window: sample.window, containers: containers.collect() })
    }
}

/// The image store, which prepares pinned images for the runtime: a start from zero loads nothing.
pub(super) struct ReadyImages {
    pub(super) store: rouse_image::Store,
    pub(super) runtime: Arc<dyn ContainerRuntime>,
}

impl Images for ReadyImages {
    fn pin(&self, image: String, asking: Asking) -> BoxFuture<'static, Result<String, NotPinned>> {
        let named: Option<rouse_image::Reference> = image.parse().ok();
        let unasked = named.filter(|name| asking.skipped.contains(name.registry()));
        let pinned = Images::pin(&self.store, image, asking);
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
    registry: &Registry,
) -> Vec<rouse_apiserver::admission::Hook> {
    let settings = settings.clone();
    let live: admission::LiveConfig = Arc::new(move || settings.get());
    admission::hooks(&live, try_pod(registry.clone())).into_iter().map(hook).collect()
}

/// Tries pods against this cluster's own API. The registry and its hooks hold one another until the hooks are
/// taken away.
fn try_pod(registry: Registry) -> admission::TryPod {
    Arc::new(move |namespace, pod| {
        let kind = registry.builtin("", "v1", "Pod");
        let pod = serde_json::to_value(pod).map_err(|error| error.to_string())?;
        let target = Target { resource: &kind, namespace, name: "" };
        let options = Options { dry_run: true, ..Options::internal() };
        match registry.write(target, Change::Create(pod), &options) {
            Ok(_) => Ok(()),
            // A dry run also creates a Service whose namespace would be created with it.
            Err(failure) if failure.reason == "NotFound" => Ok(()),
            Err(failure) => Err(failure.to_string()),
        }
    })
}

pub(super) fn hook(hook: admission::Hook) -> rouse_apiserver::admission::Hook {
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
        let settings = rouse_controller::Settings::new(rouse_api::config::ApiConfig::default());
        cluster.set_hooks(hooks(&settings, cluster.registry()));
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

        // The pod is tried where a dry run or an annotation asks for it.
        let mut robot = service("tried", "A");
        robot.spec.template.spec.pod.service_account_name = Some("robot".to_owned());
        let dry = PostParams { dry_run: true, ..PostParams::default() };
        let mut annotated = robot.clone();
        let mode = ("features.knative.dev/podspec-dryrun".to_owned(), "strict".to_owned());
        annotated.metadata.annotations = Some([mode].into());
        for (object, params) in [(&robot, &dry), (&annotated, &PostParams::default())] {
            let refused = services.create(params, object).await.unwrap_err().to_string();
            assert!(
                refused.contains("validation callback failed: dry run failed with"),
                "{refused}"
            );
            assert!(
                refused.contains("serviceaccount \"robot\" not found: spec.template"),
                "{refused}"
            );
        }
        services.create(&PostParams::default(), &robot).await.unwrap();
        services.create(&dry, &service("fine", "A")).await.unwrap();
        cluster.set_hooks(Vec::new());
    }
}
