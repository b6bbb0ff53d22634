//! Connections to pods, kept for the next request. One pool per data thread: no locks.
//!
//! HTTP/1.1 connections wait in a stack per pod, so that the most recently used is taken first and
//! the others reach their idle timeout. An h2c pod has one connection per thread, which all
//! requests share.

use std::cell::RefCell;
use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use hyper::client::conn::{http1, http2};
use hyper_util::rt::TokioIo;
use rouse_kit::{TaskKind, Tasks, files};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::state::pod::Pod;
use crate::transport::exec::LocalExec;
use crate::transport::pod_stream::{PodStream, Traffic};
use crate::transport::request_body::Outgoing;

/// Idle connections kept per pod and thread; more are closed at once.
const IDLE_MAX: usize = 128;
/// How long an idle connection is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// Up to this age an idle connection is trusted with a request that cannot be sent again. Servers
/// close idle connections after 2 s (gunicorn) or 5 s (node, uvicorn), and such a close would
/// cross the request.
const TRUSTED_AGE: Duration = Duration::from_secs(1);
/// A pod that takes longer to accept counts as unreachable.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Bytes of a request, or of the head of an answer, that wait within a connection.
const BUFFER_MAX: usize = 64 * 1024;
/// Bytes of an answer that a pod may send over h2c before its client takes them.
const STREAM_WINDOW: u32 = 24 * 1024;
/// The largest that HTTP/2 allows: clients share the connection, and those that do not read may not
/// block the others. Each stream has a bound of its own.
const CONNECTION_WINDOW: u32 = (1 << 31) - 1;

/// An HTTP/1.1 connection to a pod.
#[derive(Debug)]
pub(crate) struct Conn {
    pub(crate) sender: http1::SendRequest<Outgoing>,
    pub(crate) traffic: Arc<Traffic>,
    idle_since: Instant,
}

/// One thread's connections.
#[derive(Debug)]
pub(crate) struct Pool {
    idle: RefCell<HashMap<u64, Idle>>,
    shared: RefCell<HashMap<u64, Shared>>,
    /// The tasks that drive connections.
    driver: Rc<TaskKind>,
    /// Open files at which no connection is made: the rest of the process needs some.
    files_max: u64,
}

/// A pod's h2c connection; clones of the sender share it.
type Shared = (Arc<Pod>, http2::SendRequest<Outgoing>);

#[derive(Debug)]
struct Idle {
    pod: Arc<Pod>,
    stack: Vec<Conn>,
}

impl Pool {
    pub(crate) fn new(tasks: &Tasks, files_max: u64) -> Self {
        let driver = Rc::new(tasks.kind("pod-connection"));
        Self { idle: RefCell::default(), shared: RefCell::default(), driver, files_max }
    }

    /// Drives a connection on this thread until it ends. A request that waits for an answer gets
    /// the error; an idle connection just ends.
    fn drive<E>(&self, connection: impl Future<Output = Result<(), E>> + 'static) {
        let driver = Rc::clone(&self.driver);
        #[expect(clippy::disallowed_methods, reason = "on this thread, watched by its kind")]
        tokio::task::spawn_local(async move {
            driver.watch(async { drop(connection.await) }).await;
        });
    }

    /// The idle connection that was used last. For a request that cannot be repeated, only a young
    /// one.
    pub(crate) fn take(&self, pod: &Pod, repeatable: bool) -> Option<Conn> {
        let mut idle = self.idle.borrow_mut();
        let stack = &mut idle.get_mut(&pod.id)?.stack;
        let mut at = stack.len();
        while at > 0 {
            at -= 1;
            let conn = &stack[at];
            if conn.sender.is_closed() {
                stack.remove(at);
            } else if conn.sender.is_ready() {
                if !repeatable && conn.idle_since.elapsed() > TRUSTED_AGE {
                    return None;
                }
                return Some(stack.remove(at));
            }
            // Neither: its last request is still being read; it will be ready in a moment.
        }
        None
    }

    pub(crate) fn put(&self, pod: &Arc<Pod>, mut conn: Conn) {
        if pod.is_gone() || conn.sender.is_closed() || conn.traffic.takes_no_more() {
            return;
        }
        conn.idle_since = Instant::now();
        let mut idle = self.idle.borrow_mut();
        let entry =
            idle.entry(pod.id).or_insert_with(|| Idle { pod: Arc::clone(pod), stack: Vec::new() });
        if entry.stack.len() < IDLE_MAX {
            entry.stack.push(conn);
        }
    }

    /// A new connection.
    pub(crate) async fn connect(&self, pod: &Pod) -> io::Result<Conn> {
        let stream = self.dial(pod).await?;
        let traffic = Arc::new(Traffic::default());
        let io = TokioIo::new(PodStream::new(stream, Arc::clone(&traffic)));
        let (sender, connection) = http1_builder().handshake(io).await.map_err(io::Error::other)?;
        self.drive(connection.with_upgrades());
        Ok(Conn { sender, traffic, idle_since: Instant::now() })
    }

    /// The shared h2c connection, made if there is none.
    pub(crate) async fn share(&self, pod: &Arc<Pod>) -> io::Result<http2::SendRequest<Outgoing>> {
        if let Some((_, sender)) = self.shared.borrow().get(&pod.id)
            && !sender.is_closed()
        {
            return Ok(sender.clone());
        }
        let stream = self.dial(pod).await?;
        let (sender, connection) = http2_builder(LocalExec::new(Rc::clone(&self.driver)))
            .handshake(TokioIo::new(stream))
            .await
            .map_err(io::Error::other)?;
        self.drive(connection);
        self.shared.borrow_mut().insert(pod.id, (Arc::clone(pod), sender.clone()));
        Ok(sender)
    }

    /// A stream to a pod. Idle connections are closed if files are short.
    async fn dial(&self, pod: &Pod) -> io::Result<TcpStream> {
        match dial(pod, self.files_max).await {
            Err(error) if files::is_exhausted(&error) => {
                self.idle.borrow_mut().clear();
                // Their tasks close them.
                tokio::task::yield_now().await;
                dial(pod, self.files_max).await
            }
            dialled => dialled,
        }
    }

    /// Closes connections that are too old or whose pod is gone.
    pub(crate) fn sweep(&self) {
        let now = Instant::now();
        self.idle.borrow_mut().retain(|_, idle| {
            let gone = idle.pod.is_gone();
            idle.stack.retain(|conn| {
                !gone && !conn.sender.is_closed() && now - conn.idle_since < IDLE_TIMEOUT
            });
            !idle.stack.is_empty()
        });
        self.shared.borrow_mut().retain(|_, (pod, sender)| !pod.is_gone() && !sender.is_closed());
    }
}

/// Sweeps periodically, and at once when a pod left.
pub(crate) async fn keep_swept(pool: &Pool, mut left: tokio::sync::watch::Receiver<u64>) {
    let mut tick = tokio::time::interval(IDLE_TIMEOUT / 6);
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            changed = left.changed() => if changed.is_err() { return },
        }
        pool.sweep();
    }
}

/// HTTP/1.1 to pods.
pub(crate) fn http1_builder() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.max_buf_size(BUFFER_MAX);
    builder
}

/// h2c to pods.
pub(crate) fn http2_builder<E: Clone>(exec: E) -> http2::Builder<E> {
    let mut builder = http2::Builder::new(exec);
    builder
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(BUFFER_MAX);
    builder
}

async fn dial(pod: &Pod, files_max: u64) -> io::Result<TcpStream> {
    let stream = timeout(CONNECT_TIMEOUT, TcpStream::connect(pod.address)).await??;
    if files::open_with(&stream) >= files_max {
        return Err(files::exhausted());
    }
    stream.set_nodelay(true)?;
    Ok(stream)
}
