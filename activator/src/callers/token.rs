//! Identity tokens: JSON Web Tokens (RFC 7519) that an issuer signed with RS256 or ES256.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

use super::keys::Key;

/// Longest token that is read.
pub(crate) const TOKEN_MAX: usize = 8 * 1024;

/// A token in its parts. What it says counts for nothing but the choice of a key until a key has signed it.
#[derive(Debug)]
pub(crate) struct Token<'t> {
    /// The name of its algorithm.
    pub(crate) algorithm: String,
    pub(crate) key: Option<String>,
    pub(crate) issuer: String,
    signed: &'t str,
    claims: Vec<u8>,
    signature: Vec<u8>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    kid: Option<String>,
    /// What a reader must understand, which this one does not.
    #[serde(default)]
    crit: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Issuer {
    iss: String,
}

/// What a token says that its issuer signed.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Claims {
    #[serde(default)]
    pub(crate) sub: String,
    #[serde(default, deserialize_with = "one_or_many")]
    pub(crate) aud: Vec<String>,
    /// Seconds since 1970.
    #[serde(default)]
    pub(crate) exp: Option<f64>,
    #[serde(default)]
    pub(crate) nbf: Option<f64>,
    #[serde(default)]
    pub(crate) email: Option<String>,
    #[serde(default)]
    email_verified: Option<Flag>,
}

/// Some issuers write a flag as text.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
enum Flag {
    Bool(bool),
    Text(String),
}

impl<'t> Token<'t> {
    /// None if it is no token with an issuer.
    pub(crate) fn read(text: &'t str) -> Option<Self> {
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let Header { alg: algorithm, kid: key, crit: None } = part(header)? else { return None };
        let claims = BASE64.decode(claims).ok()?;
        let Issuer { iss: issuer } = serde_json::from_slice(&claims).ok()?;
        let signature = BASE64.decode(signature).ok()?;
        Some(Self { algorithm, key, issuer, signed, claims, signature })
    }

    /// Whether `key` signed it.
    pub(crate) fn is_of(&self, key: &Key) -> bool {
        key.signed(self.signed.as_bytes(), &self.signature)
    }

    /// What it says; None if that has not the form of claims.
    pub(crate) fn claims(&self) -> Option<Claims> {
        serde_json::from_slice(&self.claims).ok()
    }
}

fn part<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_slice(&BASE64.decode(text).ok()?).ok()
}

impl Claims {
    /// The email address, if the issuer has verified that it is the caller's.
    pub(crate) fn verified_email(&self) -> Option<&str> {
        let verified = match self.email_verified.as_ref()? {
            Flag::Bool(verified) => *verified,
            Flag::Text(text) => text == "true",
        };
        self.email.as_deref().filter(|_| verified)
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Ok(match OneOrMany::deserialize(deserializer)? {
        OneOrMany::One(one) => vec![one],
        OneOrMany::Many(many) => many,
    })
}
