//! The launch of a container: image, environment, address, start.
//!
//! This is the path of a cold start: local lookups, no write before the start, and nothing that waits
//! for the network. Something that is missing becomes an event; the pod's state machine decides on it.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::{Container, Pod, ServiceAccount};
use kube::Api;
use rouse_k8s::template::declared_port;
use tokio::sync::mpsc;

use super::shared::Shared;
use super::{address, sources, volumes as disk};
use crate::images::LocalImage;
use crate::logs::LogTail;
use crate::pod::{Event, Index, Launched};
use crate::runtime::{ContainerSpec, Error, Exit};
use crate::spec::account::Files;
use crate::spec::hosts::{HOSTS, HOSTS_FILE};
use crate::spec::ports::{containers, of_pod, ports, shares_network};
use crate::spec::sources::{Sources, Wanted};
use crate::spec::volumes::{Place, Places, Volume};
use crate::spec::{Automount, Mount, PodRef, Security, account, env, resources, volumes};

/// The end of the log that becomes a termination message, as upstream.
const LAST_WORDS_LINES: usize = 80;
const LAST_WORDS_BYTES: usize = 2048;

/// How often the volumes of a running container are refreshed from their sources, and measured. The
/// kubelet takes a minute or more.
const REFRESH: Duration = Duration::from_secs(10);

/// How a launch ended.
pub(super) enum Outcome {
    Running(Box<Running>),
    Not(Event),
}

/// A container that was started.
pub(super) struct Running {
    pub(super) run: Launched,
    pub(super) exit: BoxFuture<'static, Exit>,
    pub(super) ready_after: Option<Duration>,
}

/// Why it was not started.
enum Failure {
    /// Something in the spec cannot be resolved now: the kubelet's reason, and a message.
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
#[derive(Clone)]
pub(super) struct Launch {
    pub(super) shared: Arc<Shared>,
    pub(super) pod: Arc<Pod>,
    pub(super) reference: PodRef,
    pub(super) spec: Arc<Container>,
    pub(super) at: Index,
    pub(super) restarts: i32,
    pub(super) grace: Duration,
}

impl Launch {
    pub(super) async fn run(self) -> Outcome {
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
        let own_ports = ports(&self.pod, &self.spec);
        // Of all containers, since the annotation is written as a whole.
        let mut addresses = BTreeMap::new();
        for spec in containers(&self.pod) {
            let ports = ports(&self.pod, spec);
            addresses.extend(runtime.reserve(&self.reference, &spec.name, &ports));
        }
        let reserved = runtime.reserve(&self.reference, &self.spec.name, &own_ports);
        let sources = self.sources().await?;
        let mut overrides = BTreeMap::new();
        if let Some(address) = declared_port(&self.spec).and_then(|port| reserved.get(&port)) {
            overrides.insert("PORT".to_owned(), address.port().to_string());
        }
        let vars = env::resolve(&self.pod, &self.spec, &sources, &overrides)
            .map_err(|message| Failure::Refused("CreateContainerConfigError", message))?;
        let (mounts, not_given) = self.mounts(&sources).await?;
        let image_id = image.id();
        let spec = self.container_spec(image, vars, own_ports, reserved, mounts);
        let log = spec.log.later();
        let (started, ()) = tokio::join!(
            biased; // the process first: the annotation's write overlaps with its start
            runtime.start(spec),
            address::annotate(&self.shared, &self.pod, &addresses),
        );
        let started = started.map_err(|error| match error {
            Error::Unsupported(message) => Failure::Refused("CreateContainerConfigError", message),
            Error::Start(message) => Failure::NotStarted(message),
            Error::Engine { .. } => Failure::Refused("CreateContainerError", error.to_string()),
        })?;
        if started.addresses.iter().any(|(port, address)| addresses.get(port) != Some(address)) {
            addresses.extend(started.addresses.clone());
            address::annotate(&self.shared, &self.pod, &addresses).await;
        }
        self.tell_ip(started.ip);
        let exit = self.with_last_words(started.exit, log);
        let run = Launched {
            id: started.id,
            image_id,
            ip: started.ip,
            addresses: started.addresses,
            not_enforced: self.not_enforced().into_iter().chain(not_given).collect(),
            scripted: started.ready_after.is_some(),
        };
        Ok(Outcome::Running(Box::new(Running { run, exit, ready_after: started.ready_after })))
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

    /// Whether the container has volumes that are to be kept up to date or within a limit.
    pub(super) fn has_volumes_to_follow(&self) -> bool {
        self.next_refresh().is_some()
    }

    /// The time until the volumes are to be looked at again.
    fn next_refresh(&self) -> Option<Duration> {
        if volumes::to_follow(&self.pod, &self.spec) {
            return Some(REFRESH);
        }
        // Nothing but a token changes.
        let renewal = self.shared.tokens.renewal(&self.reference)?;
        let left = renewal.duration_since(self.shared.clock.now());
        Some(Duration::try_from(left).unwrap_or_default().max(REFRESH))
    }

    /// Refreshes the volumes from their objects while the container runs, and evicts a pod that fills
    /// one over its limit. Volumes that cannot be read stay as they are.
    pub(super) async fn follow_volumes(self, inbox: mpsc::Sender<Event>) {
        while let Some(pause) = self.next_refresh() {
            tokio::time::sleep(pause).await;
            match self.refresh().await {
                Ok(None) => {}
                Ok(Some(message)) => {
                    // The pod may have ended.
                    let _ = inbox.send(Event::Evict { message }).await;
                    return;
                }
                Err(why) => {
                    let pod = &self.reference;
                    tracing::debug!(%pod, why, "volumes cannot be refreshed");
                }
            }
        }
    }

    async fn refresh(&self) -> Result<Option<String>, String> {
        let message_of = |failure| match failure {
            Failure::Refused(_, message) | Failure::NotStarted(message) => message,
        };
        // What variables come from is read at a start only.
        let sources = self.fetch(Wanted::default()).await.map_err(message_of)?;
        let (volumes, places) = self.volumes(&sources)?;
        let (shared, pod) = (Arc::clone(&self.shared), self.reference.clone());
        let group = volumes::fs_group(&self.pod);
        let refreshing = move || {
            disk::write_all((&shared.writing, &pod), &volumes, &places)?;
            if let Some(group) = group {
                // It was said at the start if it cannot be done.
                let _ = disk::give_to_group(&volumes, group);
            }
            Ok(disk::over_limit(&volumes))
        };
        let refreshed = self.shared.tasks.blocking("volumes", refreshing).await;
        refreshed.unwrap_or_else(|error| Err(error.to_string()))
    }

    /// The settings that the runtime does not enforce, in a sentence each.
    fn not_enforced(&self) -> Vec<String> {
        let runtime = &self.shared.runtime;
        if !runtime.needs_images() {
            // A runtime that runs nothing has nothing to enforce.
            return Vec::new();
        }
        let unmet = runtime.capabilities().of_container(runtime.name(), &self.pod, &self.spec);
        let whole = runtime.capabilities().of_whole(runtime.name(), &self.pod);
        let container = &self.spec.name;
        let of_container =
            unmet.into_iter().map(|one| format!("Container {container}: {}", one.message));
        of_container.chain(whole.into_iter().map(|one| one.message)).collect()
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
            pod_ports: shares_network(&self.pod).then(|| of_pod(&self.pod)),
            reserved,
            mounts,
            memory_limit: resources::memory_limit(&self.spec),
            cpu_limit_millis: resources::cpu_limit_millis(&self.spec),
            cpu_request_millis: resources::cpu_request_millis(&self.spec),
            security: Security::of(&self.pod, &self.spec),
            grace: self.grace,
            log,
        }
    }

    /// Fetches the objects that the environment and the volumes refer to.
    async fn sources(&self) -> Result<Sources, Failure> {
        self.fetch(env::wanted(&self.spec)).await
    }

    /// Fetches `wanted` and the objects that the volumes refer to.
    async fn fetch(&self, mut wanted: Wanted) -> Result<Sources, Failure> {
        volumes::wanted(&self.pod, &self.spec, &mut wanted);
        let failed =
            |error: kube::Error| Failure::Refused("CreateContainerConfigError", error.to_string());
        if self.has_account_files().await.map_err(failed)? {
            wanted.tokens.insert(account::token());
        }
        let host_network = self.shared.runtime.capabilities().remaps_port;
        let pod_ip = host_network.then_some(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let of = (&self.reference, account::name(&self.pod));
        sources::fetch(&self.shared, of, wanted, pod_ip).await.map_err(failed)
    }

    /// Whether the container gets the files with which programs use the API.
    async fn has_account_files(&self) -> Result<bool, kube::Error> {
        let automount = match &self.shared.config.api {
            Some(_) => self.shared.runtime.capabilities().automount,
            None => Automount::Never,
        };
        match account::files(&self.pod, &self.spec, automount) {
            Files::Absent => return Ok(false),
            Files::Mounted => return Ok(true),
            Files::ByAccount => {}
        }
        let namespace = &self.reference.namespace;
        let accounts: Api<ServiceAccount> = Api::namespaced(self.shared.client.clone(), namespace);
        let account = accounts.get_opt(account::name(&self.pod)).await?;
        Ok(account.and_then(|account| account.automount_service_account_token).unwrap_or(true))
    }

    /// The mounts, and why the volumes are not the pod's group's if they are not.
    async fn mounts(&self, sources: &Sources) -> Result<(Vec<Mount>, Option<String>), Failure> {
        let hosts = self.hosts().await;
        let has_none = self.spec.volume_mounts.as_ref().is_none_or(Vec::is_empty);
        if has_none && sources.tokens.is_empty() {
            return Ok((Vec::from_iter(hosts), None));
        }
        let failed = |message| Failure::Refused("FailedMount", message);
        let (volumes, places) = self.volumes(sources).map_err(failed)?;
        let (shared, pod) = (Arc::clone(&self.shared), self.reference.clone());
        let group = volumes::fs_group(&self.pod);
        let writing = move || {
            let mounts = disk::write_all((&shared.writing, &pod), &volumes, &places)?;
            Ok((mounts, group.and_then(|group| disk::give_to_group(&volumes, group))))
        };
        let written = self.shared.tasks.blocking("volumes", writing);
        let written = written.await.unwrap_or_else(|error| Err(error.to_string()));
        let (mut mounts, not_given) = written.map_err(failed)?;
        // The user's own view of these files comes first.
        let own = |mount: &Mount| ["/etc", HOSTS_FILE].contains(&mount.path.trim_end_matches('/'));
        if !mounts.iter().any(own) {
            mounts.extend(hosts);
        }
        Ok((mounts, not_given))
    }

    /// The hosts file, where pods reach this host.
    async fn hosts(&self) -> Option<Mount> {
        self.shared.runtime.host_ip()?;
        let mount = |host_path| Mount {
            volume: HOSTS.to_owned(),
            host_path,
            path: HOSTS_FILE.to_owned(),
            read_only: true,
            optional: true,
        };
        if let Some(path) = self.shared.hosts.written(&self.reference) {
            return Some(mount(path));
        }
        let (shared, pod) = (Arc::clone(&self.shared), self.reference.clone());
        let making = move || shared.hosts.of(&pod);
        let made = self.shared.tasks.blocking("hosts", making).await;
        match made.unwrap_or_else(|error| Err(std::io::Error::other(error))) {
            Ok(path) => Some(mount(path)),
            Err(error) => {
                tracing::warn!(%error, "a pod starts without the names of services");
                None
            }
        }
    }

    /// Says the pod's address in its hosts file, which begins without one.
    fn tell_ip(&self, ip: Option<IpAddr>) {
        let Some(ip) = ip.filter(|ip| self.shared.hosts.lacks_ip(&self.reference, *ip)) else {
            return;
        };
        let (shared, pod) = (Arc::clone(&self.shared), self.reference.clone());
        self.shared.tasks.detached("hosts", async move {
            let files = Arc::clone(&shared);
            let writing = move || files.hosts.set_ip(&pod, ip);
            if let Ok(Err(error)) = shared.tasks.blocking("hosts", writing).await {
                tracing::warn!(%error, "a pod does not know its own address by its name");
            }
        });
    }

    fn volumes(&self, sources: &Sources) -> Result<(Vec<Volume>, Vec<Place>), String> {
        let (disk, memory) = self.shared.config.volumes_of(&self.reference);
        let claims = self.shared.config.claims();
        let places = Places {
            disk: &disk,
            memory: memory.as_deref(),
            claims: &claims,
            hidden: &self.shared.config.data_dir,
        };
        let (mut all, mut mounts) = volumes::mounts(places, &self.pod, &self.spec, sources)?;
        let ca = self.shared.config.api.as_ref().map_or("", |api| &api.ca);
        if let Some((volume, place)) = account::volume(&disk, ca, sources) {
            all.push(volume);
            mounts.push(place);
        }
        Ok((all, mounts))
    }
}
