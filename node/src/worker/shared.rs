//! The parts of the node that every pod's worker uses.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kube::Client;
use rouse_k8s::hash::fnv1a_64;
use rouse_kit::{Clock, Events, Shutdown, Tasks};

use super::hosts::Hosts;
use super::live::Live;
use super::metrics::Metrics;
use super::tokens::Tokens;
use super::volumes::WriteLocks;
use crate::images::Images;
use crate::logs::Logs;
use crate::runtime::ContainerRuntime;
use crate::spec::PodRef;
use crate::traffic::Traffic;

/// The settings of a node.
#[derive(Clone, Debug)]
pub struct Config {
    pub node_name: String,
    /// Logs are kept in `logs`, records of processes in `pods`, volumes in `volumes`, persistent ones in
    /// `claims`.
    pub data_dir: PathBuf,
    /// Without it, pods get no tokens unasked.
    pub api: Option<ApiAccess>,
}

/// How pods reach the API.
#[derive(Clone, Debug)]
pub struct ApiAccess {
    pub address: SocketAddr,
    /// The authority that its certificate is from, in PEM.
    pub ca: String,
}

/// A file system in memory that every user may write to.
const MEMORY: &str = "/dev/shm";

impl Config {
    /// The directories of a pod's volumes: on the disk, and in memory if the host has such a place.
    pub(crate) fn volumes_of(&self, pod: &PodRef) -> (PathBuf, Option<PathBuf>) {
        (self.data_dir.join("volumes").join(&pod.uid), self.memory().map(|dir| dir.join(&pod.uid)))
    }

    /// The directory of the volumes in memory of this data directory's pods.
    pub(crate) fn memory(&self) -> Option<PathBuf> {
        let place = fnv1a_64(self.data_dir.as_os_str().as_encoded_bytes());
        let there = Path::new(MEMORY).is_dir();
        there.then(|| Path::new(MEMORY).join(format!("rouse-{place:016x}")))
    }

    /// The directory of persistent volumes, by the uid of their claims.
    pub(crate) fn claims(&self) -> PathBuf {
        self.data_dir.join("claims")
    }
}

/// The node's address in its object. Everything is on loopback.
pub(crate) const HOST_IP: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) client: Client,
    pub(crate) images: Arc<dyn Images>,
    pub(crate) runtime: Arc<dyn ContainerRuntime>,
    pub(crate) traffic: Arc<dyn Traffic>,
    pub(crate) clock: Clock,
    pub(crate) tasks: Tasks,
    pub(crate) logs: Logs,
    pub(crate) events: Events,
    /// The hosts files of pods.
    pub(crate) hosts: Hosts,
    pub(crate) tokens: Tokens,
    pub(crate) writing: WriteLocks,
    pub(crate) host_ip: IpAddr,
    pub(crate) live: Live,
    pub(crate) metrics: Metrics,
    /// Cancelled when the platform ends: from then on no statuses are written, since the pods start
    /// again with the platform.
    pub(crate) halting: Shutdown,
}
