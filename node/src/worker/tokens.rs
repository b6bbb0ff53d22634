//! The tokens of service accounts for pods: made by the API, kept in memory, and renewed in time.
//!
//! Upstream: pkg/kubelet/token.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::PostParams;
use kube::{Api, Client};
use parking_lot::Mutex;

use crate::spec::PodRef;
use crate::spec::sources::TokenKind;

/// The share of its life after which a token is renewed, in percent.
const RENEW_AT: i64 = 80;
/// A token is renewed after this, however long it lives.
const RENEW_MAX: SignedDuration = SignedDuration::from_hours(24);
/// A new namespace's default account is there in a moment.
const TRIES: u32 = 10;
const AGAIN: Duration = Duration::from_millis(20);

/// The tokens of all pods of a node.
#[derive(Default)]
pub(crate) struct Tokens(Mutex<BTreeMap<String, BTreeMap<TokenKind, Kept>>>);

struct Kept {
    token: String,
    renew_at: Timestamp,
}

impl Tokens {
    /// When the first of a pod's tokens is to be renewed.
    pub(super) fn renewal(&self, pod: &PodRef) -> Option<Timestamp> {
        self.0.lock().get(&pod.uid)?.values().map(|kept| kept.renew_at).min()
    }

    /// Forgets those of a pod that has ended.
    pub(super) fn forget(&self, pod: &PodRef) {
        self.0.lock().remove(&pod.uid);
    }

    fn kept(&self, pod: &PodRef, kind: &TokenKind, now: Timestamp) -> Option<String> {
        let all = self.0.lock();
        let kept = all.get(&pod.uid)?.get(kind)?;
        (now < kept.renew_at).then(|| kept.token.clone())
    }
}

/// A token of the pod's account that is bound to the pod.
pub(super) async fn of_pod(
    tokens: &Tokens,
    client: &Client,
    (pod, account): (&PodRef, &str),
    kind: &TokenKind,
    now: Timestamp,
) -> Result<String, kube::Error> {
    if let Some(token) = tokens.kept(pod, kind, now) {
        return Ok(token);
    }
    let request = request(pod, kind);
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), &pod.namespace);
    let mut tries = 0;
    let made = loop {
        tries += 1;
        let made = accounts.create_token_request(account, &PostParams::default(), &request).await;
        match made {
            Err(kube::Error::Api(status)) if status.code == 404 && tries < TRIES => {
                tokio::time::sleep(AGAIN).await;
            }
            made => break made?,
        }
    };
    let unanswered = || kube::Error::Service("the API made no token".into());
    let status = made.status.ok_or_else(unanswered)?;
    let kept = Kept {
        token: status.token.clone(),
        renew_at: renew_at(now, status.expiration_timestamp.0),
    };
    tokens.0.lock().entry(pod.uid.clone()).or_default().insert(kind.clone(), kept);
    Ok(status.token)
}

fn request(pod: &PodRef, kind: &TokenKind) -> TokenRequest {
    let audience = Some(kind.audience.clone()).filter(|audience| !audience.is_empty());
    TokenRequest {
        spec: TokenRequestSpec {
            audiences: audience.into_iter().collect(),
            expiration_seconds: Some(kind.seconds),
            bound_object_ref: Some(BoundObjectReference {
                api_version: Some("v1".to_owned()),
                kind: Some("Pod".to_owned()),
                name: Some(pod.name.clone()),
                uid: Some(pod.uid.clone()),
            }),
        },
        ..TokenRequest::default()
    }
}

fn renew_at(now: Timestamp, expires: Timestamp) -> Timestamp {
    let life = expires.duration_since(now).as_secs().max(0);
    let after = SignedDuration::from_secs(life.saturating_mul(RENEW_AT) / 100).min(RENEW_MAX);
    now.checked_add(after).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_renewed_well_before_its_end() {
        let now = Timestamp::from_second(1000).unwrap();
        for (life, after) in [(600, 480), (3607, 2885), (1 << 32, 24 * 60 * 60), (-5, 0)] {
            let expires = Timestamp::from_second(1000 + life).unwrap();
            assert_eq!(renew_at(now, expires).as_second(), 1000 + after, "{life}");
        }
    }
}
