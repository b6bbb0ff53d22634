//! A data thread as its connections and its siblings see it.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rouse_kit::{Part, Shutdown, TaskKind, Tasks};
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use crate::control::shared::Shared;
use crate::state::routes::Side;
use crate::transport::headers::Client;
use crate::transport::pool::Pool;

/// A connection that was accepted, and counted for the thread that is to serve it.
pub(crate) struct Accepted {
    pub(crate) stream: std::net::TcpStream,
    pub(crate) ip: IpAddr,
    pub(crate) side: Side,
    pub(crate) counted: ConnectionCount,
}

/// One data thread as the others see it.
#[derive(Debug)]
pub(crate) struct Sibling {
    connections: AtomicUsize,
    pub(crate) inbox: mpsc::Sender<Accepted>,
}

impl Sibling {
    pub(crate) fn new(inbox: mpsc::Sender<Accepted>) -> Self {
        Self { connections: AtomicUsize::new(0), inbox }
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

/// What all connections of a thread share.
pub(crate) struct Worker {
    pub(crate) shared: Arc<Shared>,
    pub(crate) pool: Rc<Pool>,
    /// Connections and tunnels, to be waited for at the end.
    pub(crate) tasks: TaskTracker,
    pub(crate) index: usize,
    pub(crate) siblings: Arc<[Sibling]>,
    pub(crate) kinds: Kinds,
    pub(crate) accepting: Arc<Accepting>,
    pub(crate) shutdown: Shutdown,
}

/// The kinds of tasks of a data thread; a panic in one is counted and let go.
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
    pub(crate) client: Client,
}
