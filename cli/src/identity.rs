//! Identity tokens of service accounts, for commands that call a Service which asks its callers who they are.

use http::HeaderValue;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{Api, PostParams};
use rouse_api::Service;
use rouse_api::callers::{asks, members};
use rouse_api::member::Member;

use crate::outcome::{Failure, Result, refused};
use crate::target::Target;

/// Headers in which a caller may bring a credential of its own.
pub(crate) const CREDENTIALS: [&str; 3] = [SERVERLESS, "authorization", "x-api-key"];
/// The header for platforms: the program gets `Authorization` as the caller sent it.
pub(crate) const SERVERLESS: &str = "x-serverless-authorization";
/// The account of pods that name none.
const DEFAULT_ACCOUNT: &str = "default";

/// The account as which commands call a Service, and the audience of its tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) account: String,
    pub(crate) namespace: String,
    pub(crate) audience: String,
}

impl Identity {
    /// The first account that is invited, else the default one, which then is told that it is not.
    pub(crate) fn for_service(service: &Service, account: Option<&str>) -> Self {
        let name = service.metadata.name.as_deref().unwrap_or_default();
        let own = service.metadata.namespace.as_deref().unwrap_or_default();
        let annotations = service.metadata.annotations.clone().unwrap_or_default();
        let invited = members(&annotations).unwrap_or_default().into_iter().find_map(|member| {
            match member.within(own) {
                Member::Account { name, namespace: Some(namespace) } => Some((name, namespace)),
                _ => None,
            }
        });
        let chosen = account.map(|account| (account.to_owned(), own.to_owned())).or(invited);
        let (account, namespace) =
            chosen.unwrap_or_else(|| (DEFAULT_ACCOUNT.to_owned(), own.to_owned()));
        Self { account, namespace, audience: format!("http://{name}.{own}.svc.cluster.local") }
    }

    /// The same, if the Service asks.
    pub(crate) fn asked_by(service: &Service) -> Option<Self> {
        let annotations = service.metadata.annotations.as_ref()?;
        asks(annotations).then(|| Self::for_service(service, None))
    }

    /// A token that is valid for so many seconds.
    pub(crate) async fn token(&self, target: &Target, seconds: i64) -> Result<String> {
        let Self { account, namespace, audience } = self;
        let accounts: Api<ServiceAccount> = Api::namespaced(target.client.clone(), namespace);
        let request = TokenRequest {
            spec: TokenRequestSpec {
                audiences: vec![audience.clone()],
                expiration_seconds: Some(seconds),
                ..TokenRequestSpec::default()
            },
            ..TokenRequest::default()
        };
        let made = accounts.create_token_request(account, &PostParams::default(), &request).await;
        let doing = format!("make a token of service account {namespace}/{account}");
        let token = made.map_err(|error| refused(&error, &doing))?.status.map(|made| made.token);
        token.ok_or_else(|| Failure::new(format!("the cluster did not {doing}")))
    }

    /// What to do if the Service refuses the caller.
    pub(crate) fn invitation(&self, service: &str) -> String {
        let Self { account, namespace, .. } = self;
        format!("rouse invokers add {service} serviceAccount:{account}@{namespace}")
    }
}

/// The header value of a token.
pub(crate) fn bearer(token: &str) -> Result<HeaderValue> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", token.trim()))
        .map_err(|_| Failure::usage("the token has characters that no header can have"))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use rouse_api::keys;
    use serde_json::json;

    use super::*;

    fn service(invokers: Option<&str>) -> Service {
        let annotations = invokers.map(|members| json!({ keys::INVOKERS: members }));
        serde_json::from_value(json!({
            "metadata": { "name": "hello", "namespace": "shop", "annotations": annotations },
            "spec": { "template": { "spec": { "containers": [] } } },
        }))
        .unwrap()
    }

    #[test]
    fn a_command_calls_as_an_invited_account() {
        for (invokers, asked) in [
            (None, None),
            (Some("allUsers"), None),
            (Some(""), Some(("default", "shop"))),
            (Some("user:a@b.c, serviceAccount:robot"), Some(("robot", "shop"))),
            (Some("serviceAccount:robot@market"), Some(("robot", "market"))),
        ] {
            let identity = Identity::asked_by(&service(invokers));
            let identity = identity.as_ref().map(|i| (i.account.as_str(), i.namespace.as_str()));
            assert_eq!(identity, asked, "{invokers:?}");
        }
        let chosen = Identity::for_service(&service(Some("serviceAccount:a")), Some("b"));
        assert_eq!(chosen.account, "b");
        assert_eq!(chosen.audience, "http://hello.shop.svc.cluster.local");
    }
}
