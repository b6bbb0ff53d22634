//! Detection of a program that listens, but not on `PORT`.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Container, Pod};
use tokio::sync::mpsc;

use super::shared::Shared;
use crate::pod::{Event, Index, Launched};
use crate::spec::ports::ports;

/// How often a program's listening ports are read, until it listens on `PORT`.
const LOOK_EVERY: Duration = Duration::from_secs(2);
const LOOKS_MAX: u32 = 60;

/// The port on which the program should listen: given by the runtime, or as declared.
fn wanted(
    shared: &Shared,
    pod: &Pod,
    spec: &Container,
    addresses: &BTreeMap<u16, SocketAddr>,
) -> Option<u16> {
    let serving = *ports(pod, spec).first()?;
    if !shared.runtime.capabilities().remaps_port {
        return Some(serving);
    }
    addresses.get(&serving).filter(|address| is_local(address)).map(SocketAddr::port)
}

/// Tells the pod when a program does not listen on its port, and when it does after all.
pub(super) fn look(
    shared: &Arc<Shared>,
    pod: &Pod,
    run: &Launched,
    spec: &Arc<Container>,
    at: Index,
    inbox: mpsc::Sender<Event>,
) -> impl Future<Output = ()> + use<> {
    let wanted = wanted(shared, pod, spec, &run.addresses).map(|port| (run.id.clone(), port));
    let (shared, name) = (Arc::clone(shared), spec.name.clone());
    async move {
        let Some((id, want)) = wanted else { return };
        for _ in 0..LOOKS_MAX {
            tokio::time::sleep(LOOK_EVERY).await;
            let (runtime, id) = (Arc::clone(&shared.runtime), id.clone());
            let found = shared.tasks.blocking("listening", move || runtime.listening(&id)).await;
            let Ok(Some(found)) = found else { return };
            let elsewhere: Vec<String> = found.iter().map(u16::to_string).collect();
            let message = if found.is_empty() {
                continue;
            } else if found.contains(&want) {
                None
            } else {
                Some(format!(
                    "container {name:?} listens on {}, not on PORT={want}: a program must listen \
                     on the port that the environment variable PORT names",
                    elsewhere.join(", ")
                ))
            };
            let right = message.is_none();
            let _ = inbox.send(Event::PortIgnored { container: at, message }).await;
            if right {
                return;
            }
        }
    }
}

fn is_local(address: &SocketAddr) -> bool {
    match address.ip() {
        IpAddr::V4(ip) => ip.is_loopback(),
        IpAddr::V6(ip) => ip.is_loopback(),
    }
}
