//! From a pod's container to a running one: image, environment, address, start.
//!
//! This is the path of a wake: local lookups, no write before the start, and nothing that waits for
//! the network. What is not here makes an event that says so; the pod decides what comes of it.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{ConfigMap, Container, Pod, Secret};
use kube::api::{Api, Patch, PatchParams};
use rouse_kit::address::ADDRESS_ANNOTATION;
use serde_json::json;

use crate::agent::Shared;
use crate::env;
use crate::images::LocalImage;
use crate::logs::LogTail;
use crate::pod::{Event, Index, Launched};
use crate::quantity;
use crate::runtime::{BoxFuture, ContainerSpec, Error, Exit, Mount, PodRef};
use crate::security::Security;
use crate::volumes;

/// As upstream: so much of the log is a termination message.
const LAST_WORDS_LINES: usize = 80;
const LAST_WORDS_BYTES: usize = 2048;

/// What a launch came to.
pub(crate) enum Outcome {
    Running { event: Event, exit: BoxFuture<'static, Exit>, ready_after: Option<Duration> },
    Not(Event),
}

/// Why it was not started.
enum Failure {
    /// Something in the spec cannot be resolved now: the kubelet's word, and a sentence.
    Refused(&'static str, String),
    NotStarted(String),
}

impl Failure {
    fn event(self, container: Index) -> Event {
        match self {
            Self::Refused(reason, message) => Event::Refused { container, reason, message },
            Self::NotStarted(message) => Event::StartFailed { container, message },
        }
    }
}

/// One container to launch.
pub(crate) struct Launch {
    pub(crate) shared: Arc<Shared>,
    pub(crate) pod: Arc<Pod>,
    pub(crate) reference: PodRef,
    pub(crate) spec: Arc<Container>,
    pub(crate) at: Index,
    pub(crate) restarts: i32,
    pub(crate) grace: Duration,
}

/// The port that `PORT` stands for: the declared one, or that which the variable itself names.
pub(crate) fn serving_port(spec: &Container) -> Option<u16> {
    let declared = spec.ports.iter().flatten().next().map(|port| port.container_port);
    if let Some(port) = declared {
        return u16::try_from(port).ok();
    }
    let var = spec.env.iter().flatten().find(|var| var.name == "PORT")?;
    var.value.as_deref()?.parse().ok()
}

/// The serving port first, then the others.
fn ports(spec: &Container) -> Vec<u16> {
    let declared = spec.ports.iter().flatten();
    let declared = declared.filter_map(|port| u16::try_from(port.container_port).ok());
    let mut ports: Vec<u16> = serving_port(spec).into_iter().collect();
    for port in declared {
        if !ports.contains(&port) {
            ports.push(port);
        }
    }
    ports
}

impl Launch {
    pub(crate) async fn run(self) -> Outcome {
        let image = match self.image() {
            Ok(Some(image)) => image,
            Ok(None) => return Outcome::Not(Event::ImageMissing(self.at)),
            Err(error) => {
                return Outcome::Not(Failure::Refused("InvalidImageName", error).event(self.at));
            }
        };
        match self.start(image).await {
            Ok(outcome) => outcome,
            Err(failure) => Outcome::Not(failure.event(self.at)),
        }
    }

    fn image(&self) -> Result<Option<Arc<LocalImage>>, String> {
        let reference = self.spec.image.as_deref().unwrap_or_default();
        if !self.shared.runtime.needs_images() {
            return Ok(Some(Arc::new(LocalImage::empty(reference, Path::new("/")))));
        }
        self.shared.images.find(reference).map_err(|error| error.to_string())
    }

    async fn start(&self, image: Arc<LocalImage>) -> Result<Outcome, Failure> {
        let runtime = &self.shared.runtime;
        let own_ports = ports(&self.spec);
        // Of all containers, for the annotation is written whole.
        let mut addresses = BTreeMap::new();
        for spec in self.pod.spec.iter().flat_map(|spec| &spec.containers) {
            addresses.extend(runtime.reserve(&self.reference, &spec.name, &ports(spec)));
        }
        let reserved = runtime.reserve(&self.reference, &self.spec.name, &own_ports);
        let sources = self.sources().await?;
        let mut overrides = BTreeMap::new();
        if let Some(address) = serving_port(&self.spec).and_then(|port| reserved.get(&port)) {
            overrides.insert("PORT".to_owned(), address.port().to_string());
        }
        let vars = env::resolve(&self.pod, &self.spec, &sources, &overrides)
            .map_err(|message| Failure::Refused("CreateContainerConfigError", message))?;
        let mounts = self.mounts(&sources).await?;
        let image_id = image.id();
        let spec = self.container_spec(image, vars, own_ports, reserved, mounts);
        let log = spec.log.later();
        let (started, ()) = tokio::join!(
            biased; // the process first: the annotation's write overlaps with its start
            runtime.start(spec),
            annotate(&self.shared, &self.pod, &addresses),
        );
        let started = started.map_err(|error| match error {
            Error::Unsupported(message) => Failure::Refused("CreateContainerConfigError", message),
            Error::Start(message) => Failure::NotStarted(message),
            Error::Engine { .. } => Failure::Refused("CreateContainerError", error.to_string()),
        })?;
        if started.addresses.iter().any(|(port, address)| addresses.get(port) != Some(address)) {
            addresses.extend(started.addresses.clone());
            annotate(&self.shared, &self.pod, &addresses).await;
        }
        let exit = self.with_last_words(started.exit, log);
        let run = Launched {
            id: started.id,
            image_id,
            ip: started.ip,
            addresses: started.addresses,
            not_enforced: started.not_enforced,
            scripted: started.ready_after.is_some(),
        };
        Ok(Outcome::Running {
            event: Event::Started { container: self.at, run },
            exit,
            ready_after: started.ready_after,
        })
    }

    /// `terminationMessagePolicy: FallbackToLogsOnError`: the end of the log is the message.
    fn with_last_words(
        &self,
        exit: BoxFuture<'static, Exit>,
        log: LogTail,
    ) -> BoxFuture<'static, Exit> {
        let policy = self.spec.termination_message_policy.as_deref();
        if policy != Some("FallbackToLogsOnError") {
            return exit;
        }
        Box::pin(async move {
            let mut exit = exit.await;
            if exit.code != 0 && exit.message.is_none() {
                let words = log.text(LAST_WORDS_LINES, LAST_WORDS_BYTES);
                exit.message = Some(words).filter(|words| !words.is_empty());
            }
            exit
        })
    }

    fn container_spec(
        &self,
        image: Arc<LocalImage>,
        vars: Vec<(String, String)>,
        ports: Vec<u16>,
        reserved: BTreeMap<u16, SocketAddr>,
        mounts: Vec<Mount>,
    ) -> ContainerSpec {
        let log = self.shared.logs.writer(&self.reference, &self.spec.name, self.restarts);
        let limits = self.spec.resources.as_ref().and_then(|resources| resources.limits.as_ref());
        let limit = |name: &str| limits.and_then(|limits| limits.get(name));
        let millis = limit("cpu").and_then(quantity::millis);
        ContainerSpec {
            pod: self.reference.clone(),
            container: self.spec.name.clone(),
            restarts: self.restarts,
            image,
            command: env::expand_all(self.spec.command.as_ref(), &vars),
            args: env::expand_all(self.spec.args.as_ref(), &vars),
            env: vars,
            working_dir: self.spec.working_dir.clone(),
            ports,
            reserved,
            mounts,
            memory_limit: limit("memory").and_then(quantity::units),
            cpu_limit_millis: millis.and_then(|millis| millis.try_into().ok()),
            security: Security::of(&self.pod, &self.spec),
            grace: self.grace,
            log,
        }
    }

    /// Fetches what the environment and the volumes refer to; what is not there stays out.
    async fn sources(&self) -> Result<env::Sources, Failure> {
        let host_network = self.shared.runtime.capabilities().remaps_port;
        let mut sources = env::Sources {
            namespace: self.reference.namespace.clone(),
            host_ip: Some(self.shared.host_ip),
            pod_ip: host_network.then_some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            ..env::Sources::default()
        };
        let mut wanted = env::wanted(&self.spec);
        volumes::wanted(&self.pod, &self.spec, &mut wanted);
        let namespace = &self.reference.namespace;
        let failed =
            |error: kube::Error| Failure::Refused("CreateContainerConfigError", error.to_string());
        for name in wanted.config_maps {
            let api: Api<ConfigMap> = Api::namespaced(self.shared.client.clone(), namespace);
            if let Some(map) = api.get_opt(&name).await.map_err(failed)? {
                sources.config_maps.insert(name, map);
            }
        }
        for name in wanted.secrets {
            let api: Api<Secret> = Api::namespaced(self.shared.client.clone(), namespace);
            if let Some(secret) = api.get_opt(&name).await.map_err(failed)? {
                sources.secrets.insert(name, secret);
            }
        }
        Ok(sources)
    }

    async fn mounts(&self, sources: &env::Sources) -> Result<Vec<Mount>, Failure> {
        if self.spec.volume_mounts.as_ref().is_none_or(Vec::is_empty) {
            return Ok(Vec::new());
        }
        let dir = self.shared.config.data_dir.join("volumes").join(&self.reference.uid);
        let (pod, spec, sources) = (Arc::clone(&self.pod), Arc::clone(&self.spec), sources.clone());
        let made =
            tokio::task::spawn_blocking(move || volumes::mounts(&dir, &pod, &spec, &sources)).await;
        match made {
            Ok(Ok(mounts)) => Ok(mounts),
            Ok(Err(message)) => Err(Failure::Refused("FailedMount", message)),
            Err(error) => Err(Failure::Refused("FailedMount", error.to_string())),
        }
    }
}

/// A write that fails is tried again, for without the address no request reaches the pod.
const ANNOTATE_TRIES: u32 = 5;
const ANNOTATE_AGAIN: Duration = Duration::from_millis(100);

/// Says on the pod where its ports are reached.
async fn annotate(shared: &Shared, pod: &Pod, addresses: &BTreeMap<u16, SocketAddr>) {
    if addresses.is_empty() {
        return;
    }
    let by_port: BTreeMap<String, String> =
        addresses.iter().map(|(port, to)| (port.to_string(), to.to_string())).collect();
    let text = json!(by_port).to_string();
    let annotations = pod.metadata.annotations.as_ref();
    if annotations.and_then(|all| all.get(ADDRESS_ANNOTATION)) == Some(&text) {
        return;
    }
    let (Some(name), Some(namespace)) = (&pod.metadata.name, &pod.metadata.namespace) else {
        return;
    };
    let api: Api<Pod> = Api::namespaced(shared.client.clone(), namespace);
    let patch = json!({"metadata": {
        "uid": pod.metadata.uid,
        "annotations": {ADDRESS_ANNOTATION: text},
    }});
    for _ in 0..ANNOTATE_TRIES {
        match api.patch(name, &PatchParams::default(), &Patch::Merge(&patch)).await {
            Ok(_) => return,
            // Another pod of that name, or none: nobody asks for the address of this one.
            Err(kube::Error::Api(status)) if status.code == 404 || status.code == 409 => return,
            Err(error) => {
                tracing::warn!(%error, ns = %namespace, name = %name, "cannot write a pod's address");
                tokio::time::sleep(ANNOTATE_AGAIN).await;
            }
        }
    }
}
