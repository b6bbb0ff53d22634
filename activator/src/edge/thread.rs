//! A data thread: accepts connections and serves HTTP/1.1 and h2c on the same port.
//!
//! Everything of a connection stays on its thread. A new one goes to the thread that has the
//! fewest, since the kernel's choice is uneven for few clients.

use std::net::{IpAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rouse_kit::Shutdown;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_util::task::TaskTracker;

use crate::control::shared::Shared;
use crate::edge::connection;
use crate::edge::worker::{Accepted, ConnectionCount, Peer, Sibling, Worker};
use crate::state::routes::Side;
use crate::transport::headers::Client;
use crate::transport::pool::{self, Pool};

/// After accept failed, for lack of file descriptors most likely.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// What a thread is given.
pub(crate) struct Thread {
    pub(crate) index: usize,
    pub(crate) siblings: Arc<[Sibling]>,
    pub(crate) inbox: mpsc::Receiver<Accepted>,
    pub(crate) listeners: [(Side, TcpListener); 2],
    pub(crate) shared: Arc<Shared>,
    pub(crate) shutdown: Shutdown,
    pub(crate) drain: Duration,
}

/// Serves until shutdown, then lets what is in flight finish within the bound.
pub(crate) async fn run(thread: Thread) {
    let Thread { index, siblings, mut inbox, listeners, shared, shutdown, drain } = thread;
    let worker = Rc::new(Worker {
        pool: Rc::new(Pool::default()),
        tasks: TaskTracker::new(),
        shared,
        index,
        siblings,
        shutdown: shutdown.clone(),
    });
    let sweeper =
        tokio::task::spawn_local(pool::keep_swept(Rc::clone(&worker.pool), worker.shared.left()));
    let accepting = listeners.map(|(side, listener)| {
        let (worker, shutdown) = (Rc::clone(&worker), shutdown.clone());
        tokio::task::spawn_local(async move {
            shutdown.run_until_cancelled(accept(worker, side, listener)).await;
        })
    });
    shutdown
        .run_until_cancelled(async {
            while let Some(accepted) = inbox.recv().await {
                take_over(&worker, accepted);
            }
        })
        .await;
    for accepting in accepting {
        let _ = accepting.await;
    }
    worker.tasks.close();
    if timeout(drain, worker.tasks.wait()).await.is_err() {
        tracing::warn!(connections = worker.tasks.len(), "closed what did not finish in time");
    }
    sweeper.abort();
}

async fn accept(worker: Rc<Worker>, side: Side, listener: TcpListener) {
    // Until the tables are complete, connections wait in the kernel's backlog.
    worker.shared.ready().await;
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, "cannot use a listener");
            return;
        }
    };
    loop {
        match listener.accept().await {
            Ok((stream, from)) => assign(&worker, stream, from.ip(), side),
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Gives a connection to the thread with the fewest.
fn assign(worker: &Rc<Worker>, stream: TcpStream, ip: IpAddr, side: Side) {
    let own = worker.siblings[worker.index].connections();
    let emptiest = worker.siblings.iter().enumerate().min_by_key(|(_, other)| other.connections());
    let Some((index, other)) = emptiest.filter(|(_, other)| other.connections() < own) else {
        let counted = ConnectionCount::new(&worker.siblings, worker.index);
        begin(worker, stream, ip, side, counted);
        return;
    };
    let Ok(stream) = stream.into_std() else { return };
    let counted = ConnectionCount::new(&worker.siblings, index);
    if let Err(full) = other.inbox.try_send(Accepted { stream, ip, side, counted }) {
        let counted = ConnectionCount::new(&worker.siblings, worker.index);
        take_over(worker, Accepted { counted, ..full.into_inner() });
    }
}

/// Serves a connection that another thread accepted.
fn take_over(worker: &Rc<Worker>, accepted: Accepted) {
    let Accepted { stream, ip, side, counted } = accepted;
    if let Ok(stream) = TcpStream::from_std(stream) {
        begin(worker, stream, ip, side, counted);
    }
}

fn begin(worker: &Rc<Worker>, stream: TcpStream, ip: IpAddr, side: Side, counted: ConnectionCount) {
    let peer = Rc::new(Peer { worker: Rc::clone(worker), side, client: Client::new(ip) });
    worker.tasks.spawn_local(async move {
        connection::serve(peer, stream).await;
        drop(counted);
    });
}
