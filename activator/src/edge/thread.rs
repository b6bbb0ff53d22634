//! A data thread: accepts connections and serves HTTP/1.1 and h2c on the same port.
//!
//! Everything of a connection stays on its thread. A new one goes to the thread that has the
//! fewest, since the kernel's choice is uneven for few clients.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rouse_kit::{Shutdown, Tasks, files};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::task::TaskTracker;

use crate::control::shared::Shared;
use crate::edge::capacity::Capacity;
use crate::edge::connection;
use crate::edge::tls::Tls;
use crate::edge::worker::{
    Accepted, Accepting, ConnectionCount, Entry, Kinds, Peer, Sibling, Worker,
};
use crate::observe::record::Observers;
use crate::transport::headers::Client;
use crate::transport::pool::{self, Pool};

/// Pause after a failed accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);
/// Interval at which room for a new client is checked: about the time of a few short requests.
const ROOM_PAUSE: Duration = Duration::from_millis(5);

/// The parts of a thread that is not running yet.
pub(crate) struct Thread {
    pub(crate) index: usize,
    pub(crate) siblings: Arc<[Sibling]>,
    pub(crate) inbox: mpsc::Receiver<Accepted>,
    pub(crate) public: std::net::TcpListener,
    pub(crate) local: std::net::TcpListener,
    pub(crate) https: Option<(std::net::TcpListener, Tls)>,
    pub(crate) accepting: Arc<Accepting>,
    pub(crate) capacity: Arc<Capacity>,
    pub(crate) observers: Observers,
    pub(crate) shared: Arc<Shared>,
    pub(crate) tasks: Tasks,
    pub(crate) shutdown: Shutdown,
    pub(crate) drain: Duration,
}

/// Serves until shutdown, then lets requests in flight finish within `drain`.
pub(crate) async fn run(thread: Thread) {
    let Thread { index, siblings, inbox, public, local, https, accepting, capacity, .. } = thread;
    let Thread { observers, shared, tasks, shutdown, drain, .. } = thread;
    let (https, tls) = https.unzip();
    let worker = Rc::new(Worker {
        pool: Rc::new(Pool::new(&tasks, capacity.bounds.dial)),
        tasks: TaskTracker::new(),
        shared,
        index,
        siblings,
        kinds: Kinds::new(&tasks),
        accepting,
        capacity,
        observers,
        shutdown: shutdown.clone(),
        tls,
    });
    let serving = async {
        let public = accept(&worker, Entry::PUBLIC, public);
        let local = accept(&worker, Entry::LOCAL, local);
        let https = async {
            if let Some(https) = https {
                accept(&worker, Entry::HTTPS, https).await;
            }
        };
        let accept = async { tokio::join!(public, local, https, take_over_all(&worker, inbox)) };
        shutdown.run_until_cancelled(accept).await;
        worker.tasks.close();
        if timeout(drain, worker.tasks.wait()).await.is_err() {
            tracing::warn!(
                connections = worker.tasks.len(),
                "closed connections that did not finish in time"
            );
        }
    };
    // A panic in any of these ends the thread, and so the platform.
    tokio::select! {
        () = serving => {}
        () = pool::keep_swept(&worker.pool, worker.shared.left()) => {}
    }
}

async fn accept(worker: &Rc<Worker>, entry: Entry, listener: std::net::TcpListener) {
    // Until the tables are complete, connections wait in the kernel's backlog.
    worker.shared.ready().await;
    let listener = TcpListener::from_std(listener).expect("it is open and does not block");
    worker.accepting.started();
    let mut failing = false;
    loop {
        match listener.accept().await {
            Ok((stream, from)) => {
                if std::mem::take(&mut failing) {
                    worker.accepting.recovered();
                }
                worker.totals().accepted(entry.side);
                let open = files::open_with(&stream);
                worker.capacity.accepted(Instant::now());
                assign(worker, stream, from, entry);
                until_there_is_room(worker, &listener, open).await;
            }
            // The client is gone already. Other errors, as when descriptors run out, concern all
            // clients.
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                failing = true;
                worker.accepting.failed(&error);
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Waits while client connections or open files are at their bounds. `open` files were open when
/// the last client was accepted.
async fn until_there_is_room(worker: &Worker, listener: &TcpListener, open: u64) {
    let bounds = worker.capacity.bounds;
    let crowded = || open >= bounds.accept && files::open_now(listener) >= bounds.accept;
    while worker.clients() >= bounds.clients || crowded() {
        worker.capacity.reached("new clients wait to be accepted", Instant::now());
        sleep(ROOM_PAUSE).await;
    }
}

/// Serves the connections that other threads accepted for this one.
async fn take_over_all(worker: &Rc<Worker>, mut inbox: mpsc::Receiver<Accepted>) {
    while let Some(accepted) = inbox.recv().await {
        take_over(worker, accepted);
    }
}

/// Gives a connection to the thread with the fewest.
fn assign(worker: &Rc<Worker>, stream: TcpStream, from: SocketAddr, entry: Entry) {
    let own = worker.siblings[worker.index].connections();
    let emptiest = worker.siblings.iter().enumerate().min_by_key(|(_, other)| other.connections());
    let Some((index, other)) = emptiest.filter(|(_, other)| other.connections() < own) else {
        let counted = ConnectionCount::new(&worker.siblings, worker.index);
        begin(worker, stream, from, entry, counted);
        return;
    };
    let Ok(stream) = stream.into_std() else { return };
    let counted = ConnectionCount::new(&worker.siblings, index);
    if let Err(full) = other.inbox.try_send(Accepted { stream, from, entry, counted }) {
        let counted = ConnectionCount::new(&worker.siblings, worker.index);
        take_over(worker, Accepted { counted, ..full.into_inner() });
    }
}

/// Serves a connection that another thread accepted.
fn take_over(worker: &Rc<Worker>, accepted: Accepted) {
    let Accepted { stream, from, entry, counted } = accepted;
    if let Ok(stream) = TcpStream::from_std(stream) {
        begin(worker, stream, from, entry, counted);
    }
}

fn begin(
    worker: &Rc<Worker>,
    stream: TcpStream,
    from: SocketAddr,
    entry: Entry,
    counted: ConnectionCount,
) {
    let peer = Rc::new(Peer {
        worker: Rc::clone(worker),
        side: entry.side,
        secure: entry.secure,
        remote: from,
        client: Client::new(from.ip(), entry.secure),
        unread: Rc::default(),
        due: Rc::default(),
        stream_ends: Rc::default(),
    });
    let owner = Rc::clone(worker);
    #[expect(clippy::disallowed_methods, reason = "on this thread, watched by its kind")]
    worker.tasks.spawn_local(async move {
        let kind = &owner.kinds.connection;
        if entry.secure {
            // Boxed: the task of a plain connection stays as small as it is.
            kind.watch(Box::pin(connection::serve_tls(peer, stream))).await;
        } else {
            kind.watch(connection::serve(peer, stream)).await;
        }
        drop(counted);
    });
}
