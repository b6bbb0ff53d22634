//! All components, started in the order in which they need one another, and ended in reverse.

use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Node as NodeObject;
use kube::api::Api;
use kube::runtime::wait::await_condition;
use rouse_activator::{Https, Reserved};
use rouse_api::load::LoadReport;
use rouse_apiserver::{Cluster, Config as ClusterConfig, Storage};
use rouse_k8s::condition::{self, READY};
use rouse_kit::{Clock, Component, Process, Shutdown};
use rouse_node::runtime::{self, Wanted};
use tokio::sync::mpsc;

use super::limits::RuntimeLimits;
use super::plugs::{GatewayTraffic, NodeMetrics, OneActivator, ReadyImages, hooks};
use super::{
    activity, api, domain, gateway, image_gc, kubeconfig, pki, ports, registries, state, traces,
};
use crate::args::{Runtime, Up};
use crate::datadir::{DataDir, write_whole};
use crate::outcome::{Context, Failure, Result};
use crate::printer::Printer;

const NODE: &str = "local";
/// Load reports that may wait for the autoscaler; a full channel only delays cumulative numbers.
const REPORTS: usize = 1024;
/// Longest until everything answers.
const READY_TIMEOUT: Duration = Duration::from_secs(30);
/// How long requests in flight may take after a shutdown begins.
const DRAIN: Duration = Duration::from_secs(20);
/// Hidden first argument that makes this binary the guard of pod processes.
pub(crate) const GUARD: &str = "internal-guard";

/// The running platform.
pub(super) struct Platform {
    pub(super) api_url: String,
    pub(super) http_url: String,
    pub(super) https_url: String,
    /// The domain of public URLs.
    pub(super) domain: String,
    pub(super) admin_url: String,
    pub(super) runtime: &'static str,
    pub(super) runtime_because: String,
    /// State that all components share; its ledger says when the platform must end.
    pub(super) process: Process,
    cluster: Cluster,
    activator: Arc<rouse_activator::Handle>,
    components: Components,
}

/// The components, in the order in which they end: the data plane first, the API last.
struct Components {
    activator: Component,
    controller: Component,
    autoscaler: Component,
    node: Component,
    /// Tasks of the containers, which end with the node and before this component.
    runtime: Component,
    /// Built-in controllers and the scheduler.
    controllers: Component,
    apiserver: Component,
    admin: Component,
}

impl Components {
    fn new(process: &Process) -> Self {
        let component = |name| process.component(name, Shutdown::new());
        Self {
            activator: component("activator"),
            controller: component("controller"),
            autoscaler: component("autoscaler"),
            node: component("node"),
            runtime: component("runtime"),
            controllers: component("controllers"),
            apiserver: component("apiserver"),
            admin: component("admin"),
        }
    }
}

impl Platform {
    /// Starts all components and waits until they answer. Returns notes for the user, such as moved ports.
    pub(super) async fn start(args: &Up, dir: &DataDir) -> Result<(Self, Vec<String>)> {
        let binds = args.binds;
        let api_port = ports::bind(binds.api, args.api_port, ports::API, "--api-port", ports::tcp)?;
        let http_port =
            ports::bind(binds.public, args.http_port, ports::HTTP, "--http-port", reserve)?;
        // Next to that of http, and any free one where that is any free one.
        let https_asked = args.https_port.or(args.http_port.filter(|port| *port == 0));
        let https_default = http_port.held.address().port().saturating_add(1);
        let https_port =
            ports::bind(binds.public, https_asked, https_default, "--https-port", reserve)?;
        let admin_port =
            ports::bind(binds.admin, args.admin_port, ports::ADMIN, "--admin-port", ports::tcp)?;
        let (api_address, listener) = api_port.held;
        let (admin_address, admin_listener) = admin_port.held;
        let mut said = notes([
            ("API", api_port.moved_from, api_address),
            ("gateway", http_port.moved_from, http_port.held.address()),
            ("gateway for https", https_port.moved_from, https_port.held.address()),
            ("admin port", admin_port.moved_from, admin_address),
        ]);
        let (public, secure) = (http_port.held, https_port.held);
        let (at, secure_at) = (public.address(), secure.address());
        let api_url = format!("https://{}", ports::reached(api_address));
        let own_at = |bind: IpAddr| bind.is_unspecified().then(domain::own_address).flatten();
        let api_hosts: Vec<_> = [binds.api].into_iter().chain(own_at(binds.api)).collect();
        let pki = pki::Pki::load_or_make(&dir.join("pki"), &api_hosts)?;
        let text = kubeconfig::text(&api_url, &pki, dir.path());
        write_whole(&dir.kubeconfig(), text.as_bytes(), 0o600)?;
        let registries = registries::registries(args)?;
        said.extend(registries::unused(args, &registries));
        let options =
            rouse_image::RegistryOptions { registries, ..rouse_image::RegistryOptions::default() };
        let images = rouse_image::Store::open_with(dir.images(), options)
            .or_fail(|| "cannot open the image store".to_owned())?;
        let clock = Clock::system();
        let process = Process::new(clock);
        process.metrics.info(
            "rouse_build",
            "The version that runs",
            vec![("version".to_owned(), env!("CARGO_PKG_VERSION").to_owned())],
        );
        let components = Components::new(&process);
        let storage =
            if args.ephemeral { Storage::Memory } else { Storage::File(dir.join(state::FILE)) };
        let config = ClusterConfig {
            storage,
            initial: gateway::initial()?,
            clock,
            ca: pki.authority_pem.clone(),
        };
        if args.recover {
            said.extend(state::recover(dir)?);
        }
        let cluster = state::open(dir, config)?;
        let settings = rouse_controller::Settings::new(rouse_api::config::ApiConfig::default());
        let wanted = domain::wanted(args.domain.as_deref(), binds.public, own_at(binds.public));
        let (domain, left) = domain::publish(&cluster, &wanted)?;
        said.extend(domain::note(&domain, binds.public));
        let limits = RuntimeLimits::default();
        let hooks = hooks(&settings, cluster.registry()).into_iter();
        cluster.set_hooks(hooks.chain([limits.hook()]).collect());

        api::serve(&cluster, listener, &pki, &components.apiserver)?;
        serve_process(&process, admin_listener, &components.admin)?;
        let metrics = Arc::new(NodeMetrics::default());
        run_builtin(&cluster, Arc::clone(&metrics), &components.controllers);
        traces::follow(&settings, &components.admin);
        let chosen = choose(args.runtime, dir, &images, &components.runtime).await?;
        limits.set(Arc::clone(&chosen.runtime));
        let pods = chosen.runtime.host_ip();
        let local = ports::bind_local(binds.local, pods, reserve)
            .or_fail(|| "the gateway cannot listen for cluster-local services".to_owned())?;
        let gateway_and_api = (local.address(), api_address);
        let for_pods =
            api::serve_pods(&cluster, &pki, pods, gateway_and_api, &components.apiserver)?;
        said.extend(ports::exposed(&ports::Listeners {
            gateway: at,
            https: secure_at,
            local: local.address(),
            pods,
            api: api_address,
            api_for_pods: for_pods.listener,
            admin: admin_address,
        }));
        let traffic = Arc::new(GatewayTraffic::default());
        let node = (&components.node, Arc::clone(&traffic), &*metrics);
        run_node(&cluster, (dir, for_pods.access), &images, &chosen, node).await?;
        let (reports, load) = mpsc::channel(REPORTS);
        let https = Https { listener: secure, issue: Arc::clone(&pki.issue) };
        let listeners = (public, https, local);
        let activator = start_activator(&cluster, listeners, reports, &components.activator)?;
        traffic.set(Arc::clone(&activator));
        let moved = gateway::publish(&cluster, at, secure_at, (activator.local_addr(), pods))?;
        if !args.keep_images {
            collect_images(&cluster, &images, &components.node);
        }
        let images = ReadyImages { store: images, runtime: Arc::clone(&chosen.runtime) };
        run_controller(&cluster, settings, &activator, images, &components.controller);
        run_autoscaler(&cluster, load, &components.autoscaler);
        let platform = Self {
            api_url,
            http_url: format!("http://{}", ports::reached(at)),
            https_url: format!("https://localhost:{}", secure_at.port()),
            domain,
            admin_url: format!("http://{}", ports::reached(admin_address)),
            runtime: chosen.runtime.name(),
            runtime_because: chosen.why,
            process,
            cluster,
            activator,
            components,
        };
        platform.ready().await?;
        if moved || left.is_some() {
            let client = own_client(&platform.cluster);
            gateway::urls_name(at.port(), secure_at.port(), left.as_deref(), client).await;
        }
        Ok((platform, said))
    }

    /// Waits until the node is ready and the routes of an earlier run are served.
    async fn ready(&self) -> Result {
        let nodes: Api<NodeObject> = Api::all(own_client(&self.cluster));
        let node_ready = |node: Option<&NodeObject>| {
            let status = node.and_then(|node| node.status.as_ref());
            let conditions =
                status.into_iter().flat_map(|status| status.conditions.iter().flatten());
            condition::is_true(conditions, READY)
        };
        let all = async {
            self.activator.ready().await;
            await_condition(nodes, NODE, node_ready).await
        };
        let ready = tokio::select! {
            biased;
            reason = self.process.ledger.must_end() => return Err(ended(&reason)),
            ready = tokio::time::timeout(READY_TIMEOUT, all) => ready,
        };
        match ready {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(Failure::new("the node did not become ready").because(error)),
            Err(_) => Err(Failure::not_ready(format!(
                "the platform was not ready within {} s",
                READY_TIMEOUT.as_secs()
            ))
            .next("RUST_LOG=info rouse up, and look at what it says")),
        }
    }

    /// Prints a line an event from now on.
    pub(super) fn print_activity(&self, dir: &DataDir, printer: Printer) -> Result {
        let client = own_client(&self.cluster);
        let component = &self.components.admin;
        activity::start(client, self.process.clock, printer, dir.join("logs"), component)
            .or_fail(|| "cannot print events".to_owned())
    }

    /// Drains and ends all, the data plane first.
    pub(super) async fn stop(self) {
        let Self { cluster, activator, components, .. } = self;
        components.activator.shutdown.cancel();
        activator.stopped().await;
        for component in [&components.controller, &components.autoscaler, &components.node] {
            component.shutdown.cancel();
        }
        // The node ends its pods and still writes their last status.
        components.node.tasks.finish().await;
        components.runtime.shutdown.cancel();
        components.runtime.tasks.finish().await;
        for component in [&components.controllers, &components.apiserver, &components.admin] {
            component.shutdown.cancel();
        }
        for component in [
            &components.activator,
            &components.controller,
            &components.autoscaler,
            &components.controllers,
            &components.apiserver,
        ] {
            component.tasks.finish().await;
        }
        // They hold the registry, which holds them.
        cluster.set_hooks(Vec::new());
        // The last writes are made durable on a blocking thread.
        let closed = components.apiserver.tasks.blocking("close", move || cluster.close());
        // It fails only by a panic, which the task has counted.
        let _closed = closed.await;
    }
}

/// The client of what belongs to no component.
fn own_client(cluster: &Cluster) -> kube::Client {
    cluster.client("system:serviceaccount:kube-system:rouse")
}

fn reserve(at: SocketAddr) -> std::io::Result<Reserved> {
    Ok(Reserved::new(at)?)
}

/// The failure of a platform that ends by itself.
pub(super) fn ended(reason: &str) -> Failure {
    Failure::new("a part of the platform ended, and it cannot go on without it")
        .because(reason)
        .next("rouse up again; RUST_LOG=info rouse up says more")
}

/// A note for each default port that was taken.
fn notes(ports: [(&str, Option<u16>, SocketAddr); 4]) -> Vec<String> {
    ports
        .into_iter()
        .filter_map(|(what, moved_from, now)| {
            let default = moved_from?;
            Some(format!("port {default} is taken: the {what} has {} instead", now.port()))
        })
        .collect()
}

fn serve_process(process: &Process, listener: TcpListener, component: &Component) -> Result {
    let listener = ports::listening(listener, "admin port")?;
    let (tasks, shutdown) = (component.tasks.clone(), component.shutdown.clone());
    component.tasks.vital("listener", process.admin().serve(listener, tasks, shutdown));
    rouse_kit::memory::start(component);
    Ok(())
}

fn run_builtin(cluster: &Cluster, metrics: Arc<NodeMetrics>, component: &Component) {
    let config = rouse_controllers::Config { metrics, ..rouse_controllers::Config::of(cluster) };
    rouse_controllers::start(&config, component);
}

fn run_autoscaler(cluster: &Cluster, load: mpsc::Receiver<LoadReport>, component: &Component) {
    let client = cluster.client("system:serviceaccount:knative-serving:autoscaler");
    rouse_autoscaler::start(client, load, component.clone());
}

async fn choose(
    wanted: Runtime,
    dir: &DataDir,
    images: &rouse_image::Store,
    component: &Component,
) -> Result<runtime::Chosen> {
    let guard = std::env::current_exe().ok().map(|me| vec![me.into_os_string(), GUARD.into()]);
    let wanted = match wanted {
        Runtime::Auto => Wanted::Auto,
        Runtime::Docker => Wanted::Docker,
        Runtime::Process => Wanted::Process,
        Runtime::Fake => Wanted::Fake,
    };
    runtime::choose(wanted, dir.path(), images, guard.as_deref(), component)
        .await
        .or_fail(|| "the container runtime cannot be used".to_owned())
        .map_err(|failure| failure.next("rouse doctor; or rouse up --runtime process"))
}

/// Runs before requests are routed: pods of an earlier run have lost their addresses.
async fn run_node(
    cluster: &Cluster,
    (dir, api): (&DataDir, Option<rouse_node::ApiAccess>),
    images: &rouse_image::Store,
    chosen: &runtime::Chosen,
    (component, traffic, metrics): (&Component, Arc<GatewayTraffic>, &NodeMetrics),
) -> Result {
    let node = rouse_node::Node::new(
        rouse_node::Config { node_name: NODE.to_owned(), data_dir: dir.path().to_owned(), api },
        cluster.client(&format!("system:node:{NODE}")),
        Arc::new(rouse_node::StoreImages::new(images.clone())),
        Arc::clone(&chosen.runtime),
        traffic,
        component.clone(),
    );
    node.take_over().await.or_fail(|| "cannot take over the pods of an earlier run".to_owned())?;
    cluster.register_kubelet(NODE, node.kubelet());
    metrics.set(node.usages());
    component.tasks.vital("agent", node.run());
    Ok(())
}

fn collect_images(cluster: &Cluster, images: &rouse_image::Store, component: &Component) {
    let client = cluster.client(&format!("system:node:{NODE}"));
    let (images, own) = (images.clone(), component.clone());
    let collect = move || image_gc::run(images.clone(), client.clone(), own.clone());
    component.tasks.restarting("image-gc", collect);
}

fn start_activator(
    cluster: &Cluster,
    (public, https, local): (Reserved, Https, Reserved),
    reports: mpsc::Sender<LoadReport>,
    component: &Component,
) -> Result<Arc<rouse_activator::Handle>> {
    let cannot = || "the gateway cannot listen".to_owned();
    let config = rouse_activator::Config {
        drain: DRAIN,
        https: Some(https),
        ..rouse_activator::Config::new(public, local)
    };
    let handle = rouse_activator::start(
        config,
        cluster.client("system:serviceaccount:knative-serving:activator"),
        rouse_kit::address::by_annotation(),
        reports,
        component,
    );
    handle.map(Arc::new).or_fail(cannot)
}

fn run_controller(
    cluster: &Cluster,
    settings: rouse_controller::Settings,
    activator: &Arc<rouse_activator::Handle>,
    images: ReadyImages,
    component: &Component,
) {
    // A pod is terminated once the activator sends it no more requests and none is in flight: it
    // needs no drain time.
    let config = rouse_controller::Config { drain: Duration::ZERO, settings };
    rouse_controller::start(
        config,
        cluster.client("system:serviceaccount:knative-serving:controller"),
        Arc::new(OneActivator(Arc::clone(activator))),
        Arc::new(images),
        component.clone(),
    );
}
