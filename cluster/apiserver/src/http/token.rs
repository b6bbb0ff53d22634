//! `serviceaccounts/NAME/token` (TokenRequest), and the users whom such tokens name.
//!
//! Upstream: `pkg/registry/core/serviceaccount/storage/token.go`, `pkg/serviceaccount/claims.go`.

use std::sync::Arc;

use http::{HeaderMap, StatusCode};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::api::Api;
use super::body::{self, Answer};
use super::decode::{self, Expected};
use super::request::{OPENID_KEYS, Target};
use crate::identity::UserInfo;
use crate::kinds::Resource;
use crate::registry::{TOKEN_REQUEST, token_request};
use crate::status::Failure;
use crate::store::{Key, Object};
use crate::structure::Invalid;
use crate::tokens::{Claims, ISSUER, Named, TokenKey};

const DEFAULT_SECONDS: i64 = 60 * 60;
const SECONDS_MIN: i64 = 10 * 60;
const SECONDS_MAX: i64 = 1 << 32;

impl Api {
    fn token_key(&self) -> Result<&TokenKey, Failure> {
        if self.token_key.get().is_none()
            && let Some(key) = TokenKey::ephemeral()
        {
            // Another request may have made it meanwhile.
            let _ = self.token_key.set(Arc::new(key));
        }
        self.token_key
            .get()
            .map(Arc::as_ref)
            .ok_or_else(|| Failure::internal("no key for tokens can be made"))
    }

    /// Makes a token; nothing is written.
    pub(super) fn make_token(
        &self,
        accounts: &Resource,
        target: &Target,
        headers: &HeaderMap,
        bytes: &[u8],
    ) -> Result<Answer, Failure> {
        let Target { namespace, name, .. } = target;
        let request = decode::object(headers, bytes, &Expected::resource(&TOKEN_REQUEST))?;
        let mut request = token_request(request, namespace, name)?;
        let account = self.registry.store.get(&Key::new("serviceaccounts", namespace, name));
        let account = account.ok_or_else(|| Failure::not_found(accounts, name))?;
        let seconds = seconds(&request["spec"]["expirationSeconds"])
            .map_err(|problem| Failure::invalid(&TOKEN_REQUEST, "", &[problem]))?;
        let (pod, node) = self.bound(accounts, &account, &request["spec"]["boundObjectRef"])?;
        let asked = request["spec"]["audiences"].as_array();
        let mut audiences: Vec<String> =
            asked.into_iter().flatten().filter_map(|a| Some(a.as_str()?.to_owned())).collect();
        if audiences.is_empty() {
            audiences.push(ISSUER.to_owned());
        }
        let now = self.registry.clock().now();
        let expires = now.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX);
        let claims = Claims {
            namespace: namespace.clone(),
            account: Named { name: name.clone(), uid: account.uid.clone() },
            pod,
            node,
            audiences,
            issued: now.as_second(),
            expires: expires.as_second(),
            id: uuid::Uuid::new_v4().to_string(),
        };
        let token = self.token_key()?.sign(&claims);
        let token = token.ok_or_else(|| Failure::internal("a token cannot be signed"))?;
        request["metadata"] = json!({
            "name": name, "namespace": namespace, "creationTimestamp": time(now),
        });
        request["spec"]["audiences"] = claims.audiences.into();
        request["spec"]["expirationSeconds"] = seconds.into();
        request["status"] = json!({ "token": token, "expirationTimestamp": time(expires) });
        Ok(body::json(StatusCode::CREATED, &request))
    }

    /// The pod that a token is to be bound to, with its node.
    fn bound(
        &self,
        accounts: &Resource,
        account: &Object,
        reference: &Value,
    ) -> Result<(Option<Named>, Option<Named>), Failure> {
        if reference.is_null() {
            return Ok((None, None));
        }
        let text = |field: &str| reference[field].as_str().unwrap_or_default();
        if (text("apiVersion"), text("kind")) != ("v1", "Pod") {
            return Err(Failure::bad_request(format!(
                "cannot bind token to object of type {}, Kind={}: this server binds tokens to Pods",
                text("apiVersion"),
                text("kind")
            )));
        }
        let Key { namespace, name, .. } = &account.key;
        let pods = self.registry.builtin("", "v1", "Pod");
        let pod = self.registry.store.get(&Key::new("pods", namespace, text("name")));
        let pod = pod.ok_or_else(|| Failure::not_found(&pods, text("name")))?;
        let field = |field: &str| pod.fields.get(field).map_or("", String::as_str);
        let of_pod = Some(field("spec.serviceAccountName")).filter(|name| !name.is_empty());
        if of_pod.unwrap_or("default") != *name {
            return Err(Failure::bad_request(format!(
                "cannot bind token for serviceaccount {name:?} to pod running with different \
                 serviceaccount name."
            )));
        }
        let uid = text("uid");
        if !uid.is_empty() && uid != pod.uid {
            return Err(Failure::conflict(
                accounts,
                name,
                &format!(
                    "the UID in the bound object reference ({uid}) does not match the UID in record. \
                     The object might have been deleted and then recreated"
                ),
            ));
        }
        let node = self.registry.store.get(&Key::new("nodes", "", field("spec.nodeName")));
        Ok((Some(named(&pod)), node.map(|node| named(&node))))
    }

    /// The service account that a token names; None if it is no valid token, or if the account or the pod
    /// that it is bound to is gone.
    pub(super) fn user_of_token(&self, token: &[u8]) -> Option<UserInfo> {
        let token = std::str::from_utf8(token).ok()?;
        let now = self.registry.clock().now();
        let claims = self.token_key().ok()?.verify(token, ISSUER, now)?;
        let lives = |resource: &str, named: &Named| {
            let key = Key::new(resource, &claims.namespace, &named.name);
            self.registry.store.get(&key).is_some_and(|found| found.uid == named.uid)
        };
        let living = lives("serviceaccounts", &claims.account)
            && claims.pod.as_ref().is_none_or(|pod| lives("pods", pod));
        living.then(|| UserInfo::account(&claims.namespace, &claims.account.name))
    }

    /// The documents by which others verify tokens: OpenID Connect's discovery.
    pub(super) fn openid(&self, keys: bool) -> Result<Answer, Failure> {
        let document = if keys {
            self.token_key()?.key_set()
        } else {
            json!({
                "issuer": ISSUER, "jwks_uri": format!("{ISSUER}{OPENID_KEYS}"),
                "response_types_supported": ["id_token"], "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["ES256"],
            })
        };
        Ok(body::json(StatusCode::OK, &document))
    }
}

fn named(object: &Object) -> Named {
    Named { name: object.key.name.clone(), uid: object.uid.clone() }
}

fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn seconds(asked: &Value) -> Result<i64, Invalid> {
    let Some(seconds) = asked.as_i64() else { return Ok(DEFAULT_SECONDS) };
    let wrong = |why: &str| Err(Invalid::value("spec.expirationSeconds", asked, why));
    match seconds {
        ..SECONDS_MIN => wrong("may not specify a duration less than 10 minutes"),
        SECONDS_MIN..=SECONDS_MAX => Ok(seconds),
        _ => wrong("may not specify a duration larger than 2^32 seconds"),
    }
}
