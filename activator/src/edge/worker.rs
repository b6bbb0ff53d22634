//! State of a data thread that its connections and its sibling threads use.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use http::StatusCode;
use rouse_kit::{Part, Shutdown, TaskKind, Tasks};
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use crate::callers::denial::Denial;
use crate::control::shared::Shared;
use crate::edge::capacity::Capacity;
use crate::edge::tls::Tls;
use crate::observe::record::Observers;
use crate::state::routes::Side;
use crate::transport::due::Due;
use crate::transport::headers::Client;
use crate::transport::pool::Pool;
use crate::transport::stream_ends::StreamEnds;
use crate::transport::unread::Unread;

/// The kind of a listener.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) side: Side,
    /// Its connections speak TLS.
    pub(crate) secure: bool,
}

impl Entry {
    pub(crate) const PUBLIC: Self = Self { side: Side::Public, secure: false };
    pub(crate) const LOCAL: Self = Self { side: Side::Local, secure: false };
    pub(crate) const HTTPS: Self = Self { side: Side::Public, secure: true };
}

/// A connection that was accepted, and counted for the thread that is to serve it.
pub(crate) struct Accepted {
    pub(crate) stream: std::net::TcpStream,
    pub(crate) from: SocketAddr,
    pub(crate) entry: Entry,
    pub(crate) counted: ConnectionCount,
}

/// The part of a data thread that the others use.
#[derive(Debug)]
pub(crate) struct Sibling {
    connections: AtomicUsize,
    pub(crate) inbox: mpsc::Sender<Accepted>,
    pub(crate) totals: ThreadTotals,
}

/// Counters of a thread that belong to no revision. Only the thread itself writes them.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct ThreadTotals {
    accepted: [AtomicU64; 2],
    unrouted: [AtomicU64; UNROUTED.len()],
    denied: [AtomicU64; Denial::REASONS.len()],
}

/// The codes of answers to requests for which no revision was found.
pub(crate) const UNROUTED: [StatusCode; 2] = [StatusCode::BAD_REQUEST, StatusCode::NOT_FOUND];

impl ThreadTotals {
    pub(crate) fn accepted(&self, side: Side) {
        self.accepted[side as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn unrouted(&self, status: StatusCode) {
        if let Some(index) = UNROUTED.iter().position(|code| *code == status) {
            self.unrouted[index].fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn denied(&self, denial: &Denial) {
        self.denied[denial.index()].fetch_add(1, Ordering::Relaxed);
    }

    /// Requests of callers who were refused for `Denial::REASONS[index]`.
    pub(crate) fn denied_for(&self, index: usize) -> u64 {
        self.denied[index].load(Ordering::Relaxed)
    }

    /// Connections accepted on this side.
    pub(crate) fn accepted_on(&self, side: Side) -> u64 {
        self.accepted[side as usize].load(Ordering::Relaxed)
    }

    /// Requests without a route, answered with `UNROUTED[index]`.
    pub(crate) fn unrouted_with(&self, index: usize) -> u64 {
        self.unrouted[index].load(Ordering::Relaxed)
    }
}

impl Sibling {
    pub(crate) fn new(inbox: mpsc::Sender<Accepted>) -> Self {
        Self { connections: AtomicUsize::new(0), inbox, totals: ThreadTotals::default() }
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

/// Counts one connection for a thread; counted out on drop.
pub(crate) struct ConnectionCount {
    siblings: Arc<[Sibling]>,
    index: usize,
}

impl ConnectionCount {
    pub(crate) fn new(siblings: &Arc<[Sibling]>, index: usize) -> Self {
        siblings[index].connections.fetch_add(1, Ordering::Relaxed);
        Self { siblings: Arc::clone(siblings), index }
    }
}

impl Drop for ConnectionCount {
    fn drop(&mut self) {
        self.siblings[self.index].connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// State that all connections of a thread share.
pub(crate) struct Worker {
    pub(crate) shared: Arc<Shared>,
    pub(crate) pool: Rc<Pool>,
    /// Connections and tunnels, waited for at shutdown.
    pub(crate) tasks: TaskTracker,
    pub(crate) index: usize,
    pub(crate) siblings: Arc<[Sibling]>,
    pub(crate) kinds: Kinds,
    pub(crate) accepting: Arc<Accepting>,
    pub(crate) capacity: Arc<Capacity>,
    pub(crate) observers: Observers,
    pub(crate) shutdown: Shutdown,
    /// Where there is an https listener.
    pub(crate) tls: Option<Tls>,
}

impl Worker {
    pub(crate) fn totals(&self) -> &ThreadTotals {
        &self.siblings[self.index].totals
    }

    /// Clients that are connected, over all threads.
    pub(crate) fn clients(&self) -> usize {
        self.siblings.iter().map(Sibling::connections).sum()
    }
}

/// The kinds of tasks of a data thread; a panic in one is counted and ends only that task.
pub(crate) struct Kinds {
    pub(crate) connection: TaskKind,
    /// A request of an HTTP/2 connection.
    pub(crate) stream: Rc<TaskKind>,
    pub(crate) tunnel: TaskKind,
}

impl Kinds {
    pub(crate) fn new(tasks: &Tasks) -> Self {
        Self {
            connection: tasks.kind("connection"),
            stream: Rc::new(tasks.kind("stream")),
            tunnel: tasks.kind("tunnel"),
        }
    }
}

/// Whether all listeners accept, as the health of the gateway.
#[derive(Debug)]
pub(crate) struct Accepting {
    part: Part,
    /// Listeners that do not accept yet.
    starting: AtomicUsize,
}

impl Accepting {
    pub(crate) fn new(part: Part, listeners: usize) -> Self {
        Self { part, starting: AtomicUsize::new(listeners) }
    }

    /// One more listener accepts.
    pub(crate) fn started(&self) {
        if self.starting.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.part.ready();
        }
    }

    pub(crate) fn failed(&self, error: &std::io::Error) {
        self.part.not_ready(format!("connections cannot be accepted: {error}"));
    }

    pub(crate) fn recovered(&self) {
        self.part.ready();
    }
}

/// One client connection.
pub(crate) struct Peer {
    pub(crate) worker: Rc<Worker>,
    pub(crate) side: Side,
    /// It came over TLS.
    pub(crate) secure: bool,
    pub(crate) remote: SocketAddr,
    pub(crate) client: Client,
    pub(crate) unread: Rc<Unread>,
    pub(crate) due: Rc<Due>,
    pub(crate) stream_ends: Rc<StreamEnds>,
}
