//! Listeners of the API: the one of this machine's clients, and the one of pods.

use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::Arc;

use rouse_apiserver::Cluster;
use rouse_kit::Component;

use super::pki::Pki;
use super::ports;
use crate::outcome::Result;

pub(super) fn serve(
    cluster: &Cluster,
    listener: TcpListener,
    pki: &Pki,
    component: &Component,
) -> Result {
    let listener = ports::listening(listener, "API")?;
    cluster.sign_tokens_with(Arc::clone(&pki.accounts));
    cluster.serve(listener, Arc::clone(&pki.server), pki.token.clone(), component);
    Ok(())
}

/// The API as pods reach it.
#[derive(Default)]
pub(super) struct ForPods {
    /// Where they do; none where they cannot.
    pub(super) access: Option<rouse_node::ApiAccess>,
    /// The listener that is theirs alone.
    pub(super) listener: Option<SocketAddr>,
}

/// Serves the API where pods reach it. They reach this host at `pods`; the local gateway listens on `local`, and the
/// API on `api`.
pub(super) fn serve_pods(
    cluster: &Cluster,
    pki: &Pki,
    pods: Option<IpAddr>,
    (local, api): (SocketAddr, SocketAddr),
    component: &Component,
) -> Result<ForPods> {
    let Some(pods) = pods else { return Ok(ForPods::default()) };
    let at = if local.ip().is_unspecified() { pods } else { local.ip() };
    let own = ports::bind_api_for_pods(at, ports::tcp);
    let listener = own.as_ref().map(|(address, _)| *address);
    if let Some((address, listener)) = own {
        let listener = ports::listening(listener, "API for pods")?;
        cluster.serve_also(listener, pki.server_at(address.ip())?, pki.token.clone(), component);
    }
    let address = listener.unwrap_or_else(|| ports::reached(api));
    let access = reached_by_pods(address.ip(), pods)
        .then(|| rouse_node::ApiAccess { address, ca: pki.authority_pem.clone() });
    Ok(ForPods { access, listener })
}

/// Pods with a network of their own do not reach this host's loopback.
fn reached_by_pods(address: IpAddr, pods: IpAddr) -> bool {
    pods.is_loopback() || !address.is_loopback()
}
