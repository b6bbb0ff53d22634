//! The interface between the agent and the container runtimes.
//!
//! A runtime starts one container at a time and says how it is reached and how it ended. Restarts,
//! probes, statuses and Events are the agent's, so that they are the same for every runtime.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;

use crate::images::LocalImage;
use crate::logs::LogWriter;
use crate::spec::{Automount, Mount, PodRef, Security};

/// One container to start, with all values resolved and defaulted.
#[derive(Clone)]
pub struct ContainerSpec {
    pub pod: PodRef,
    pub container: String,
    /// How often this container was started before.
    pub restarts: i32,
    pub image: Arc<LocalImage>,
    pub command: Vec<String>,
    pub args: Vec<String>,
    /// The pod's variables; the image's own come before them.
    pub env: Vec<(String, String)>,
    pub working_dir: Option<String>,
    pub ports: Vec<u16>,
    /// All ports of its pod, if several containers of it run beside each other and share an address.
    pub pod_ports: Option<Vec<u16>>,
    /// The addresses that `reserve` returned.
    pub reserved: BTreeMap<u16, SocketAddr>,
    pub mounts: Vec<Mount>,
    pub memory_limit: Option<u64>,
    pub cpu_limit_millis: Option<u64>,
    /// Its share when CPUs are short.
    pub cpu_request_millis: Option<u64>,
    pub security: Security,
    pub grace: Duration,
    pub log: LogWriter,
}

impl ContainerSpec {
    /// A container of `pod` that runs `command` and asks for nothing else.
    #[must_use]
    pub fn new(pod: PodRef, image: Arc<LocalImage>, command: &[&str], log: LogWriter) -> Self {
        Self {
            pod,
            container: "user".to_owned(),
            restarts: 0,
            image,
            command: command.iter().map(|&word| word.to_owned()).collect(),
            args: Vec::new(),
            env: Vec::new(),
            working_dir: None,
            ports: Vec::new(),
            pod_ports: None,
            reserved: BTreeMap::new(),
            mounts: Vec::new(),
            memory_limit: None,
            cpu_limit_millis: None,
            cpu_request_millis: None,
            security: Security::default(),
            grace: Duration::from_secs(1),
            log,
        }
    }
}

/// A container that runs.
pub struct Started {
    /// With the runtime's scheme, as in `containerStatuses`: `process://…`.
    pub id: String,
    pub ip: Option<IpAddr>,
    /// Addresses of ports that are not reached at `ip:port`.
    pub addresses: BTreeMap<u16, SocketAddr>,
    /// A scripted container serves nothing: its probes count as passed after this long.
    pub ready_after: Option<Duration>,
    /// Resolves once, when the container has ended and its output was read.
    pub exit: BoxFuture<'static, Exit>,
}

/// How a container ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exit {
    /// 128 + the signal's number if a signal ended it, as container engines report it.
    pub code: i32,
    pub oom_killed: bool,
    pub message: Option<String>,
}

impl Exit {
    /// The code of a container whose end is unknown.
    pub const UNKNOWN_CODE: i32 = 255;

    /// An end of which only `message` is known.
    #[must_use]
    pub fn unknown(message: String) -> Self {
        Self { code: Self::UNKNOWN_CODE, oom_killed: false, message: Some(message) }
    }
}

/// A container's usage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// CPU time since its start.
    pub cpu: Duration,
    /// Memory that cannot be reclaimed from it.
    pub working_set_bytes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    Term,
    Kill,
}

/// Why a container was not started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The pod asks for something that this runtime does not have: nothing changes by trying again.
    #[error("{0}")]
    Unsupported(String),
    /// The container's own command, directory or user cannot be used.
    #[error("{0}")]
    Start(String),
    /// The engine behind the runtime failed.
    #[error("{what}: {why}")]
    Engine { what: &'static str, why: String },
}

/// Why the process runtime has no volumes on some hosts, as the end of a sentence.
pub const NO_MOUNTS: &str = "this host does not let the platform give processes a view of files of \
    their own (a mount namespace); rouse doctor says why; use --runtime docker, or environment \
    variables instead";

/// Properties of this runtime's pods; users read them in the node's status and in `doctor`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// `PORT` is given by the runtime and differs from the container port.
    pub remaps_port: bool,
    pub memory_limit: bool,
    pub cpu_limit: bool,
    pub security_context: bool,
    pub volumes: bool,
    /// Which pods get the files of their service account.
    pub automount: Automount,
    /// The node's capacity for pods.
    pub pods_max: u32,
}

/// Starts, signals and removes containers.
pub trait ContainerRuntime: Send + Sync + 'static {
    /// `process`, `docker`, `fake`.
    fn name(&self) -> &'static str;

    /// As in the node's `containerRuntimeVersion`, without the scheme.
    fn version(&self) -> String;

    fn capabilities(&self) -> Capabilities;

    /// The address at which pods reach listeners of this host, if they reach any.
    fn host_ip(&self) -> Option<IpAddr> {
        None
    }

    /// A runtime that runs nothing needs no image.
    fn needs_images(&self) -> bool {
        true
    }

    /// Ends and removes containers of an earlier run of the same data directory. Returns how many.
    fn end_survivors(&self) -> BoxFuture<'_, Result<usize, Error>>;

    /// Prepares an image for its containers; called at pull time, never on a cold start.
    fn prepare<'a>(&'a self, image: &'a LocalImage) -> BoxFuture<'a, Result<(), Error>>;

    /// The addresses of this container's `ports`, if they can be known before it is started.
    /// The same container gets the same answer until `release`.
    fn reserve(&self, pod: &PodRef, container: &str, ports: &[u16]) -> BTreeMap<u16, SocketAddr>;

    /// Releases the addresses that were reserved for a pod.
    fn release(&self, pod: &PodRef);

    fn start(&self, spec: ContainerSpec) -> BoxFuture<'_, Result<Started, Error>>;

    /// A container that has ended already is no error.
    fn signal<'a>(&'a self, id: &'a str, signal: Signal) -> BoxFuture<'a, Result<(), Error>>;

    /// Removes an ended container.
    fn remove<'a>(&'a self, id: &'a str) -> BoxFuture<'a, ()>;

    /// Runs a command in the container; returns its exit code and the head of its output.
    fn exec<'a>(
        &'a self,
        id: &'a str,
        command: &'a [String],
        limit: Duration,
    ) -> BoxFuture<'a, Result<(i32, String), Error>>;

    /// Ends and removes all containers of a pod, also those that are just being started.
    fn end_pod<'a>(&'a self, pod: &'a PodRef) -> BoxFuture<'a, Result<(), Error>>;

    /// Ends and removes untracked containers of this run, which an engine created although its
    /// response was lost. Called when an engine answers again. Returns how many.
    fn end_strays(&self) -> BoxFuture<'_, Result<usize, Error>> {
        Box::pin(async { Ok(0) })
    }

    /// Whether the engine behind the runtime answers.
    fn check(&self) -> BoxFuture<'_, Result<(), Error>>;

    /// The usage of containers, by id. Those whose usage cannot be read are left out.
    fn usage<'a>(&'a self, ids: &'a [String]) -> BoxFuture<'a, BTreeMap<String, Usage>>;

    /// The TCP ports on which the container listens, where the host can tell.
    fn listening(&self, id: &str) -> Option<Vec<u16>>;
}
