//! Authentication of connections from outside: the holder of the kubeconfig's token, or nobody.

use http::HeaderMap;
use http::header::AUTHORIZATION;

use crate::identity::UserInfo;

/// What the API accepts from outside.
#[derive(Clone)]
pub struct Credentials {
    token: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials(…)")
    }
}

impl Credentials {
    /// The administrator's bearer token.
    #[must_use]
    pub fn token(token: String) -> Self {
        Self { token }
    }

    /// Who sends a request.
    pub(super) fn caller(&self, headers: &HeaderMap) -> Caller {
        let Some(given) = headers.get(AUTHORIZATION) else { return Caller::Nobody };
        let given = given.as_bytes().trim_ascii();
        let token = given.strip_prefix(b"Bearer").map(<[u8]>::trim_ascii);
        match token {
            // A client whose kubeconfig holds no token sends this.
            Some(b"") => Caller::Nobody,
            Some(token) if same(token, self.token.as_bytes()) => {
                Caller::Known(UserInfo::administrator())
            }
            Some(_) | None => Caller::Wrong,
        }
    }
}

/// What a request's credential says.
#[derive(Debug, PartialEq)]
pub(super) enum Caller {
    Known(UserInfo),
    /// There is none.
    Nobody,
    /// It is not ours.
    Wrong,
}

/// Takes as long for a wrong token as for a right one.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |difference, (x, y)| difference | (x ^ y)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_token_opens() {
        let credentials = Credentials::token("secret".to_owned());
        let with = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, text.parse().unwrap());
            credentials.caller(&headers)
        };
        assert_eq!(with("Bearer secret"), Caller::Known(UserInfo::administrator()));
        for wrong in ["Bearer secre", "Bearer secret2", "Basic secret", "secret"] {
            assert_eq!(with(wrong), Caller::Wrong, "{wrong}");
        }
        assert_eq!(with("Bearer "), Caller::Nobody);
        assert_eq!(credentials.caller(&HeaderMap::new()), Caller::Nobody);
    }
}
