//! Pods as containers of a Docker Engine: one per container, labelled with the data directory.
//!
//! Where the engine's bridge is a network of this host, a pod is reached at its own address;
//! elsewhere (Docker Desktop) its ports are published on loopback and the pod's address says where.
//! Limits are the engine's, so they are the kernel's.

mod container;

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::Path;
use std::time::Duration;

use bollard::Docker;
use bollard::container::LogOutput;
use bollard::errors::Error as DockerError;
use bollard::exec::{StartExecOptions, StartExecResults};
use bollard::models::ExecConfig;
use bollard::query_parameters::{
    ImportImageOptions, InspectContainerOptions, KillContainerOptionsBuilder,
    ListContainersOptionsBuilder, LogsOptionsBuilder, RemoveContainerOptionsBuilder,
    RemoveImageOptionsBuilder, StartContainerOptions, WaitContainerOptions,
};
use futures::StreamExt as _;
use parking_lot::Mutex;

use super::guard::Guard;
use super::process::{instance, listening_in_container};
use super::{
    BoxFuture, Capabilities, ContainerRuntime, ContainerSpec, Error, Exit, PodRef, Signal, Started,
};
use crate::images::LocalImage;
use crate::logs::{Lines, LogStream, LogWriter};

/// Tells whose containers these are, when several platforms use one engine.
const LABEL_DATA_DIR: &str = "dev.rouse.data-dir";
/// Tells one run of a platform from the next one.
const LABEL_INSTANCE: &str = "dev.rouse.instance";
/// Where engines listen unless somebody says otherwise.
const DEFAULT_HOST: &str = "unix:///var/run/docker.sock";
/// An engine that does not answer for so long is not there.
const CONNECT_MAX: Duration = Duration::from_secs(2);
const OUTPUT_MAX: Duration = Duration::from_secs(2);
/// The output of a probe's command is kept this far.
const EXEC_OUTPUT_MAX: usize = 10 * 1024;
const PODS_MAX: u32 = 250;
const SCHEME: &str = "docker://";

pub struct DockerRuntime {
    docker: Docker,
    store: rouse_image::Store,
    version: String,
    labels: Labels,
    /// Containers are reached at their own addresses.
    direct: bool,
    /// First processes of running containers, as the engine's host numbers them.
    pids: Mutex<HashMap<String, u32>>,
    _guard: Option<Guard>,
}

/// Whose containers they are.
struct Labels {
    data_dir: String,
    instance: String,
}

const NO_ENGINE: &str = "cannot use the Docker Engine (is it running, and may this user use it?)";

async fn engine_at(host: &str) -> Result<Docker, Error> {
    let asked = tokio::time::timeout(CONNECT_MAX, async {
        Docker::connect_with_host(host)?.negotiate_version().await
    });
    match asked.await {
        Ok(docker) => docker.map_err(engine(NO_ENGINE)),
        Err(_) => {
            let why = format!("{host} does not answer within {CONNECT_MAX:?}");
            Err(Error::Engine { what: NO_ENGINE, why })
        }
    }
}

fn engine(what: &'static str) -> impl Fn(DockerError) -> Error {
    move |error| Error::Engine { what, why: why(&error) }
}

/// The engine's own sentence, without the wrapping.
fn why(error: &DockerError) -> String {
    match error {
        DockerError::DockerResponseServerError { message, .. } => message.clone(),
        error => error.to_string(),
    }
}

fn is_code(error: &DockerError, code: u16) -> bool {
    matches!(error, DockerError::DockerResponseServerError { status_code, .. } if *status_code == code)
}

impl DockerRuntime {
    /// Connects to the engine at `host`, else of `DOCKER_HOST`, else at the default socket.
    /// `guard` is the command line that runs [`super::guard::run`].
    ///
    /// # Errors
    /// If no engine answers there.
    pub async fn connect(
        host: Option<&str>,
        data_dir: &Path,
        store: rouse_image::Store,
        guard: Option<&[OsString]>,
    ) -> Result<Self, Error> {
        let host = match host {
            Some(host) => host.to_owned(),
            None => std::env::var("DOCKER_HOST").unwrap_or_else(|_| DEFAULT_HOST.to_owned()),
        };
        let docker = engine_at(&host).await?;
        let version = docker.version().await.map_err(engine(NO_ENGINE))?;
        let data_dir = data_dir.canonicalize().unwrap_or_else(|_| data_dir.to_owned());
        let labels = Labels { data_dir: data_dir.display().to_string(), instance: instance() };
        Ok(Self {
            _guard: Guard::of_containers(guard, &host, &labels.instance),
            direct: is_bridge_here(&docker).await,
            version: version.version.unwrap_or_default(),
            docker,
            store,
            labels,
            pids: Mutex::default(),
        })
    }

    /// Why this runtime, for people.
    #[must_use]
    pub fn describe(&self) -> String {
        format!("Docker Engine {} answers", self.version)
    }

    async fn load(&self, image: &LocalImage) -> Result<(), Error> {
        if let Some(program) = image.image.needs_host() {
            return Err(Error::Unsupported(format!(
                "image {} uses {program} of the machine that built it and cannot run in a \
                 container; build it with --base IMAGE, or use --runtime process",
                image.reference
            )));
        }
        let tag = image.image.docker_tag();
        match self.docker.inspect_image(&tag).await {
            Ok(_) => return Ok(()),
            Err(error) if is_code(&error, 404) => {}
            Err(error) => return Err(engine("cannot ask Docker for an image")(error)),
        }
        let archive = self.store.docker_archive(&image.image.digest).map_err(|error| {
            Error::Engine { what: "cannot read the image", why: error.to_string() }
        })?;
        let chunks = futures::stream::unfold(archive, |mut archive| async {
            Some((archive.recv().await?, archive))
        });
        let load = self.docker.import_image_stream(ImportImageOptions::default(), chunks, None);
        let mut load = std::pin::pin!(load);
        while let Some(step) = load.next().await {
            step.map_err(engine("cannot load the image into Docker"))?;
        }
        Ok(())
    }

    async fn create(&self, spec: &ContainerSpec) -> Result<String, Error> {
        let body = || container::body(spec, &self.labels, self.direct);
        let options = container::name(spec);
        let created = match self.docker.create_container(Some(options.clone()), body()).await {
            // The name is only for readers; somebody else may have it.
            Err(error) if is_code(&error, 409) => self.docker.create_container(None, body()).await,
            Err(error) if is_code(&error, 404) => {
                // Built or pulled here, and not yet started under this engine.
                self.load(&spec.image).await?;
                self.docker.create_container(Some(options), body()).await
            }
            created => created,
        };
        created.map(|created| created.id).map_err(|error| Error::Start(why(&error)))
    }

    async fn start_container(&self, spec: ContainerSpec) -> Result<Started, Error> {
        if let Some(why) = spec.security.refusal(&spec.image.image.user) {
            return Err(Error::Unsupported(why));
        }
        let id = self.create(&spec).await?;
        let started = self.docker.start_container(&id, None::<StartContainerOptions>).await;
        if let Err(error) = started {
            remove_container(&self.docker, &id).await;
            return Err(Error::Start(why(&error)));
        }
        let inspected = self
            .docker
            .inspect_container(&id, None::<InspectContainerOptions>)
            .await
            .map_err(engine("cannot inspect a container"))?;
        let pid = inspected.state.as_ref().and_then(|state| state.pid?.try_into().ok());
        if let Some(pid) = pid {
            self.pids.lock().insert(id.clone(), pid);
        }
        let exit = wait(self.docker.clone(), id.clone(), spec.log, spec.memory_limit);
        Ok(Started {
            id: format!("{SCHEME}{id}"),
            ip: container::ip(&inspected),
            addresses: if self.direct { BTreeMap::new() } else { container::published(&inspected) },
            not_enforced: Vec::new(),
            ready_after: None,
            exit: super::detached(exit),
        })
    }

    async fn exec_in(&self, id: &str, command: &[String]) -> Result<(i32, String), Error> {
        let failed = engine("cannot run a command in a container");
        let config = ExecConfig {
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            cmd: Some(command.to_vec()),
            ..ExecConfig::default()
        };
        let exec = self.docker.create_exec(bare(id), config).await.map_err(&failed)?;
        let started = self.docker.start_exec(&exec.id, None::<StartExecOptions>).await;
        let mut output = Vec::new();
        if let StartExecResults::Attached { output: mut chunks, .. } = started.map_err(&failed)? {
            while let Some(Ok(chunk)) = chunks.next().await {
                let room = EXEC_OUTPUT_MAX - output.len();
                let chunk = chunk.into_bytes();
                output.extend_from_slice(&chunk[..chunk.len().min(room)]);
            }
        }
        let ended = self.docker.inspect_exec(&exec.id).await.map_err(&failed)?;
        let code = ended.exit_code.and_then(|code| code.try_into().ok()).unwrap_or(255);
        Ok((code, String::from_utf8_lossy(&output).into_owned()))
    }
}

/// Takes images that were loaded for pods away from the engine, those that some container still has
/// left out; gives how many went. An engine that does not answer has none to take away.
pub async fn forget_images(tags: &[String]) -> usize {
    let host = std::env::var("DOCKER_HOST").unwrap_or_else(|_| DEFAULT_HOST.to_owned());
    let Ok(docker) = engine_at(&host).await else { return 0 };
    let mut count = 0;
    for tag in tags {
        let options = RemoveImageOptionsBuilder::default().build();
        match docker.remove_image(tag, Some(options), None).await {
            Ok(_) => count += 1,
            // It never was there, or is in use.
            Err(error) if is_code(&error, 404) || is_code(&error, 409) => {}
            Err(error) => tracing::warn!(%error, tag, "cannot remove an image from Docker"),
        }
    }
    count
}

/// Removes the containers of one run of a platform.
pub(super) async fn end_instance(host: &str, instance: &str) -> Result<usize, Error> {
    end_labelled(&engine_at(host).await?, format!("{LABEL_INSTANCE}={instance}")).await
}

async fn end_labelled(docker: &Docker, label: String) -> Result<usize, Error> {
    let filters = HashMap::from([("label".to_owned(), vec![label])]);
    let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
    let what = "cannot list Docker's containers";
    let left = docker.list_containers(Some(options)).await.map_err(engine(what))?;
    let ids: Vec<String> = left.into_iter().filter_map(|container| container.id).collect();
    futures::future::join_all(ids.iter().map(|id| remove_container(docker, id))).await;
    Ok(ids.len())
}

async fn remove_container(docker: &Docker, id: &str) {
    let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
    match docker.remove_container(id, Some(options)).await {
        Ok(()) => {}
        // Gone, or being removed.
        Err(error) if is_code(&error, 404) || is_code(&error, 409) => {}
        Err(error) => tracing::warn!(%error, id, "cannot remove a container"),
    }
}

/// The engine's own id.
fn bare(id: &str) -> &str {
    id.strip_prefix(SCHEME).unwrap_or(id)
}

/// Whether the gateway of the default bridge is an address of this very host. Connecting a UDP
/// socket sends nothing; it only asks the kernel which address it would send from.
async fn is_bridge_here(docker: &Docker) -> bool {
    let Ok(network) = docker.inspect_network("bridge", None).await else { return false };
    let configs = network.ipam.and_then(|ipam| ipam.config).unwrap_or_default();
    let gateways = configs.into_iter().filter_map(|config| config.gateway?.parse::<IpAddr>().ok());
    gateways.into_iter().any(|gateway| {
        let any: SocketAddr = match gateway {
            IpAddr::V4(_) => ([0, 0, 0, 0], 0).into(),
            IpAddr::V6(_) => ([0_u16; 8], 0).into(),
        };
        let from = UdpSocket::bind(any).and_then(|socket| {
            socket.connect((gateway, 9))?;
            socket.local_addr()
        });
        from.is_ok_and(|from| from.ip() == gateway)
    })
}

/// Writes the container's output to its log and says how it ended.
async fn wait(docker: Docker, id: String, log: LogWriter, memory_limit: Option<u64>) -> Exit {
    let mut output = tokio::spawn(pump(docker.clone(), id.clone(), log));
    let mut waiting = std::pin::pin!(docker.wait_container(&id, None::<WaitContainerOptions>));
    let code = match waiting.next().await {
        Some(Ok(ended)) => ended.status_code,
        Some(Err(DockerError::DockerContainerWaitError { code, .. })) => code,
        Some(Err(error)) => {
            tracing::warn!(%error, id, "the wait for a container's end failed");
            255
        }
        None => 255,
    };
    if tokio::time::timeout(OUTPUT_MAX, &mut output).await.is_err() {
        output.abort();
    }
    let state = docker.inspect_container(&id, None::<InspectContainerOptions>).await;
    let state = state.ok().and_then(|inspected| inspected.state).unwrap_or_default();
    // Engines before 24 say so only when the first process itself was killed; 137 under a limit
    // that nobody asked for is the same thing.
    let oom_killed = state.oom_killed.unwrap_or(false);
    let limit = memory_limit.filter(|_| oom_killed);
    let message = limit.map(|limit| format!("it used more memory than its limit of {limit} bytes"));
    Exit {
        code: code.try_into().unwrap_or(255),
        oom_killed,
        message: message.or(state.error.filter(|error| !error.is_empty())),
    }
}

async fn pump(docker: Docker, id: String, log: LogWriter) {
    log.open();
    let options = LogsOptionsBuilder::default().follow(true).stdout(true).stderr(true).build();
    let mut chunks = std::pin::pin!(docker.logs(&id, Some(options)));
    let (mut stdout, mut stderr) = (Lines::default(), Lines::default());
    while let Some(Ok(chunk)) = chunks.next().await {
        match chunk {
            LogOutput::StdErr { message } => {
                stderr.feed(&message, |whole, text| log.line(LogStream::Stderr, whole, text));
            }
            LogOutput::StdOut { message } | LogOutput::Console { message } => {
                stdout.feed(&message, |whole, text| log.line(LogStream::Stdout, whole, text));
            }
            LogOutput::StdIn { .. } => {}
        }
    }
    stdout.finish(|whole, text| log.line(LogStream::Stdout, whole, text));
    stderr.finish(|whole, text| log.line(LogStream::Stderr, whole, text));
}

impl ContainerRuntime for DockerRuntime {
    fn name(&self) -> &'static str {
        "docker"
    }

    fn version(&self) -> String {
        self.version.clone()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            remaps_port: false,
            memory_limit: true,
            cpu_limit: true,
            volumes: true,
            pods_max: PODS_MAX,
        }
    }

    fn end_survivors(&self) -> BoxFuture<'_, Result<usize, Error>> {
        Box::pin(async move {
            let label = format!("{LABEL_DATA_DIR}={}", self.labels.data_dir);
            end_labelled(&self.docker, label).await
        })
    }

    fn prepare<'a>(&'a self, image: &'a LocalImage) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(self.load(image))
    }

    fn reserve(&self, _: &PodRef, _: &str, _: &[u16]) -> BTreeMap<u16, SocketAddr> {
        BTreeMap::new()
    }

    fn release(&self, _: &PodRef) {}

    fn start(&self, spec: ContainerSpec) -> BoxFuture<'_, Result<Started, Error>> {
        Box::pin(self.start_container(spec))
    }

    fn signal<'a>(&'a self, id: &'a str, signal: Signal) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            let word = match signal {
                Signal::Term => "SIGTERM",
                Signal::Kill => "SIGKILL",
            };
            let options = KillContainerOptionsBuilder::default().signal(word).build();
            match self.docker.kill_container(bare(id), Some(options)).await {
                Ok(()) => Ok(()),
                // Gone, or not running any more.
                Err(error) if is_code(&error, 404) || is_code(&error, 409) => Ok(()),
                Err(error) => Err(engine("cannot signal a container")(error)),
            }
        })
    }

    fn remove<'a>(&'a self, id: &'a str) -> BoxFuture<'a, ()> {
        self.pids.lock().remove(bare(id));
        Box::pin(remove_container(&self.docker, bare(id)))
    }

    fn exec<'a>(
        &'a self,
        id: &'a str,
        command: &'a [String],
        limit: Duration,
    ) -> BoxFuture<'a, Result<(i32, String), Error>> {
        Box::pin(async move {
            let asked = tokio::time::timeout(limit, self.exec_in(id, command));
            asked.await.unwrap_or_else(|_| {
                let command = command.join(" ");
                Err(Error::Start(format!("command {command:?} timed out after {limit:?}")))
            })
        })
    }

    fn listening(&self, id: &str) -> Option<Vec<u16>> {
        let pid = *self.pids.lock().get(bare(id))?;
        listening_in_container(pid, bare(id))
    }
}
