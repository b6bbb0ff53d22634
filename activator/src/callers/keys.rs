//! The public keys of issuers, as they are known now: those of a JSON Web Key Set (RFC 7517) that verify RS256 or ES256.

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde::Deserialize;
use serde_json::Value;

/// Most keys of one issuer that are read. They have two or three.
const KEYS_MAX: usize = 100;
/// Bytes of each coordinate of a point of P-256.
const COORDINATE: usize = 32;

/// An algorithm of signatures that is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
}

impl Algorithm {
    /// By its name in a token's header.
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "RS256" => Some(Self::Rs256),
            "ES256" => Some(Self::Es256),
            _ => None,
        }
    }
}

/// Whose keys.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Source {
    /// The cluster's own, for tokens of service accounts.
    Cluster,
    /// An issuer by its URL.
    Issuer(Arc<str>),
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Cluster => f.write_str("the cluster"),
            Self::Issuer(url) => write!(f, "issuer {url}"),
        }
    }
}

/// The keys of one issuer.
#[derive(Debug)]
pub(crate) struct Keys {
    /// What `iss` of its tokens says.
    pub(crate) issuer: String,
    keys: Vec<Key>,
}

/// One key. It verifies the one algorithm that its kind is for, whatever a token asks for.
#[derive(Debug)]
pub(crate) struct Key {
    id: Option<String>,
    public: Public,
}

#[derive(Debug)]
enum Public {
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// An uncompressed point.
    Ec(Vec<u8>),
}

/// A JSON Web Key Set. Keys that cannot be read are others' business.
#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

impl Keys {
    /// The keys of a JSON Web Key Set.
    pub(crate) fn read(issuer: &str, document: &[u8]) -> Result<Self, String> {
        let document: Document = serde_json::from_slice(document)
            .map_err(|error| format!("its keys are no JSON Web Key Set: {error}"))?;
        let keys: Vec<Key> = document.keys.iter().take(KEYS_MAX).filter_map(Key::read).collect();
        if keys.is_empty() {
            return Err("its key set has no key for RS256 or ES256".to_owned());
        }
        Ok(Self { issuer: issuer.to_owned(), keys })
    }

    /// The key with this id, for this algorithm. A token without an id is of the only key there is.
    pub(crate) fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Option<&Key> {
        let mut fitting = self.keys.iter().filter(|key| {
            key.algorithm() == algorithm && (id.is_none() || key.id.as_deref() == id)
        });
        let first = fitting.next()?;
        (id.is_some() || fitting.next().is_none()).then_some(first)
    }
}

impl Key {
    /// None for a key of another kind or for another purpose.
    fn read(value: &Value) -> Option<Self> {
        let text = |field: &str| value[field].as_str();
        let bytes = |field: &str| BASE64.decode(text(field)?.trim_end_matches('=')).ok();
        if text("use").is_some_and(|purpose| purpose != "sig") {
            return None;
        }
        let coordinate = |field| bytes(field).filter(|bytes: &Vec<u8>| bytes.len() == COORDINATE);
        let public = match (text("kty")?, text("crv")) {
            ("RSA", _) => Public::Rsa { n: bytes("n")?, e: bytes("e")? },
            ("EC", Some("P-256")) => {
                Public::Ec([vec![4], coordinate("x")?, coordinate("y")?].concat())
            }
            _ => return None,
        };
        Some(Self { id: text("kid").map(str::to_owned), public })
    }

    fn algorithm(&self) -> Algorithm {
        match self.public {
            Public::Rsa { .. } => Algorithm::Rs256,
            Public::Ec(_) => Algorithm::Es256,
        }
    }

    /// Whether it signed the message.
    pub(crate) fn signed(&self, message: &[u8], signature: &[u8]) -> bool {
        let verified = match &self.public {
            Public::Rsa { n, e } => RsaPublicKeyComponents { n, e }.verify(
                &RSA_PKCS1_2048_8192_SHA256,
                message,
                signature,
            ),
            Public::Ec(point) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature)
            }
        };
        verified.is_ok()
    }
}

/// The keys of all issuers that rules name, as far as they could be fetched.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known(pub(crate) HashMap<Source, Arc<Keys>>);

impl Known {
    pub(crate) fn get(&self, source: &Source) -> Option<&Keys> {
        self.0.get(source).map(Arc::as_ref)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_for_other_purposes_and_of_other_kinds_are_left_out() {
        let x = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
        let y = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";
        let set = |keys: &str| format!("{{\"keys\":[{keys}]}}");
        let ec = |id: &str, more: &str| {
            format!(
                "{{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"{id}\",\"x\":\"{x}\",\"y\":\"{y}\"{more}}}"
            )
        };
        let all = [
            ec("a", ""),
            ec("b", ",\"use\":\"enc\""),
            ec("d", ",\"x\":\"AAAA\""),
            r#"{"kty":"oct","k":"AAAA","kid":"c"}"#.to_owned(),
            r#"{"kty":"EC","crv":"P-384","kid":"e","x":"AA","y":"AA"}"#.to_owned(),
            r#"{"kty":"new"}"#.to_owned(),
            "7".to_owned(),
        ];
        let keys = Keys::read("i", set(&all.join(",")).as_bytes()).expect("one key is of use");
        assert!(keys.find(Some("a"), Algorithm::Es256).is_some());
        assert!(keys.find(None, Algorithm::Es256).is_some(), "it is the only one");
        for (id, algorithm) in [
            (Some("a"), Algorithm::Rs256),
            (Some("b"), Algorithm::Es256),
            (Some("d"), Algorithm::Es256),
            (Some("e"), Algorithm::Es256),
            (None, Algorithm::Rs256),
        ] {
            assert!(keys.find(id, algorithm).is_none(), "{id:?} {algorithm:?}");
        }
        let two = Keys::read("i", set(&[ec("a", ""), ec("z", "")].join(",")).as_bytes());
        assert!(two.expect("two keys").find(None, Algorithm::Es256).is_none(), "which of them?");
        for (document, says) in [("{}", "no JSON Web Key Set"), ("{\"keys\":[]}", "no key for")] {
            let error = Keys::read("i", document.as_bytes()).expect_err(document);
            assert!(error.contains(says), "{error}");
        }
    }
}
