//! Who a connection from outside is: the one that holds the kubeconfig's token, or nobody.

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

    /// The user of a request, if its credential is right.
    pub(super) fn user(&self, headers: &HeaderMap) -> Option<UserInfo> {
        let given = headers.get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")?.trim();
        same(given.as_bytes(), self.token.as_bytes()).then(UserInfo::administrator)
    }
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
            credentials.user(&headers)
        };
        assert!(with("Bearer secret").is_some());
        assert!(with("Bearer secre").is_none());
        assert!(with("Basic secret").is_none());
        assert!(credentials.user(&HeaderMap::new()).is_none());
    }
}
