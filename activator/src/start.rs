//! Starts an activator: listeners, data threads, directory, watches, load reports.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1;
use rouse_api::keys;
use rouse_api::load::LoadReport;
use rouse_k8s::{ObjectKey, object};
use rouse_kit::{AddressResolver, Component, Shutdown, files};
use tokio::sync::{mpsc, oneshot};
use tokio::task::LocalSet;

use crate::admission::report::ReportSignal;
use crate::config::{Config, Https};
use crate::control::certificates::Certificates;
use crate::control::change::{Change, GiveUp};
use crate::control::directory::Directory;
use crate::control::issuers::Issuers;
use crate::control::key_fetch;
use crate::control::metrics::RevisionMetrics;
use crate::control::registry::Registry;
use crate::control::reporter::Reporter;
use crate::control::shared::Shared;
use crate::control::{pages, request_log, watch};
use crate::edge::capacity::Capacity;
use crate::edge::listen::ListenError;
use crate::edge::metrics::GatewayMetrics;
use crate::edge::thread::{self, Thread};
use crate::edge::tls::Tls;
use crate::edge::worker::{Accepting, Sibling};
use crate::observe::record::Observers;
use crate::observe::request_log::RequestLog;
use crate::state::keys::{RouteKey, RouteKind};

/// Changes that may wait for the directory.
const CHANGES_MAX: usize = 1024;
/// Connections that may wait to be taken over by another thread.
const ACCEPTED_MAX: usize = 1024;

/// A running activator.
#[derive(Clone, Debug)]
pub struct Handle {
    shared: Arc<Shared>,
    registry: Arc<Registry>,
    changes: mpsc::Sender<Change>,
    public: SocketAddr,
    local: SocketAddr,
    https: Option<SocketAddr>,
    stopped: Shutdown,
}

/// The work of an activator at this moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Hosts that are routed.
    pub hosts: usize,
    pub revisions: usize,
    /// Pods in the rotation.
    pub pods: usize,
    pub in_flight: u32,
    pub queued: u32,
}

impl Handle {
    /// The address of the public listener.
    #[must_use]
    pub fn public_addr(&self) -> SocketAddr {
        self.public
    }

    /// The address of the listener for cluster-local hosts.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// The address of the public listener for https.
    #[must_use]
    pub fn https_addr(&self) -> Option<SocketAddr> {
        self.https
    }

    /// Returns once everything that existed at the start is served.
    pub async fn ready(&self) {
        self.shared.ready().await;
    }

    /// Returns once every data thread serves at least `version` of the Route's `status.routing`,
    /// with all revisions that it names.
    pub async fn served(&self, namespace: &str, route: &str, version: i64) {
        self.reached(RouteKind::Route, namespace, route, version).await;
    }

    /// The same for a DomainMapping.
    pub async fn served_domain(&self, namespace: &str, name: &str, version: i64) {
        self.reached(RouteKind::DomainMapping, namespace, name, version).await;
    }

    async fn reached(&self, kind: RouteKind, namespace: &str, name: &str, version: i64) {
        let key = RouteKey { kind, key: ObjectKey::new(namespace, name) };
        let mut progress = self.shared.progress.subscribe();
        // An error means that the sender is gone, which `self` holds.
        let _ = progress
            .wait_for(|progress| {
                progress.complete && progress.versions.get(&key).is_some_and(|at| *at >= version)
            })
            .await;
    }

    /// Stops sending requests to a pod, and returns once none is in it; at once for pods of no
    /// Revision.
    pub fn drained(&self, pod: &v1::Pod) -> impl Future<Output = ()> + Send + use<> {
        let (changes, meta) = (self.changes.clone(), &pod.metadata);
        let served = object::label(meta, keys::REVISION).is_some();
        let (pod, uid) = (ObjectKey::of(meta), object::uid(meta).to_owned());
        async move {
            if !served {
                return;
            }
            let (done, given_up) = oneshot::channel();
            // Errors mean that the activator has ended, and sends nothing.
            if changes.send(Change::GiveUp(GiveUp { pod, uid, done })).await.is_ok()
                && let Ok(Some(pod)) = given_up.await
            {
                pod.emptied().await;
            }
        }
    }

    /// Sums over all revisions.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let hosts = self.shared.table.load().len();
        let mut stats = Stats { hosts, ..Stats::default() };
        for revision in self.registry.all() {
            let status = revision.status();
            stats.revisions += 1;
            stats.pods += status.pods;
            stats.in_flight += status.in_flight;
            stats.queued += status.queued;
        }
        stats
    }

    /// Returns once all requests are finished, or the drain time after shutdown is over.
    pub async fn stopped(&self) {
        self.stopped.cancelled().await;
    }
}

/// Starts an activator that watches objects through `client`, as `component`. To be called within a
/// tokio runtime, which runs everything but requests; those have threads of their own.
///
/// # Errors
///
/// An address cannot be listened on, or a thread cannot be started.
pub fn start(
    config: Config,
    client: kube::Client,
    resolve: AddressResolver,
    load: mpsc::Sender<LoadReport>,
    component: &Component,
) -> Result<Handle, ListenError> {
    let Config { name, public, local, https, threads, drain, request_log: sink } = config;
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    let count = threads.unwrap_or_else(cores).max(1);
    let addresses = (public.address(), local.address());
    let https_address = https.as_ref().map(|https| https.listener.address());
    let (public, local) = (public.listen(count)?, local.listen(count)?);
    let signal = Arc::new(ReportSignal::default());
    let registry = Arc::new(Registry::new(Arc::clone(&signal), count));
    let (issuers, asks) = Issuers::new();
    let shared = Arc::new(Shared::new(issuers));
    let https = https.map(|https| secure(https, &shared, count)).transpose()?;
    // Watches, probes and reports go on until everything is drained: a held request may still be
    // waiting for its pod.
    let stopped = Shutdown::new();
    let (changes, changed) = mpsc::channel(CHANGES_MAX);
    start_control(
        client.clone(),
        resolve,
        (&shared, &registry),
        (changes.clone(), changed),
        component,
        &stopped,
    );
    let keys = key_fetch::run(
        Arc::clone(&shared),
        key_fetch::fetcher(client.clone()),
        asks,
        stopped.clone(),
    );
    component.tasks.vital("keys-of-issuers", keys);
    let (log, lines) = RequestLog::new();
    let log = Arc::new(log);
    request_log::follow(client, keys::SYSTEM_NAMESPACE, Arc::clone(&log), component);
    request_log::write(lines, sink, component, &stopped);
    let Component { clock, tasks, metrics, debug, .. } = component;
    metrics.collector(Box::new(RevisionMetrics { registry: Arc::clone(&registry) }));
    pages::add(debug, &shared, &registry);
    let reporter = Reporter {
        activator: name,
        epoch: u64::try_from(clock.now().as_millisecond()).unwrap_or_default(),
        began: clock.instant(),
        signal,
        registry: Arc::clone(&registry),
        reports: load,
        clock: *clock,
    };
    tasks.vital("load-reports", reporter.run(stopped.clone()));
    let threads = Threads { public, local, https, drain, shared: &shared, log };
    threads.start(component, &stopped)?;
    let (public, local) = addresses;
    Ok(Handle { shared, registry, changes, public, local, https: https_address, stopped })
}

/// The sockets for https, and TLS for them.
fn secure(
    https: Https,
    shared: &Arc<Shared>,
    count: usize,
) -> Result<(Vec<TcpListener>, Tls), ListenError> {
    let Https { listener, issue } = https;
    let tls = Tls::new(Certificates::new(Arc::clone(shared), issue), listener.address().port())?;
    Ok((listener.listen(count)?, tls))
}

/// Starts the tasks that keep the tables up to date.
fn start_control(
    client: kube::Client,
    resolve: AddressResolver,
    (shared, registry): (&Arc<Shared>, &Arc<Registry>),
    (sender, changes): (mpsc::Sender<Change>, mpsc::Receiver<Change>),
    component: &Component,
    stopped: &Shutdown,
) {
    let Component { clock, tasks, health, .. } = component;
    let (shared, registry) = (Arc::clone(shared), Arc::clone(registry));
    let directory = Directory::new(shared, registry, tasks.clone(), health.part("routes"), *clock);
    tasks.vital("routing", directory.run(changes, stopped.clone()));
    tasks.vital("watches", watch::run(client, resolve, sender, stopped.clone()));
}

/// Sockets and settings of all data threads.
struct Threads<'a> {
    public: Vec<TcpListener>,
    local: Vec<TcpListener>,
    https: Option<(Vec<TcpListener>, Tls)>,
    drain: Duration,
    shared: &'a Arc<Shared>,
    log: Arc<RequestLog>,
}

impl Threads<'_> {
    /// Starts a thread for each pair of sockets; `stopped` is cancelled when the last one has
    /// ended.
    fn start(self, component: &Component, stopped: &Shutdown) -> Result<(), ListenError> {
        let Component { clock, tasks, health, shutdown, .. } = component;
        let Self { public, local, https, drain, shared, log } = self;
        let (https, tls) = https.unzip();
        let (siblings, inboxes): (Vec<_>, Vec<_>) = public
            .iter()
            .map(|_| {
                let (inbox, accepted) = mpsc::channel(ACCEPTED_MAX);
                (Sibling::new(inbox), accepted)
            })
            .unzip();
        let siblings: Arc<[Sibling]> = siblings.into();
        let mut https = https.unwrap_or_default();
        let listeners = public.len() + local.len() + https.len();
        let accepting = Arc::new(Accepting::new(health.part("gateway"), listeners));
        let capacity = Arc::new(Capacity::new(files::limit(), clock.instant()));
        let gateway = GatewayMetrics { siblings: Arc::clone(&siblings), log: Arc::clone(&log) };
        component.metrics.collector(Box::new(gateway));
        let ended = Arc::new(stopped.clone().drop_guard());
        let sockets = public.into_iter().zip(local).zip(inboxes);
        for (index, ((public, local), inbox)) in sockets.enumerate() {
            let refused = |source| ListenError::Thread { source };
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(refused)?;
            let thread = Thread {
                index,
                siblings: Arc::clone(&siblings),
                inbox,
                public,
                local,
                https: https.pop().zip(tls.as_ref().map(Tls::for_thread)),
                accepting: Arc::clone(&accepting),
                capacity: Arc::clone(&capacity),
                observers: Observers {
                    thread: index,
                    log: Arc::clone(&log),
                    traces: component.traces.clone(),
                    clock: component.clock,
                },
                shared: Arc::clone(shared),
                tasks: tasks.clone(),
                shutdown: shutdown.clone(),
                drain,
            };
            let ended = Arc::clone(&ended);
            let body = move || {
                LocalSet::new().block_on(&runtime, thread::run(thread));
                drop(ended);
            };
            tasks.thread("data", format!("data-{index}"), body).map_err(refused)?;
        }
        Ok(())
    }
}
