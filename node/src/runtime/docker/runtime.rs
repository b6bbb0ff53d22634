//! The Docker runtime: creates, starts, signals and inspects the containers of an engine.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bollard::Docker;
use bollard::exec::{StartExecOptions, StartExecResults};
use bollard::models::ExecConfig;
use bollard::query_parameters::{
    InspectContainerOptions, KillContainerOptionsBuilder, StartContainerOptions,
};
use futures::future::{BoxFuture, join_all};
use futures::stream::{self, StreamExt as _};
use parking_lot::Mutex;
use rouse_kit::{Component, Tasks};
use tokio::sync::RwLock;

use super::container::{self, Labels, label_of_instance, label_of_pod};
use super::end::{end_labelled, labelled, remove_container};
use super::engine::{self, NO_ENGINE, engine, is_code, why};
use super::sandbox::{self, Sandbox};
use super::{images, usage, wait};
use crate::images::LocalImage;
use crate::runtime::guard::Guard;
use crate::runtime::instance::instance;
use crate::runtime::interface::{
    Capabilities, ContainerRuntime, ContainerSpec, Error, Exit, Signal, Started, Usage,
};
use crate::runtime::{detached, proc};
use crate::spec::{Automount, PodRef};

/// Bytes of a probe command's output that are kept.
const EXEC_OUTPUT_MAX: usize = 10 * 1024;
const PODS_MAX: u32 = 250;

/// Its properties.
pub const CAPABILITIES: Capabilities = Capabilities {
    remaps_port: false,
    memory_limit: true,
    cpu_limit: true,
    security_context: true,
    volumes: true,
    automount: Automount::All,
    pods_max: PODS_MAX,
};
/// Containers whose usage is read at a time.
const USAGES_AT_ONCE: usize = 16;
const SCHEME: &str = "docker://";

/// The engine's own id.
fn bare(id: &str) -> &str {
    id.strip_prefix(SCHEME).unwrap_or(id)
}

pub struct DockerRuntime {
    docker: Docker,
    store: rouse_image::Store,
    version: String,
    labels: Labels,
    /// Containers are reached at their own addresses.
    direct: bool,
    /// This host's address in the containers' network.
    host_ip: Option<IpAddr>,
    /// As the engine names its own.
    architecture: String,
    /// The networks of pods with several containers, by the pod's uid.
    sandboxes: Mutex<HashMap<String, Arc<tokio::sync::Mutex<Option<Sandbox>>>>>,
    /// Containers that were created and not removed yet, with the first process of those that run,
    /// by its pid on the engine's host.
    followed: Mutex<HashMap<String, Option<u32>>>,
    /// Held while a container is created, until its id is in `followed`.
    making: RwLock<()>,
    tasks: Tasks,
    _guard: Option<Guard>,
}

impl DockerRuntime {
    /// Connects to the engine at `host`, else of `DOCKER_HOST`, else at the default socket.
    /// `component` ends after the pods. `guard` is the command line that runs `run_guard`.
    ///
    /// # Errors
    /// If no engine answers there.
    pub async fn connect(
        host: Option<&str>,
        data_dir: &Path,
        store: rouse_image::Store,
        guard: Option<&[OsString]>,
        component: &Component,
    ) -> Result<Self, Error> {
        let host = match host {
            Some(host) => host.to_owned(),
            None => engine::default_host(),
        };
        let docker = engine::connect(&host).await?;
        let version = docker.version().await.map_err(engine(NO_ENGINE))?;
        let data_dir = data_dir.canonicalize().unwrap_or_else(|_| data_dir.to_owned());
        let host_ip = engine::bridge_here(&docker).await;
        let labels = Labels { data_dir: data_dir.display().to_string(), instance: instance() };
        Ok(Self {
            _guard: Guard::of_containers(guard, &host, &labels.instance),
            direct: host_ip.is_some(),
            host_ip,
            version: version.version.unwrap_or_default(),
            architecture: version.arch.unwrap_or_default(),
            sandboxes: Mutex::default(),
            docker,
            store,
            labels,
            followed: Mutex::default(),
            making: RwLock::default(),
            tasks: component.tasks.clone(),
        })
    }

    /// A sentence for users on why this runtime was chosen.
    #[must_use]
    pub fn describe(&self) -> String {
        format!("Docker Engine {} answers", self.version)
    }

    /// The network of a pod, made for the first of its containers.
    async fn sandbox(&self, pod: &PodRef, ports: &[u16]) -> Result<Sandbox, Error> {
        let of_pod = Arc::clone(self.sandboxes.lock().entry(pod.uid.clone()).or_default());
        let mut held = of_pod.lock().await;
        if let Some(sandbox) = &*held {
            // It may have ended with its engine.
            if sandbox::runs(&self.docker, &sandbox.id).await {
                return Ok(sandbox.clone());
            }
            self.remove(&sandbox.id).await;
        }
        let _making = self.making.read().await;
        let body = container::sandbox_body(pod, ports, &self.labels, self.direct);
        let name = format!("rouse_{}_{}_{}", pod.name, pod.namespace, pod.uid);
        let made = sandbox::start(&self.docker, &self.architecture, &name, body).await?;
        self.followed.lock().insert(made.id.clone(), None);
        Ok(held.insert(made).clone())
    }

    async fn create(&self, spec: &ContainerSpec, sandbox: Option<&str>) -> Result<String, Error> {
        let body = || container::body(spec, &self.labels, self.direct, sandbox);
        let options = container::name(spec);
        let created = match self.docker.create_container(Some(options.clone()), body()).await {
            // The name is only for people; another container may have it.
            Err(error) if is_code(&error, 409) => self.docker.create_container(None, body()).await,
            Err(error) if is_code(&error, 404) => {
                // Built or pulled here, and not yet started under this engine.
                images::load(&self.docker, &self.store, &spec.image).await?;
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
        let sandbox = match &spec.pod_ports {
            Some(ports) => Some(self.sandbox(&spec.pod, ports).await?),
            None => None,
        };
        let id = {
            let _making = self.making.read().await;
            let id = self.create(&spec, sandbox.as_ref().map(|held| held.id.as_str())).await?;
            self.followed.lock().insert(id.clone(), None);
            id
        };
        let started = self.docker.start_container(&id, None::<StartContainerOptions>).await;
        if let Err(error) = started {
            self.remove(&id).await;
            return Err(Error::Start(why(&error)));
        }
        let inspected = self.docker.inspect_container(&id, None::<InspectContainerOptions>).await;
        let inspected = match inspected {
            Ok(inspected) => inspected,
            Err(error) => {
                // It runs, but would not be tracked.
                self.remove(&id).await;
                return Err(engine("cannot inspect a container")(error));
            }
        };
        let pid = inspected.state.as_ref().and_then(|state| state.pid?.try_into().ok());
        if let Some(known) = self.followed.lock().get_mut(&id) {
            // In a network that others share, the ports that are listened on are not its own alone.
            *known = pid.filter(|_| sandbox.is_none());
        }
        let (ip, published) = match sandbox {
            Some(sandbox) => (sandbox.ip, sandbox.published),
            None => (container::ip(&inspected), container::published(&inspected)),
        };
        let pump = wait::pump(self.docker.clone(), id.clone(), spec.log);
        let pump = self.tasks.attached("log", pump);
        let exit = wait::wait(self.docker.clone(), id.clone(), pump, spec.memory_limit);
        Ok(Started {
            id: format!("{SCHEME}{id}"),
            ip,
            addresses: if self.direct { BTreeMap::new() } else { published },
            ready_after: None,
            exit: detached::detached(&self.tasks, exit),
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
        let code =
            ended.exit_code.and_then(|code| code.try_into().ok()).unwrap_or(Exit::UNKNOWN_CODE);
        Ok((code, String::from_utf8_lossy(&output).into_owned()))
    }
}

impl ContainerRuntime for DockerRuntime {
    fn name(&self) -> &'static str {
        "docker"
    }

    fn version(&self) -> String {
        self.version.clone()
    }

    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    fn host_ip(&self) -> Option<IpAddr> {
        self.host_ip
    }

    fn end_survivors(&self) -> BoxFuture<'_, Result<usize, Error>> {
        Box::pin(async move { end_labelled(&self.docker, self.labels.of_data_dir()).await })
    }

    fn prepare<'a>(&'a self, image: &'a LocalImage) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(images::load(&self.docker, &self.store, image))
    }

    fn reserve(&self, _: &PodRef, _: &str, _: &[u16]) -> BTreeMap<u16, SocketAddr> {
        BTreeMap::new()
    }

    fn release(&self, pod: &PodRef) {
        let Some(sandbox) = self.sandboxes.lock().remove(&pod.uid) else { return };
        let docker = self.docker.clone();
        let forgotten = sandbox.try_lock().ok().and_then(|mut held| held.take());
        if let Some(Sandbox { id, .. }) = forgotten {
            self.followed.lock().remove(&id);
            self.tasks.detached("removal", async move { remove_container(&docker, &id).await });
        }
    }

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
        self.followed.lock().remove(bare(id));
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

    fn end_pod<'a>(&'a self, pod: &'a PodRef) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            self.sandboxes.lock().remove(&pod.uid);
            end_labelled(&self.docker, label_of_pod(pod)).await?;
            Ok(())
        })
    }

    fn end_strays(&self) -> BoxFuture<'_, Result<usize, Error>> {
        Box::pin(async move {
            let _making = self.making.write().await;
            let ours = labelled(&self.docker, label_of_instance(&self.labels.instance)).await?;
            let strays: Vec<&String> = {
                let mut followed = self.followed.lock();
                // Forgets those that were removed with their whole pod.
                followed.retain(|id, _| ours.contains(id));
                ours.iter().filter(|id| !followed.contains_key(*id)).collect()
            };
            join_all(strays.iter().map(|id| remove_container(&self.docker, id))).await;
            Ok(strays.len())
        })
    }

    fn check(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move { self.docker.ping().await.map(drop).map_err(engine(NO_ENGINE)) })
    }

    fn usage<'a>(&'a self, ids: &'a [String]) -> BoxFuture<'a, BTreeMap<String, Usage>> {
        let one = async move |id: &'a String| {
            Some((id.clone(), usage::of_container(&self.docker, bare(id)).await?))
        };
        let all = stream::iter(ids).map(one).buffer_unordered(USAGES_AT_ONCE);
        Box::pin(all.filter_map(std::future::ready).collect())
    }

    fn listening(&self, id: &str) -> Option<Vec<u16>> {
        let pid = (*self.followed.lock().get(bare(id))?)?;
        proc::listening_in_container(pid, bare(id))
    }
}

#[cfg(test)]
mod tests;
