//! The certificate for each TLS connection, chosen by the name that its client asks for.
//!
//! A DomainMapping that names a Secret is served with that Secret's certificate, as it is at this moment. All other
//! hosts that are routed get one from the platform's own authority, made at the first connection and kept. A
//! client that names no host, or one that is not routed, gets the certificate for `localhost`: behind it is 404.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rouse_k8s::ObjectKey;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::time::Instant;

use crate::control::shared::Shared;
use crate::state::routes::Side;

/// The name in the certificate for clients that name no host.
const FALLBACK: &str = "localhost";
/// A certificate of the platform's own authority is made anew after this time.
const RENEW: Duration = Duration::from_secs(24 * 60 * 60);
/// Certificates that are kept beyond the number of hosts before those of lost hosts are dropped.
const SPARE: usize = 64;

/// Makes a certificate for a host; None if that fails.
pub type Issue = Arc<dyn Fn(&str) -> Option<CertifiedKey> + Send + Sync>;

/// Chooses certificates.
pub(crate) struct Certificates {
    shared: Arc<Shared>,
    issue: Issue,
    issued: Mutex<HashMap<String, Issued>>,
}

struct Issued {
    certificate: Arc<CertifiedKey>,
    at: Instant,
}

impl Certificates {
    pub(crate) fn new(shared: Arc<Shared>, issue: Issue) -> Self {
        Self { shared, issue, issued: Mutex::default() }
    }

    fn choose(&self, name: Option<&str>) -> Option<Arc<CertifiedKey>> {
        let table = self.shared.table.load();
        let routed = name.and_then(|name| Some((name, table.find(name, Side::Public)?)));
        let Some((name, host)) = routed else { return self.issued(FALLBACK, table.len()) };
        match &host.source().tls_secret {
            // Without its certificate, the domain is not served over TLS: another one would not be what its owner
            // wants clients to trust.
            Some(secret) => {
                let secret = ObjectKey::new(host.namespace(), secret);
                self.shared.certificates.load().get(&secret).cloned()
            }
            None => self.issued(&name.to_ascii_lowercase(), table.len()),
        }
    }

    /// The kept certificate for `name`, or a new one.
    fn issued(&self, name: &str, hosts: usize) -> Option<Arc<CertifiedKey>> {
        let now = Instant::now();
        let is_fresh = |issued: &Issued| now.saturating_duration_since(issued.at) < RENEW;
        let mut issued = self.issued.lock();
        if let Some(known) = issued.get(name).filter(|known| is_fresh(known)) {
            return Some(Arc::clone(&known.certificate));
        }
        let certificate = Arc::new((self.issue)(name)?);
        if issued.len() >= hosts.saturating_add(SPARE) {
            issued.clear();
        }
        let kept = Issued { certificate: Arc::clone(&certificate), at: now };
        issued.insert(name.to_owned(), kept);
        Some(certificate)
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.choose(hello.server_name())
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates").finish_non_exhaustive()
    }
}
