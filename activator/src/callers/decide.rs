//! The decision on one request: what is known of its caller, the host's rule, the keys, the time -> allowed or not.

use std::borrow::Cow;
use std::net::IpAddr;

use ring::digest;
use subtle::{Choice, ConstantTimeEq as _};

use super::denial::Denial;
use super::keys::{Algorithm, Keys, Known, Source};
use super::rule::{Invokers, Rule};
use super::token::{Claims, TOKEN_MAX, Token};

/// How far the clocks of issuers may be from ours.
const LEEWAY_SECONDS: i64 = 30;
/// Most characters of a caller's name in an answer.
const CALLER_MAX: usize = 200;

/// What a request says of its caller. Each header is there once or not at all.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts<'a> {
    pub(crate) address: IpAddr,
    /// `X-Serverless-Authorization`, which wins.
    pub(crate) serverless: Option<&'a [u8]>,
    pub(crate) authorization: Option<&'a [u8]>,
    /// `X-API-Key`.
    pub(crate) api_key: Option<&'a [u8]>,
}

/// The decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    Allow(Proof),
    Deny(Denial),
    /// The keys that are known do not suffice. `lacking` is the answer if these are all there are.
    Ask {
        source: Source,
        lacking: Denial,
    },
}

/// What let the caller in; the pod gets none of it whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    /// Nothing: anybody may call.
    None,
    /// A token in `X-Serverless-Authorization`.
    Serverless,
    /// A token in `Authorization`.
    Token,
    /// An API key in `Authorization`.
    KeyAsToken,
    /// An API key in `X-API-Key`.
    Key,
}

/// Decides on a request at `now`, in seconds since 1970.
pub(crate) fn decide(facts: &Facts<'_>, rule: &Rule, known: &Known, now: i64) -> Decision {
    match verdict(facts, rule, known, now) {
        Ok(proof) => Decision::Allow(proof),
        Err(Refusal::Denied(denial)) => Decision::Deny(denial),
        Err(Refusal::Lacking(source, lacking)) => Decision::Ask { source, lacking },
    }
}

enum Refusal {
    Denied(Denial),
    Lacking(Source, Denial),
}

impl From<Denial> for Refusal {
    fn from(denial: Denial) -> Self {
        Self::Denied(denial)
    }
}

fn verdict(facts: &Facts<'_>, rule: &Rule, known: &Known, now: i64) -> Result<Proof, Refusal> {
    if !rule.admits(facts.address) {
        return Err(Denial::Network { address: facts.address.to_canonical().to_string() }.into());
    }
    let Some(invokers) = &rule.invokers else { return Ok(Proof::None) };
    if let Some(value) = facts.serverless {
        let token = bearer(value).ok_or(Denial::NoToken)?;
        return identify(token, invokers, known, now).map(|()| Proof::Serverless);
    }
    let api_key = facts.api_key.filter(|_| !invokers.keys.is_empty());
    if api_key.is_some_and(|key| invokers.knows(key)) {
        return Ok(Proof::Key);
    }
    match facts.authorization.and_then(bearer) {
        None if api_key.is_some() => Err(Denial::UnknownApiKey.into()),
        None => Err(Denial::NoCredentials.into()),
        Some(key) if invokers.knows(key) => Ok(Proof::KeyAsToken),
        Some(other) if !is_token(other) && !invokers.keys.is_empty() => {
            Err(Denial::UnknownApiKey.into())
        }
        Some(token) => identify(token, invokers, known, now).map(|()| Proof::Token),
    }
}

/// The credential of `Bearer CREDENTIAL`.
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = value.split_at_checked(7)?;
    let token = rest.trim_ascii();
    (scheme.eq_ignore_ascii_case(b"bearer ") && !token.is_empty()).then_some(token)
}

/// Whether a credential has the three parts of a token.
fn is_token(credential: &[u8]) -> bool {
    credential.iter().filter(|byte| **byte == b'.').count() == 2
}

/// Verifies a token, and that its bearer is invited.
fn identify(token: &[u8], invokers: &Invokers, known: &Known, now: i64) -> Result<(), Refusal> {
    if token.len() > TOKEN_MAX {
        return Err(Denial::TokenTooLong.into());
    }
    let token = std::str::from_utf8(token).map_err(|_| Denial::NoToken)?;
    let token = Token::read(token).ok_or(Denial::NoToken)?;
    let algorithm = Algorithm::named(&token.algorithm).ok_or(Denial::Algorithm)?;
    let (source, keys) = source(&token.issuer, invokers, known)?;
    let issuer = source.to_string();
    let Some(key) = keys.find(token.key.as_deref(), algorithm) else {
        return Err(Refusal::Lacking(source, Denial::UnknownKey { issuer }));
    };
    if !token.is_of(key) {
        return Err(Denial::BadSignature { issuer }.into());
    }
    let claims = token.claims().ok_or(Denial::NoToken)?;
    check_times(&claims, now)?;
    if !claims.aud.iter().any(|audience| invokers.accepts(audience)) {
        return Err(Denial::WrongAudience.into());
    }
    if invokers.invites(&claims, &source) {
        Ok(())
    } else {
        Err(Denial::NotInvited { caller: caller(&claims, &source) }.into())
    }
}

/// Whose token it claims to be, and the keys of that issuer.
fn source<'k>(
    issuer: &str,
    invokers: &Invokers,
    known: &'k Known,
) -> Result<(Source, &'k Keys), Refusal> {
    let lacking = |source: Source| {
        let (issuer, cause) = (source.to_string(), "they were not fetched yet".to_owned());
        Refusal::Lacking(source, Denial::IssuerUnreachable { issuer, cause })
    };
    if let Some(listed) = invokers.issuers.iter().find(|listed| &***listed == issuer) {
        let source = Source::Issuer(listed.clone());
        return match known.get(&source) {
            Some(keys) => Ok((source, keys)),
            None => Err(lacking(source)),
        };
    }
    if !invokers.takes_accounts() {
        return Err(Denial::UnknownIssuer.into());
    }
    match known.get(&Source::Cluster) {
        None => Err(lacking(Source::Cluster)),
        Some(keys) if keys.issuer == issuer => Ok((Source::Cluster, keys)),
        Some(_) => Err(Denial::UnknownIssuer.into()),
    }
}

fn check_times(claims: &Claims, now: i64) -> Result<(), Denial> {
    // Whole seconds; a float saturates, and what is no number is 0.
    let expires = claims.exp.ok_or(Denial::NoExpiry)? as i64;
    if now >= expires.saturating_add(LEEWAY_SECONDS) {
        return Err(Denial::Expired { seconds: now.saturating_sub(expires) });
    }
    let begins = claims.nbf.unwrap_or(0.0) as i64;
    if begins > now.saturating_add(LEEWAY_SECONDS) {
        return Err(Denial::NotYetValid { seconds: begins.saturating_sub(now) });
    }
    Ok(())
}

impl Invokers {
    /// Whether it is one of the API keys. Compares all, in a time that tells nothing of them.
    fn knows(&self, key: &[u8]) -> bool {
        if self.keys.is_empty() {
            return false;
        }
        let sent = digest::digest(&digest::SHA256, key);
        let compared = self.keys.iter().map(|digest| digest.as_slice().ct_eq(sent.as_ref()));
        compared.fold(Choice::from(0), |any, equal| any | equal).into()
    }

    /// Whether tokens for this audience are for this Service: one of its URLs, or an audience that it names.
    fn accepts(&self, audience: &str) -> bool {
        let named = |host: &str| self.hosts.iter().any(|own| own.eq_ignore_ascii_case(host));
        self.audiences.iter().any(|own| own == audience) || host_of(audience).is_some_and(named)
    }

    fn invites(&self, claims: &Claims, source: &Source) -> bool {
        let named = match source {
            Source::Cluster => self.accounts.contains(&claims.sub),
            Source::Issuer(_) => {
                let email = claims.verified_email().map(str::to_ascii_lowercase);
                self.subjects.contains(&claims.sub)
                    || email.is_some_and(|email| self.emails.contains(&email))
            }
        };
        self.all_authenticated || named
    }
}

/// The host of a URL without a path.
fn host_of(url: &str) -> Option<&str> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"))?;
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    let (host, port) = authority.split_once(':').unwrap_or((authority, ""));
    let plain = !host.contains(['/', '?', '#', '@']) && port.bytes().all(|b| b.is_ascii_digit());
    plain.then_some(host)
}

/// The caller as a member of a Service would be written.
fn caller(claims: &Claims, source: &Source) -> String {
    let account = claims.sub.strip_prefix("system:serviceaccount:");
    let member: Cow<'_, str> = match (source, account.and_then(|rest| rest.split_once(':'))) {
        (Source::Cluster, Some((namespace, name))) => {
            format!("serviceAccount:{name}@{namespace}").into()
        }
        (Source::Cluster | Source::Issuer(_), _) => {
            match (&claims.email, claims.verified_email()) {
                (_, Some(email)) => format!("user:{email}").into(),
                (Some(email), None) => {
                    format!("user:{email}, whose issuer has not verified it,").into()
                }
                (None, None) => format!("subject:{}", claims.sub).into(),
            }
        }
    };
    member.chars().filter(|c| !c.is_control()).take(CALLER_MAX).collect()
}

#[cfg(test)]
mod tests;
