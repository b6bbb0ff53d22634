//! Authentication of API clients: by the kubeconfig's bearer token or its certificate, or by a service account's
//! token; and impersonation by the kubeconfig's holder, the administrator.
//!
//! Upstream: `pkg/authentication/request/bearertoken`, `pkg/endpoints/filters/impersonation`.

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName};

use super::rights;
use crate::identity::{ACCOUNT, Rights, UserInfo};
use crate::status::Failure;

const IMPERSONATE_USER: &str = "impersonate-user";
const IMPERSONATE_GROUP: &str = "impersonate-group";
const IMPERSONATE: &str = "impersonate-";

/// Credentials that the API accepts.
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

    /// The sender of a request. Of clients with a certificate there is one: the administrator.
    pub(super) fn caller<'a>(&self, headers: &'a HeaderMap, certified: bool) -> Caller<'a> {
        let without_token = || match certified {
            true => Caller::Known(UserInfo::administrator()),
            false => Caller::Nobody,
        };
        let Some(given) = headers.get(AUTHORIZATION) else { return without_token() };
        match bearer(given.as_bytes()) {
            // A client whose kubeconfig holds no token sends this.
            Some(b"") => without_token(),
            Some(token) if same(token, self.token.as_bytes()) => {
                Caller::Known(UserInfo::administrator())
            }
            Some(token) => Caller::Bearer(token),
            None => Caller::Wrong,
        }
    }
}

/// The token after the scheme, whose case does not matter.
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let value = value.trim_ascii();
    let end = value.iter().position(|b| *b == b' ').unwrap_or(value.len());
    let (scheme, token) = value.split_at(end);
    scheme.eq_ignore_ascii_case(b"bearer").then(|| token.trim_ascii())
}

/// The user of an administrator's request: the one that its `Impersonate-*` headers name, if any.
pub(super) fn impersonated(user: UserInfo, headers: &HeaderMap) -> Result<UserInfo, Failure> {
    let text = |name: &str| -> Result<Vec<String>, Failure> {
        let values = headers.get_all(name).iter();
        values
            .map(|value| value.to_str().map(str::to_owned))
            .collect::<Result<_, _>>()
            .map_err(|_| Failure::bad_request(format!("the header {name} is not text")))
    };
    let username = text(IMPERSONATE_USER)?.into_iter().next().unwrap_or_default();
    if username.is_empty() {
        let impersonates = |name: &HeaderName| name.as_str().starts_with(IMPERSONATE);
        return match headers.keys().find(|name| impersonates(name)) {
            Some(name) => Err(Failure::bad_request(format!(
                "requested {name} without impersonating a user name"
            ))),
            None => Ok(user),
        };
    }
    if let Some(failure) = rights::impersonation(&user, &username) {
        return Err(failure);
    }
    let groups = text(IMPERSONATE_GROUP)?;
    let mut user = UserInfo::component(&username);
    if !groups.is_empty() {
        user.groups = groups;
    } else if let Some(account) = username.strip_prefix(ACCOUNT)
        && let Some((namespace, _)) = account.split_once(':')
    {
        user.groups.push(format!("system:serviceaccounts:{namespace}"));
    }
    if username.starts_with(ACCOUNT) {
        user.rights = Rights::Basic;
    }
    let everybody = match username.as_str() {
        "system:anonymous" => "system:unauthenticated",
        _ => "system:authenticated",
    };
    user.groups.retain(|group| group != "system:authenticated");
    if !user.groups.iter().any(|group| group == everybody) {
        user.groups.push(everybody.to_owned());
    }
    Ok(user)
}

/// The sender of a request, by its credential.
#[derive(Debug, PartialEq)]
pub(super) enum Caller<'a> {
    Known(UserInfo),
    /// Perhaps a service account, if this is its token.
    Bearer(&'a [u8]),
    /// The request has no credential.
    Nobody,
    /// The credential is invalid.
    Wrong,
}

/// Compares in a time that does not depend on where the tokens differ.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |difference, (x, y)| difference | (x ^ y)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_token_opens_after_a_scheme_in_any_case() {
        let credentials = Credentials::token("secret".to_owned());
        let with = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, text.parse().unwrap());
            credentials.caller(Box::leak(Box::new(headers)), false)
        };
        for right in ["Bearer secret", "bearer secret", "BEARER  secret", "bEaReR secret "] {
            assert_eq!(with(right), Caller::Known(UserInfo::administrator()), "{right}");
        }
        for wrong in ["Bearersecret", "Basic secret", "secret"] {
            assert_eq!(with(wrong), Caller::Wrong, "{wrong}");
        }
        for other in ["secre", "secret2", "Secret", "secret secret"] {
            let given = with(&format!("Bearer {other}"));
            assert_eq!(given, Caller::Bearer(other.as_bytes()), "{other}");
        }
        assert_eq!(with("Bearer "), Caller::Nobody);
        assert_eq!(with("bearer"), Caller::Nobody);
        assert_eq!(credentials.caller(&HeaderMap::new(), false), Caller::Nobody);
        let certified = Caller::Known(UserInfo::administrator());
        assert_eq!(credentials.caller(&HeaderMap::new(), true), certified);
    }

    #[test]
    fn an_administrator_impersonates_the_user_that_the_headers_name() {
        let as_of = |pairs: &[(&str, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
            }
            impersonated(UserInfo::administrator(), &headers)
                .map(|user| (user.username, user.groups.join(",")))
                .map_err(|failure| failure.code.as_u16())
        };
        let user = |name: &str, groups: &str| Ok((name.to_owned(), groups.to_owned()));
        for (headers, expected) in [
            (&[][..], user("rouse-admin", "system:masters,system:authenticated")),
            (&[("Impersonate-User", "bob")][..], user("bob", "system:authenticated")),
            (
                &[
                    ("Impersonate-User", "bob"),
                    ("Impersonate-Group", "a"),
                    ("impersonate-group", "b"),
                ][..],
                user("bob", "a,b,system:authenticated"),
            ),
            (
                &[("Impersonate-User", "system:serviceaccount:ns:robot")][..],
                user(
                    "system:serviceaccount:ns:robot",
                    "system:serviceaccounts,system:serviceaccounts:ns,system:authenticated",
                ),
            ),
            (
                &[("Impersonate-User", "system:anonymous")][..],
                user("system:anonymous", "system:unauthenticated"),
            ),
            (&[("Impersonate-Group", "a")][..], Err(400)),
            (&[("Impersonate-Uid", "1")][..], Err(400)),
            (&[("Impersonate-Extra-x", "1")][..], Err(400)),
        ] {
            assert_eq!(as_of(headers), expected, "{headers:?}");
        }
    }
}
