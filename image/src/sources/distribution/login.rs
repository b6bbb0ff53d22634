//! Logins, and the bearer tokens that registries ask for.

use http_auth::parser::ChallengeParser;
use serde::Deserialize;

/// A login, in one of the forms that clients save.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Login {
    Password {
        user: String,
        password: String,
    },
    /// Exchanged for a token of the registry, as `docker login` to Azure saves it.
    Identity(String),
    /// Sent as it is.
    Registry(String),
}

/// The token endpoint of a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bearer {
    pub(super) realm: String,
    pub(super) service: Option<String>,
}

/// The `Bearer` challenge of a `WWW-Authenticate` header, if it holds one.
pub(super) fn bearer(header: &str) -> Option<Bearer> {
    let mut challenges = ChallengeParser::new(header).flatten();
    let challenge = challenges.find(|found| found.scheme.eq_ignore_ascii_case("bearer"))?;
    let param = |name: &str| {
        let mut params = challenge.params.iter();
        let (_, value) = params.find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        Some(value.to_unescaped())
    };
    Some(Bearer { realm: param("realm")?, service: param("service") })
}

/// A token endpoint's answer, which holds the token under either name.
#[derive(Deserialize)]
struct Answer {
    token: Option<String>,
    access_token: Option<String>,
}

/// The token in a token endpoint's answer.
pub(super) fn token(answer: &[u8]) -> Option<String> {
    let answer: Answer = serde_json::from_slice(answer).ok()?;
    answer.token.or(answer.access_token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_says_where_tokens_are() {
        let hub = r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="a:b:pull""#;
        let found = bearer(hub).unwrap();
        assert_eq!(found.realm, "https://auth.docker.io/token");
        assert_eq!(found.service.as_deref(), Some("registry.docker.io"));
        let either = bearer(r#"Basic realm="x", bearer Realm="https://a/t""#).unwrap();
        assert_eq!((either.realm.as_str(), either.service), ("https://a/t", None));
        for none in ["Basic realm=\"x\"", "Bearer service=\"a\"", "", "\u{7f}"] {
            assert_eq!(bearer(none), None, "{none}");
        }
    }

    #[test]
    fn a_token_has_two_names() {
        assert_eq!(token(br#"{"token":"a","access_token":"b"}"#).as_deref(), Some("a"));
        assert_eq!(token(br#"{"access_token":"b"}"#).as_deref(), Some("b"));
        assert_eq!(token(b"{}"), None);
    }
}
