//! A data thread: accepts connections and serves HTTP/1.1 and h2c on the same port.
//!
//! Everything of a connection stays on its thread. A new one goes to the thread that has the
//! fewest, since the kernel's choice is uneven for few clients.

use std::future::Future;
use std::net::{IpAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rouse_kit::Shutdown;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_util::task::TaskTracker;

use crate::control::Shared;
use crate::handle::handle;
use crate::headers::Client;
use crate::pool::{self, Pool};
use crate::route_table::Side;

/// How every HTTP/2 connection with prior knowledge begins.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// How long a client may be silent between requests, or take to send a head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(75);
/// Largest head; beyond it the answer is 431. hyper gives it, as it gives 400 to what is no HTTP,
/// without a body and before anything of ours hears of the request.
const HEAD_MAX: usize = 64 * 1024;
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 1 << 22;
const STREAMS_MAX: u32 = 250;
/// After accept failed, for lack of file descriptors most likely.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// Runs hyper's own tasks where they came from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LocalExec;

impl<F: Future + 'static> hyper::rt::Executor<F> for LocalExec {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(async move {
            let _ = future.await;
        });
    }
}

/// A connection handed from one thread to another.
pub(crate) type Handed = (std::net::TcpStream, IpAddr, Side);

/// One thread as the others see it.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) connections: AtomicUsize,
    pub(crate) inbox: mpsc::Sender<Handed>,
}

/// What a thread is given.
pub(crate) struct Thread {
    pub(crate) index: usize,
    pub(crate) seats: Arc<[Seat]>,
    pub(crate) inbox: mpsc::Receiver<Handed>,
    pub(crate) listeners: [(Side, TcpListener); 2],
    pub(crate) shared: Arc<Shared>,
    pub(crate) shutdown: Shutdown,
    pub(crate) drain: Duration,
}

/// What all connections of a thread share.
pub(crate) struct Worker {
    pub(crate) shared: Arc<Shared>,
    pub(crate) pool: Rc<Pool>,
    /// Connections and tunnels, to be waited for at the end.
    pub(crate) tasks: TaskTracker,
    index: usize,
    seats: Arc<[Seat]>,
    shutdown: Shutdown,
}

/// One client connection.
pub(crate) struct Peer {
    pub(crate) worker: Rc<Worker>,
    pub(crate) side: Side,
    pub(crate) client: Client,
}

/// Serves until shutdown, then lets what is in flight finish within the bound.
pub(crate) async fn run(thread: Thread) {
    let Thread { index, seats, mut inbox, listeners, shared, shutdown, drain } = thread;
    let worker = Rc::new(Worker {
        pool: Rc::new(Pool::default()),
        tasks: TaskTracker::new(),
        shared,
        index,
        seats,
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
            while let Some((stream, ip, side)) = inbox.recv().await {
                if let Ok(stream) = TcpStream::from_std(stream) {
                    begin(&worker, stream, ip, side);
                }
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
            Ok((stream, from)) => seat(&worker, stream, from.ip(), side),
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Gives a connection to the thread with the fewest.
fn seat(worker: &Rc<Worker>, stream: TcpStream, ip: IpAddr, side: Side) {
    let load = |seat: &Seat| seat.connections.load(Ordering::Relaxed);
    let own = load(&worker.seats[worker.index]);
    let emptiest = worker.seats.iter().min_by_key(|seat| load(seat));
    let Some(other) = emptiest.filter(|other| load(other) < own) else {
        worker.seats[worker.index].connections.fetch_add(1, Ordering::Relaxed);
        begin(worker, stream, ip, side);
        return;
    };
    let Ok(stream) = stream.into_std() else { return };
    other.connections.fetch_add(1, Ordering::Relaxed);
    if let Err(refused) = other.inbox.try_send((stream, ip, side)) {
        other.connections.fetch_sub(1, Ordering::Relaxed);
        worker.seats[worker.index].connections.fetch_add(1, Ordering::Relaxed);
        let (stream, ip, side) = refused.into_inner();
        if let Ok(stream) = TcpStream::from_std(stream) {
            begin(worker, stream, ip, side);
        }
    }
}

/// Counts a connection out of its thread.
struct Seated(Rc<Worker>);

impl Drop for Seated {
    fn drop(&mut self) {
        self.0.seats[self.0.index].connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Starts serving a connection that is counted already.
fn begin(worker: &Rc<Worker>, stream: TcpStream, ip: IpAddr, side: Side) {
    let seated = Seated(Rc::clone(worker));
    let client = Client::new(ip);
    let peer = Rc::new(Peer { worker: Rc::clone(worker), side, client });
    worker.tasks.spawn_local(async move {
        connection(peer, stream).await;
        drop(seated);
    });
}

async fn connection(peer: Rc<Peer>, stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let shutdown = peer.worker.shutdown.clone();
    let first = timeout(HEAD_TIMEOUT, speaks_h2(&stream));
    let Some(Ok(Ok(h2))) = shutdown.run_until_cancelled(first).await else { return };
    let service = service_fn(move |request| handle(Rc::clone(&peer), request));
    let io = TokioIo::new(stream);
    // Errors here are the client's: it went away or did not speak HTTP.
    if h2 {
        let serving = http2::Builder::new(LocalExec)
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_concurrent_streams(STREAMS_MAX)
            .max_header_list_size(HEAD_MAX as u32)
            .serve_connection(io, service);
        let mut serving = std::pin::pin!(serving);
        tokio::select! {
            _ = serving.as_mut() => return,
            () = shutdown.cancelled() => serving.as_mut().graceful_shutdown(),
        }
        let _ = serving.await;
    } else {
        let serving = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_header_size(HEAD_MAX)
            .serve_connection(io, service)
            .with_upgrades();
        let mut serving = std::pin::pin!(serving);
        tokio::select! {
            _ = serving.as_mut() => return,
            () = shutdown.cancelled() => serving.as_mut().graceful_shutdown(),
        }
        let _ = serving.await;
    }
}

/// Looks at the first bytes without taking them.
async fn speaks_h2(stream: &TcpStream) -> std::io::Result<bool> {
    let mut first = [0; PREFACE.len()];
    loop {
        let seen = stream.peek(&mut first).await?;
        if seen == 0 || first[..seen] != PREFACE[..seen] {
            return Ok(false);
        }
        if seen == PREFACE.len() {
            return Ok(true);
        }
        // A part of the preface: the rest is on its way, and peeking does not wait for it.
        sleep(Duration::from_millis(1)).await;
    }
}
