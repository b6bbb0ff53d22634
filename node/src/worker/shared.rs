//! The parts of the node that every pod's worker uses.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;

use kube::Client;
use rouse_kit::{Clock, Events, Shutdown, Tasks};

use super::live::Live;
use super::metrics::Metrics;
use crate::images::Images;
use crate::logs::Logs;
use crate::runtime::ContainerRuntime;
use crate::traffic::Traffic;

/// The settings of a node.
#[derive(Clone, Debug)]
pub struct Config {
    pub node_name: String,
    /// Logs are kept in `logs`, records of processes in `pods`, volumes in `volumes`.
    pub data_dir: PathBuf,
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
    pub(crate) host_ip: IpAddr,
    pub(crate) live: Live,
    pub(crate) metrics: Metrics,
    /// Cancelled when the platform ends: from then on no statuses are written, since the pods start
    /// again with the platform.
    pub(crate) halting: Shutdown,
}
