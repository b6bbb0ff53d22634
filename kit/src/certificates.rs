//! Certificates with their keys, from PEM and from Secrets.

use std::sync::{Arc, LazyLock};

use k8s_openapi::api::core::v1::Secret;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

/// The type of Secrets that hold a certificate and its key.
pub const TLS_SECRET: &str = "kubernetes.io/tls";
/// Their keys.
const CERTIFICATE: &str = "tls.crt";
const KEY: &str = "tls.key";

/// Why there is no certificate to serve.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    #[error("it is of type {found:?}, not {TLS_SECRET}")]
    Type { found: String },
    #[error("it has no {name}")]
    Absent { name: &'static str },
    #[error("{name} holds no {what} in PEM")]
    Unreadable { name: &'static str, what: &'static str },
    #[error(
        "{CERTIFICATE} and {KEY} do not belong together, or are of a kind that is not handled: {cause}"
    )]
    Unusable { cause: String },
}

/// The one provider of cryptography.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> =
        LazyLock::new(|| Arc::new(ring::default_provider()));
    Arc::clone(&PROVIDER)
}

/// The certificate chain and the key of a Secret of type `kubernetes.io/tls`.
///
/// # Errors
///
/// The Secret lacks one of them, or they cannot be used together.
pub fn of_secret(secret: &Secret) -> Result<CertifiedKey, CertificateError> {
    let found = secret.type_.as_deref().unwrap_or_default();
    if found != TLS_SECRET {
        return Err(CertificateError::Type { found: found.to_owned() });
    }
    let data = |name: &'static str| {
        let value = secret.data.as_ref().and_then(|data| data.get(name));
        value.map(|value| value.0.as_slice()).ok_or(CertificateError::Absent { name })
    };
    of_pem(data(CERTIFICATE)?, data(KEY)?)
}

/// A certificate chain and its key, both in PEM.
///
/// # Errors
///
/// One of them cannot be read, or they do not belong together.
pub fn of_pem(chain: &[u8], key: &[u8]) -> Result<CertifiedKey, CertificateError> {
    let unreadable = |name, what| CertificateError::Unreadable { name, what };
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain).collect();
    let chain = chain.ok().filter(|chain| !chain.is_empty());
    let chain = chain.ok_or(unreadable(CERTIFICATE, "certificate"))?;
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| unreadable(KEY, "private key"))?;
    let certified = CertifiedKey::from_der(chain, key, &provider());
    certified.map_err(|error| CertificateError::Unusable { cause: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::ByteString;

    fn pair() -> (String, String) {
        let made = rcgen::generate_simple_self_signed(["shop.example".to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    fn secret(type_: &str, data: &[(&str, &str)]) -> Secret {
        let data = data.iter().map(|(k, v)| ((*k).to_owned(), ByteString(v.as_bytes().to_vec())));
        Secret { type_: Some(type_.to_owned()), data: Some(data.collect()), ..Secret::default() }
    }

    #[test]
    fn a_whole_secret_is_a_certificate_and_each_fault_of_another_is_named() {
        let ((chain, key), (_, other)) = (pair(), pair());
        let whole = secret(TLS_SECRET, &[("tls.crt", &chain), ("tls.key", &key)]);
        assert_eq!(of_secret(&whole).map(|certified| certified.cert.len()), Ok(1));
        for (type_, data, problem) in [
            ("Opaque", &[("tls.crt", chain.as_str()), ("tls.key", &key)][..], "type \"Opaque\""),
            (TLS_SECRET, &[("tls.key", &key)], "it has no tls.crt"),
            (TLS_SECRET, &[("tls.crt", &chain)], "it has no tls.key"),
            (TLS_SECRET, &[("tls.crt", &key), ("tls.key", &key)], "tls.crt holds no certificate"),
            (TLS_SECRET, &[("tls.crt", &chain), ("tls.key", "x")], "tls.key holds no private key"),
            (TLS_SECRET, &[("tls.crt", &chain), ("tls.key", &other)], "do not belong together"),
        ] {
            let told = of_secret(&secret(type_, data)).unwrap_err().to_string();
            assert!(told.contains(problem), "{told}");
        }
    }
}
