//! The connection to a Docker Engine, and its errors.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error as DockerError;

use crate::runtime::interface::Error;

/// The default socket of engines.
const DEFAULT_HOST: &str = "unix:///var/run/docker.sock";
/// An engine that does not answer within this time counts as absent.
const CONNECT_MAX: Duration = Duration::from_secs(2);
/// Up to the head of a response; as long as the kubelet waits for its runtime.
const CALL_MAX: Duration = Duration::from_secs(120);
pub(super) const NO_ENGINE: &str =
    "cannot use the Docker Engine (is it running, and may this user use it?)";

/// An engine that answers.
pub(super) async fn connect(host: &str) -> Result<Docker, Error> {
    let asked = tokio::time::timeout(CONNECT_MAX, async {
        Docker::connect_with_host(host)?.negotiate_version().await
    });
    match asked.await {
        Ok(docker) => docker.map(|docker| docker.with_timeout(CALL_MAX)).map_err(engine(NO_ENGINE)),
        Err(_) => {
            let why = format!("{host} does not answer within {CONNECT_MAX:?}");
            Err(Error::Engine { what: NO_ENGINE, why })
        }
    }
}

/// Adds the operation that failed to an error.
pub(super) fn engine(what: &'static str) -> impl Fn(DockerError) -> Error {
    move |error| Error::Engine { what, why: why(&error) }
}

/// The engine's own message, without the client's wrapping.
pub(super) fn why(error: &DockerError) -> String {
    match error {
        DockerError::DockerResponseServerError { message, .. } => message.clone(),
        error => error.to_string(),
    }
}

pub(super) fn is_code(error: &DockerError, code: u16) -> bool {
    matches!(error, DockerError::DockerResponseServerError { status_code, .. } if *status_code == code)
}

/// Of `DOCKER_HOST`, else the default socket.
pub(super) fn default_host() -> String {
    std::env::var("DOCKER_HOST").unwrap_or_else(|_| DEFAULT_HOST.to_owned())
}

/// The gateway of the default bridge, if it is an address of this host. Connecting a UDP
/// socket sends nothing; it only asks the kernel which address it would send from.
pub(super) async fn bridge_here(docker: &Docker) -> Option<IpAddr> {
    let network = docker.inspect_network("bridge", None).await.ok()?;
    let configs = network.ipam.and_then(|ipam| ipam.config).unwrap_or_default();
    let gateways = configs.into_iter().filter_map(|config| config.gateway?.parse::<IpAddr>().ok());
    gateways.into_iter().find(|gateway| {
        let gateway = *gateway;
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
