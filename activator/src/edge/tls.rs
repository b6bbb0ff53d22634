//! TLS at the public listener: the settings of all connections, and their handshakes.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rouse_kit::certificates;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::control::certificates::Certificates;
use crate::edge::listen::ListenError;

/// Longest that a handshake may take, its wait for others included.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Handshakes of one thread at a time; more wait.
const HANDSHAKES_MAX: usize = 128;
/// Bytes of an answer that wait to be encrypted or sent, of one connection.
const BUFFER_MAX: usize = 16 * 1024;
const USUAL_PORT: u16 = 443;
const H2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";

/// TLS of one data thread. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Tls {
    acceptor: TlsAcceptor,
    handshakes: Arc<Semaphore>,
    port: u16,
}

impl Tls {
    /// With certificates by the name that a client asks for, at this port.
    pub(crate) fn new(certificates: Certificates, port: u16) -> Result<Self, ListenError> {
        let versions = rustls::ServerConfig::builder_with_provider(certificates::provider())
            .with_safe_default_protocol_versions();
        let builder =
            versions.map_err(|error| ListenError::Tls { source: io::Error::other(error) })?;
        let mut config = builder.with_no_client_auth().with_cert_resolver(Arc::new(certificates));
        config.alpn_protocols = vec![H2.to_vec(), HTTP1.to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Ok(Self { acceptor, handshakes: Arc::new(Semaphore::new(HANDSHAKES_MAX)), port })
    }

    /// The same settings, with handshakes counted apart.
    pub(crate) fn for_thread(&self) -> Self {
        let handshakes = Arc::new(Semaphore::new(HANDSHAKES_MAX));
        Self { acceptor: self.acceptor.clone(), handshakes, port: self.port }
    }

    /// The port, if URLs have to name it.
    pub(crate) fn port(&self) -> Option<u16> {
        Some(self.port).filter(|port| *port != USUAL_PORT)
    }

    /// The encrypted stream and whether its client chose HTTP/2; None if there is none in time.
    pub(crate) async fn accept(&self, stream: TcpStream) -> Option<(TlsStream<TcpStream>, bool)> {
        let handshake = async {
            let _permit = self.handshakes.acquire().await.ok()?;
            let bounded = |connection: &mut rustls::ServerConnection| {
                connection.set_buffer_limit(Some(BUFFER_MAX));
            };
            // An error is the client's: it spoke no TLS, or did not trust us.
            self.acceptor.accept_with(stream, bounded).await.ok()
        };
        let stream = timeout(HANDSHAKE_TIMEOUT, handshake).await.ok()??;
        let h2 = stream.get_ref().1.alpn_protocol() == Some(H2);
        Some((stream, h2))
    }
}
