//! An activator of its own for each test, and what it takes to talk through it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rouse_api::load::LoadReport;
use rouse_api::routing::{self, Routing};
use rouse_kit::{Clock, Shutdown};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};

use crate::Config;
use crate::control::change::Change;
use crate::start::{Handle, launch};
use crate::state::keys::{PodKey, RevisionKey, RouteKey, RouteKind};
use crate::state::readiness::{Check, PodFacts};
use crate::state::settings::Settings;

pub(super) const HOST: &str = "hello.default.localhost";
pub(super) const LOCAL: &str = "hello.default.svc.cluster.local";
pub(super) const REVISION: &str = "hello-00001";
/// No test waits longer for anything.
pub(super) const SOON: Duration = Duration::from_secs(20);

pub(super) type Reply = Response<BoxBody<Bytes, hyper::Error>>;

pub(super) struct Stage {
    pub(super) handle: Handle,
    pub(super) changes: mpsc::Sender<Change>,
    pub(super) load: mpsc::Receiver<LoadReport>,
    pub(super) shutdown: Shutdown,
    version: i64,
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// A configuration at free ports of the loopback.
pub(super) fn free() -> Config {
    let reserve = || crate::Reserved::new(([127, 0, 0, 1], 0).into()).expect("a free port");
    Config::new(reserve(), reserve())
}

/// An activator with one host, one revision and no pods.
pub(super) async fn stage(settings: Settings) -> Stage {
    let (reports, load) = mpsc::channel(64);
    let shutdown = Shutdown::new();
    let config = Config { threads: Some(2), drain: Duration::from_secs(5), ..free() };
    let (handle, changes) =
        launch(config, reports, Clock::system(), shutdown.clone()).expect("free ports");
    let mut stage = Stage { handle, changes, load, shutdown, version: 0 };
    stage.revision(REVISION, settings).await;
    stage.tell(Change::Complete).await;
    stage.split(&[(REVISION, 100)]).await;
    stage
}

impl Stage {
    pub(super) async fn tell(&self, change: Change) {
        self.changes.send(change).await.expect("the control task runs");
    }

    pub(super) async fn revision(&self, name: &str, settings: Settings) {
        self.tell(Change::Revision(RevisionKey::new("default", name), Some(settings))).await;
    }

    /// Sets the shares of the host and waits until they are served.
    pub(super) async fn split(&mut self, split: &[(&str, u8)]) {
        self.version += 1;
        let share = |(revision, percent): &(&str, u8)| routing::Share {
            revision: (*revision).to_owned(),
            percent: *percent,
            headers: [("x-share".to_owned(), percent.to_string())].into(),
        };
        let host = routing::Host {
            public: vec![HOST.to_owned()],
            local: vec![LOCAL.to_owned()],
            split: split.iter().map(share).collect(),
            ..Default::default()
        };
        let routing = Routing { version: self.version, hosts: vec![host] };
        let key = RouteKey {
            kind: RouteKind::Route,
            namespace: "default".to_owned(),
            name: "hello".to_owned(),
        };
        self.tell(Change::Route(key, Some(routing))).await;
        self.handle.served("default", "hello", self.version).await;
    }

    pub(super) async fn pod(&self, name: &str, facts: PodFacts) {
        self.tell(Change::Pod(pod_key(name), Some(facts))).await;
    }

    pub(super) async fn no_pod(&self, name: &str) {
        self.tell(Change::Pod(pod_key(name), None)).await;
    }

    /// Waits until what the stage has to do is as `wanted`.
    pub(super) async fn until(&self, wanted: impl Fn(crate::Stats) -> bool) {
        let looking = async {
            while !wanted(self.handle.stats()) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(SOON, looking)
            .await
            .unwrap_or_else(|_| panic!("it came to {:?}", self.handle.stats()));
    }

    pub(super) async fn client(&self) -> Client {
        Client::connect(self.handle.public_addr()).await
    }

    /// One GET over a connection of its own.
    pub(super) async fn get(&self) -> (StatusCode, String) {
        let mut client = self.client().await;
        let response = client.send(get("/")).await.expect("an answer");
        read(response).await
    }
}

pub(super) fn pod_key(name: &str) -> PodKey {
    PodKey { namespace: "default".to_owned(), name: name.to_owned() }
}

/// A pod of the first revision at `address`, probed by TCP.
pub(super) fn pod_at(address: SocketAddr) -> PodFacts {
    PodFacts {
        revision: RevisionKey::new("default", REVISION),
        uid: address.to_string(),
        bound: true,
        address: Some(address),
        check: Check::Tcp { address },
        leaving: false,
        draining: false,
        ready: false,
        trouble: None,
    }
}

/// One HTTP/1.1 client connection.
pub(super) struct Client(hyper::client::conn::http1::SendRequest<Full<Bytes>>);

impl Client {
    pub(super) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("it listens");
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .expect("a connection");
        tokio::spawn(connection.with_upgrades());
        Self(sender)
    }

    pub(super) async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> hyper::Result<Response<Incoming>> {
        self.0.ready().await?;
        tokio::time::timeout(SOON, self.0.send_request(request)).await.expect("an answer in time")
    }
}

pub(super) fn get(path: &str) -> Request<Full<Bytes>> {
    Request::get(path).header("host", HOST).body(Full::default()).expect("a request")
}

pub(super) fn post(body: &'static str) -> Request<Full<Bytes>> {
    Request::post("/").header("host", HOST).body(Full::from(body)).expect("a request")
}

pub(super) async fn read(response: Response<Incoming>) -> (StatusCode, String) {
    let status = response.status();
    let bytes = response.into_body().collect().await.expect("a whole body").to_bytes();
    (status, String::from_utf8(bytes.to_vec()).expect("text"))
}

/// A server whose every answer `answer` makes; HTTP/1.1 and h2c.
pub(super) async fn server<F, A>(answer: F) -> SocketAddr
where
    F: Fn(Request<Incoming>) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Reply> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(serve(listener, answer));
    address
}

pub(super) async fn serve<F, A>(listener: TcpListener, answer: F)
where
    F: Fn(Request<Incoming>) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Reply> + Send + 'static,
{
    while let Ok((stream, _)) = listener.accept().await {
        let answer = answer.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let answered = answer(request);
                async move { Ok::<_, std::convert::Infallible>(answered.await) }
            });
            let builder = auto::Builder::new(TokioExecutor::new());
            let _ = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).await;
        });
    }
}

/// A server that always says `word`.
pub(super) async fn says(word: &'static str) -> SocketAddr {
    server(move |_| async move { text(word) }).await
}

pub(super) fn text(word: impl Into<Bytes>) -> Reply {
    Response::new(Full::new(word.into()).map_err(|never| match never {}).boxed())
}

/// Lets a test decide when requests in a pod go on.
#[derive(Clone)]
pub(super) struct Gate(Arc<Semaphore>);

impl Gate {
    pub(super) fn shut() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }

    pub(super) fn let_through(&self, count: usize) {
        self.0.add_permits(count);
    }

    pub(super) async fn pass(&self) {
        self.0.acquire().await.expect("never closed").forget();
    }
}
