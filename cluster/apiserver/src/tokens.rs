//! The tokens of service accounts: JSON Web Tokens that the cluster's key signs (ES256).
//!
//! Pure: whether an account and a pod still live is asked by the caller.
//!
//! Upstream: `pkg/serviceaccount` (`claims.go`, `jwt.go`), whose claims these are.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use jiff::Timestamp;
use ring::digest;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _,
    UnparsedPublicKey,
};
use serde_json::{Value, json};

/// Who issues tokens, and the audience of tokens for the API itself.
pub(crate) const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";
/// How far ahead the clock may be of whoever began a token's time.
const LEEWAY_SECONDS: i64 = 60;

/// The key that signs the tokens of a cluster.
pub struct TokenKey {
    pair: EcdsaKeyPair,
    id: String,
    random: SystemRandom,
}

impl std::fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenKey(…)")
    }
}

/// Whose token it is, and what it is bound to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Claims {
    pub(crate) namespace: String,
    pub(crate) account: Named,
    pub(crate) pod: Option<Named>,
    pub(crate) node: Option<Named>,
    pub(crate) audiences: Vec<String>,
    /// Seconds since 1970.
    pub(crate) issued: i64,
    pub(crate) expires: i64,
    pub(crate) id: String,
}

/// An object by its name and uid.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) name: String,
    pub(crate) uid: String,
}

impl TokenKey {
    /// A key in PKCS#8; None if it is none of the curve P-256.
    #[must_use]
    pub fn from_pkcs8(document: &[u8]) -> Option<Self> {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, document, &random).ok()?;
        let public = digest::digest(&digest::SHA256, pair.public_key().as_ref());
        Some(Self { id: BASE64.encode(public), pair, random })
    }

    /// A key that ends with the process.
    pub(crate) fn ephemeral() -> Option<Self> {
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new()).ok()?;
        Self::from_pkcs8(document.as_ref())
    }

    /// The token; None if the system has no random bytes.
    pub(crate) fn sign(&self, claims: &Claims) -> Option<String> {
        let header = json!({ "alg": "ES256", "kid": self.id, "typ": "JWT" });
        let part = |value: &Value| BASE64.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(&claims.document()));
        let signature = self.pair.sign(&self.random, signed.as_bytes()).ok()?;
        Some(format!("{signed}.{}", BASE64.encode(signature)))
    }

    /// The claims of a token that this key signed for `audience`, and that is valid now.
    pub(crate) fn verify(&self, token: &str, audience: &str, now: Timestamp) -> Option<Claims> {
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, payload) = signed.split_once('.')?;
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, self.pair.public_key().as_ref());
        key.verify(signed.as_bytes(), &BASE64.decode(signature).ok()?).ok()?;
        let tree = |part: &str| serde_json::from_slice::<Value>(&BASE64.decode(part).ok()?).ok();
        let payload = tree(payload)?;
        let claims = Claims::read(&payload)?;
        let now = now.as_second();
        let valid = tree(header)?["alg"] == "ES256"
            && payload["iss"] == ISSUER
            && claims.audiences.iter().any(|one| one == audience)
            && claims.issued <= now.saturating_add(LEEWAY_SECONDS)
            && now < claims.expires;
        valid.then_some(claims)
    }

    /// The public key as a JSON Web Key Set, for those who verify tokens by themselves.
    pub(crate) fn key_set(&self) -> Value {
        // An uncompressed point: 4, x, y.
        let point = self.pair.public_key().as_ref();
        let (x, y) = point.get(1..).unwrap_or_default().split_at_checked(32).unwrap_or_default();
        json!({ "keys": [{
            "use": "sig", "kty": "EC", "kid": self.id, "crv": "P-256", "alg": "ES256",
            "x": BASE64.encode(x), "y": BASE64.encode(y),
        }] })
    }
}

impl Claims {
    fn document(&self) -> Value {
        let named = |named: &Named| json!({ "name": named.name, "uid": named.uid });
        let mut about =
            json!({ "namespace": self.namespace, "serviceaccount": named(&self.account) });
        for (name, bound) in [("pod", &self.pod), ("node", &self.node)] {
            if let Some(bound) = bound {
                about[name] = named(bound);
            }
        }
        json!({
            "aud": self.audiences, "exp": self.expires, "iat": self.issued, "iss": ISSUER,
            "jti": self.id, "kubernetes.io": about, "nbf": self.issued,
            "sub": format!("system:serviceaccount:{}:{}", self.namespace, self.account.name),
        })
    }

    fn read(payload: &Value) -> Option<Self> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let named =
            |value: &Value| Some(Named { name: text(&value["name"])?, uid: text(&value["uid"])? });
        let about = &payload["kubernetes.io"];
        let audiences = payload["aud"].as_array()?.iter().filter_map(text).collect();
        Some(Self {
            namespace: text(&about["namespace"])?,
            account: named(&about["serviceaccount"])?,
            pod: named(&about["pod"]),
            node: named(&about["node"]),
            audiences,
            issued: payload["nbf"].as_i64()?,
            expires: payload["exp"].as_i64()?,
            id: text(&payload["jti"]).unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn claims() -> Claims {
        let named = |name: &str| Named { name: name.to_owned(), uid: format!("{name}-uid") };
        Claims {
            namespace: "shop".to_owned(),
            account: named("robot"),
            pod: Some(named("p")),
            node: None,
            audiences: vec![ISSUER.to_owned(), "vault".to_owned()],
            issued: 1000,
            expires: 1600,
            id: "1".to_owned(),
        }
    }

    #[test]
    fn a_token_is_what_it_says_until_it_expires_and_for_its_audiences_only() {
        let key = TokenKey::ephemeral().unwrap();
        let token = key.sign(&claims()).unwrap();
        for (audience, now, valid) in [
            (ISSUER, 1000, true),
            ("vault", 1599, true),
            ("vault", 1600, false),
            ("other", 1000, false),
            (ISSUER, 940, true),
            (ISSUER, 939, false),
        ] {
            let found = key.verify(&token, audience, at(now));
            assert_eq!(found, valid.then(claims), "{audience} {now}");
        }
        assert_eq!(TokenKey::ephemeral().unwrap().verify(&token, ISSUER, at(1000)), None);
    }

    #[test]
    fn a_changed_token_and_one_without_a_signature_are_refused() {
        let key = TokenKey::ephemeral().unwrap();
        let token = key.sign(&claims()).unwrap();
        let parts: Vec<&str> = token.split('.').collect();
        let mut other = claims();
        other.account.name = "admin".to_owned();
        let forged = BASE64.encode(other.document().to_string());
        let none = BASE64.encode(json!({ "alg": "none" }).to_string());
        for wrong in [
            format!("{}.{forged}.{}", parts[0], parts[2]),
            format!("{none}.{}.", parts[1]),
            format!("{}.{}.", parts[0], parts[1]),
            format!("{}.{}", parts[0], parts[1]),
            format!("{token}.x"),
            String::new(),
            "..".to_owned(),
        ] {
            assert_eq!(key.verify(&wrong, ISSUER, at(1000)), None, "{wrong}");
        }
    }

    #[test]
    fn the_key_set_holds_the_public_point() {
        let set = TokenKey::ephemeral().unwrap().key_set();
        for coordinate in ["x", "y"] {
            let text = set["keys"][0][coordinate].as_str().unwrap();
            assert_eq!(BASE64.decode(text).unwrap().len(), 32);
        }
    }
}
