//! Starts an activator: listeners, data threads, control task, watches, load reports.

use std::net::SocketAddr;
use std::sync::Arc;

use futures::future::join_all;
use rouse_api::load::LoadReport;
use rouse_kit::{AddressResolver, Clock, Shutdown};
use tokio::sync::{mpsc, oneshot};
use tokio::task::LocalSet;

use crate::admission::report::ReportSignal;
use crate::config::Config;
use crate::control::change::Change;
use crate::control::directory::Directory;
use crate::control::registry::Registry;
use crate::control::reporter::Reporter;
use crate::control::shared::Shared;
use crate::control::watch;
use crate::edge::listen::ListenError;
use crate::edge::thread::{self, Thread};
use crate::edge::worker::Sibling;
use crate::state::keys::{RouteKey, RouteKind};
use crate::state::routes::Side;

/// Changes that may wait for the control task.
const CHANGES: usize = 1024;
/// Connections that may wait to be taken over by another thread.
const ACCEPTED: usize = 1024;

/// A running activator.
#[derive(Clone, Debug)]
pub struct Handle {
    shared: Arc<Shared>,
    registry: Arc<Registry>,
    public: SocketAddr,
    local: SocketAddr,
    stopped: Shutdown,
}

/// What it has to do at this moment.
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
    /// Where anybody's requests come in.
    #[must_use]
    pub fn public_addr(&self) -> SocketAddr {
        self.public
    }

    /// Where requests for cluster-local hosts come in.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local
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
        let key = RouteKey { kind, namespace: namespace.to_owned(), name: name.to_owned() };
        let mut progress = self.shared.progress.subscribe();
        // An error means that the sender is gone, which `self` holds.
        let _ = progress
            .wait_for(|progress| {
                progress.complete && progress.versions.get(&key).is_some_and(|at| *at >= version)
            })
            .await;
    }

    /// Sums over all revisions.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let hosts = self.shared.table.load().len();
        let mut stats = Stats { hosts, ..Stats::default() };
        for revision in self.registry.all() {
            let (in_flight, queued, pods) = revision.numbers();
            stats.revisions += 1;
            stats.pods += pods;
            stats.in_flight += in_flight;
            stats.queued += queued;
        }
        stats
    }

    /// Returns once all requests are finished, or their time after shutdown is over.
    pub async fn stopped(&self) {
        self.stopped.cancelled().await;
    }
}

/// Starts an activator that learns from `client`. To be called within a tokio runtime, which runs
/// everything but requests; those have threads of their own.
///
/// # Errors
///
/// An address cannot be listened on, or a thread cannot be had.
pub fn start(
    config: Config,
    client: kube::Client,
    resolve: AddressResolver,
    load: mpsc::Sender<LoadReport>,
    clock: Clock,
    shutdown: Shutdown,
) -> Result<Handle, ListenError> {
    let (handle, changes) = launch(config, load, clock, shutdown)?;
    // Watched until everything is drained: a held request may still be waiting for its pod.
    tokio::spawn(watch::run(client, resolve, changes, handle.stopped.clone()));
    Ok(handle)
}

/// Everything but the watches: whoever holds the sender says what there is.
pub(crate) fn launch(
    config: Config,
    load: mpsc::Sender<LoadReport>,
    clock: Clock,
    shutdown: Shutdown,
) -> Result<(Handle, mpsc::Sender<Change>), ListenError> {
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    let count = config.threads.unwrap_or_else(cores).max(1);
    let (public, local) = (config.public.address(), config.local.address());
    let (public_sockets, local_sockets) =
        (config.public.listen(count)?, config.local.listen(count)?);
    let signal = Arc::new(ReportSignal::default());
    let registry = Arc::new(Registry::new(Arc::clone(&signal)));
    let shared = Arc::new(Shared::new());
    let stopped = Shutdown::new();
    let (changes, feed) = mpsc::channel(CHANGES);
    let directory = Directory::new(Arc::clone(&shared), Arc::clone(&registry), clock);
    tokio::spawn(directory.run(feed, stopped.clone()));
    let reporter = Reporter {
        activator: config.name,
        epoch: u64::try_from(clock.now().as_millisecond()).unwrap_or_default(),
        began: clock.instant(),
        signal,
        registry: Arc::clone(&registry),
        reports: load,
        clock,
    };
    tokio::spawn(reporter.run(stopped.clone()));

    let (siblings, inboxes): (Vec<_>, Vec<_>) = (0..count)
        .map(|_| {
            let (inbox, accepted) = mpsc::channel(ACCEPTED);
            (Sibling::new(inbox), accepted)
        })
        .unzip();
    let siblings: Arc<[Sibling]> = siblings.into();
    let sockets = public_sockets.into_iter().zip(local_sockets).zip(inboxes);
    let mut ended = Vec::with_capacity(count);
    for (index, ((public, local), inbox)) in sockets.enumerate() {
        ended.push(spawn(Thread {
            index,
            siblings: Arc::clone(&siblings),
            inbox,
            listeners: [(Side::Public, public), (Side::Local, local)],
            shared: Arc::clone(&shared),
            shutdown: shutdown.clone(),
            drain: config.drain,
        })?);
    }
    let end = stopped.clone();
    tokio::spawn(async move {
        // A thread that broke has ended as well.
        let _ = join_all(ended).await;
        end.cancel();
    });
    Ok((Handle { shared, registry, public, local, stopped }, changes))
}

/// A data thread; the receiver hears when it ended.
fn spawn(thread: Thread) -> Result<oneshot::Receiver<()>, ListenError> {
    let (end, ended) = oneshot::channel::<()>();
    let refused = |source| ListenError::Thread { source };
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(refused)?;
    let name = format!("data-{}", thread.index);
    let body = move || {
        LocalSet::new().block_on(&runtime, thread::run(thread));
        drop(end);
    };
    std::thread::Builder::new().name(name).spawn(body).map_err(refused)?;
    Ok(ended)
}
