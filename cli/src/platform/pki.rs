//! The certificate authority and the credentials of a local cluster.
//!
//! Made once and kept in `pki/`: the authority, which clients trust, the administrator's token, and the key that
//! signs service accounts' tokens. Signed anew at each start: the API's certificate, so that it always names the
//! addresses listened on, and the administrator's; and those of the gateway's hosts, when each is first asked for.

use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;

use crate::datadir::write_whole;
use crate::outcome::{Context, Failure, Result};

/// What the API listener and the kubeconfig need.
pub(crate) struct Pki {
    pub(crate) authority_pem: String,
    pub(crate) server: Arc<rustls::ServerConfig>,
    /// The administrator's bearer token, which `pki/token` and the kubeconfig hold.
    pub(crate) token: String,
    /// The administrator's certificate, which the kubeconfig holds for clients that read no token there.
    pub(crate) administrator: Identity,
    /// Makes certificates for hosts of the gateway.
    pub(crate) issue: rouse_activator::Issue,
    /// Signs the tokens of service accounts.
    pub(crate) accounts: Arc<rouse_apiserver::TokenKey>,
    issuer: Arc<Issuer<'static, KeyPair>>,
}

/// A certificate and its key, in PEM.
pub(crate) struct Identity {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

/// The authority's certificate in a data directory, which clients of the gateway trust.
pub(crate) const AUTHORITY: &str = "pki/ca.crt";
/// How long a host's certificate is valid: some clients refuse those that are valid for years.
const VALID_DAYS: i64 = 90;
/// It is valid a little before it is made, for clients whose clocks are behind.
const BACKDATED_DAYS: i64 = 1;

impl Pki {
    /// Reads the files in `dir`, and makes the missing ones.
    pub(crate) fn load_or_make(dir: &Path, addresses: &[IpAddr]) -> Result<Self> {
        fs::create_dir_all(dir).or_fail(|| format!("cannot make {}", dir.display()))?;
        let key_pem =
            kept(&dir.join("ca.key"), 0o600, || Ok(KeyPair::generate()?.serialize_pem()))?;
        let key = KeyPair::from_pem(&key_pem)
            .or_fail(|| format!("{} is damaged", dir.join("ca.key").display()))?;
        let authority_pem =
            kept(&dir.join("ca.crt"), 0o644, || Ok(authority().self_signed(&key)?.pem()))?;
        let token = kept(&dir.join("token"), 0o600, random_token)?.trim().to_owned();
        let hosts = KeyPair::generate().or_fail(|| "cannot make a key".to_owned())?;
        let accounts =
            kept(&dir.join("accounts.key"), 0o600, || Ok(KeyPair::generate()?.serialize_pem()))?;
        let accounts = KeyPair::from_pem(&accounts).ok();
        let accounts = accounts
            .and_then(|key| rouse_apiserver::TokenKey::from_pkcs8(&key.serialize_der()))
            .ok_or_else(|| {
                Failure::new(format!("{} is damaged", dir.join("accounts.key").display()))
            })?;
        let accounts = Arc::new(accounts);
        let issuer = Arc::new(Issuer::new(authority(), key));
        let server = api_config(&issuer, addresses, &authority_pem)?;
        let administrator = administrator(&issuer)
            .or_fail(|| "cannot make the administrator's certificate".to_owned())?;
        let by = Arc::clone(&issuer);
        let issue: rouse_activator::Issue =
            Arc::new(move |host: &str| certified(host, &hosts, &by).ok());
        Ok(Self { authority_pem, server, token, administrator, issue, accounts, issuer })
    }

    /// For a listener of the API at another address.
    pub(crate) fn server_at(&self, address: IpAddr) -> Result<Arc<rustls::ServerConfig>> {
        api_config(&self.issuer, &[address], &self.authority_pem)
    }
}

fn api_config(
    issuer: &Issuer<'_, KeyPair>,
    addresses: &[IpAddr],
    authority_pem: &str,
) -> Result<Arc<rustls::ServerConfig>> {
    let config = server_config(issuer, addresses, authority_pem)
        .or_fail(|| "cannot make the API's certificate".to_owned())?;
    Ok(Arc::new(config))
}

/// The file's content; made and written if it is not there.
fn kept(path: &Path, mode: u32, make: impl FnOnce() -> anyhow::Result<String>) -> Result<String> {
    if let Ok(content) = fs::read_to_string(path)
        && !content.trim().is_empty()
    {
        return Ok(content);
    }
    let content = make().or_fail(|| format!("cannot make {}", path.display()))?;
    write_whole(path, content.as_bytes(), mode)?;
    Ok(content)
}

fn random_token() -> anyhow::Result<String> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).map_err(|e| anyhow::anyhow!("no random bytes: {e}"))?;
    Ok(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes))
}

fn authority() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "rouse local authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// Names in the API's certificate besides the listen addresses: this machine's, and those that clients in a cluster
/// use.
const NAMES: [&str; 7] = [
    "localhost",
    "127.0.0.1",
    "::1",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
];

/// A certificate for one host of the gateway.
fn certified(
    host: &str,
    key: &KeyPair,
    issuer: &Issuer<'_, KeyPair>,
) -> anyhow::Result<rustls::sign::CertifiedKey> {
    let mut params = leaf(vec![host.to_owned()])?;
    let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let day = |days: i64| -> anyhow::Result<_> {
        let day = today.checked_add(jiff::Span::new().try_days(days)?)?;
        let (month, of_month) = (u8::try_from(day.month())?, u8::try_from(day.day())?);
        Ok(rcgen::date_time_ymd(i32::from(day.year()), month, of_month))
    };
    (params.not_before, params.not_after) = (day(-BACKDATED_DAYS)?, day(VALID_DAYS)?);
    let certificate = params.signed_by(key, issuer)?;
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let chain = vec![certificate.der().clone()];
    let provider = rouse_kit::certificates::provider();
    Ok(rustls::sign::CertifiedKey::from_der(chain, private, &provider)?)
}

/// A certificate with which a client of the API is the administrator.
fn administrator(issuer: &Issuer<'_, KeyPair>) -> anyhow::Result<Identity> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "kubernetes-admin");
    params.distinguished_name.push(DnType::OrganizationName, "system:masters");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate()?;
    Ok(Identity { certificate: params.signed_by(&key, issuer)?.pem(), key: key.serialize_pem() })
}

/// What all serving certificates have.
fn leaf(names: Vec<String>) -> anyhow::Result<CertificateParams> {
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.push(DnType::CommonName, "rouse");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    // Clients that verify strictly, as Python does since 3.13, refuse a certificate without it.
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

fn server_config(
    issuer: &Issuer<'_, KeyPair>,
    addresses: &[IpAddr],
    authority_pem: &str,
) -> anyhow::Result<rustls::ServerConfig> {
    let mut names: Vec<String> = NAMES.into_iter().map(str::to_owned).collect();
    names.extend(addresses.iter().map(ToString::to_string));
    let params = leaf(names)?;
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, issuer)?;
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = rouse_kit::certificates::provider();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority_pem.as_bytes())?)?;
    // Of its certificates only the administrator's is for clients. Whoever has none shows a token.
    let clients = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone())
        .allow_unauthenticated()
        .build()?;
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(clients)
        .with_single_cert(vec![certificate.der().clone()], private)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authority_and_token_stay_the_same_over_restarts() {
        let dir = tempfile::tempdir().unwrap();
        let first = Pki::load_or_make(dir.path(), &[]).unwrap();
        let second = Pki::load_or_make(dir.path(), &[]).unwrap();
        assert_eq!(first.authority_pem, second.authority_pem);
        assert_eq!(first.token, second.token);
        assert!(first.token.len() >= 43, "256 bits");
    }

    #[test]
    fn a_host_gets_a_certificate_that_the_authority_vouches_for() {
        use rustls::client::danger::ServerCertVerifier as _;
        use rustls::pki_types::{ServerName, UnixTime};
        let dir = tempfile::tempdir().unwrap();
        let pki = Pki::load_or_make(dir.path(), &[]).unwrap();
        let issued = (pki.issue)("hello.shop.localhost").unwrap();
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(pki.authority_pem.as_bytes()).unwrap()).unwrap();
        let provider = rouse_kit::certificates::provider();
        let verifier =
            rustls::client::WebPkiServerVerifier::builder_with_provider(roots.into(), provider)
                .build()
                .unwrap();
        let verify = |host: &'static str, days: u64| {
            let name = ServerName::try_from(host).unwrap();
            let now = UnixTime::now().as_secs() + days * 24 * 60 * 60;
            let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(now));
            verifier.verify_server_cert(&issued.cert[0], &[], &name, &[], now).is_ok()
        };
        assert!(verify("hello.shop.localhost", 0) && verify("hello.shop.localhost", 88));
        assert!(!verify("hello.shop.localhost", 92) && !verify("other.shop.localhost", 0));
        assert!((pki.issue)("hôte").is_none());
    }
}
