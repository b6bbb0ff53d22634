//! The pull secrets of a pod: its own, or those of its service account.
//!
//! Upstream: pkg/kubelet/kubelet_pods.go (`getPullSecretsForPod`), plugin/pkg/admission/serviceaccount.

use k8s_openapi::api::core::v1::{LocalObjectReference, Secret, ServiceAccount};
use kube::{Api, Client};

/// The account of pods that name none.
const DEFAULT: &str = "default";

/// What a pod says of its pull secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PullSecrets {
    pub namespace: String,
    /// Names of secrets, which go before those of the account.
    pub named: Vec<String>,
    /// The service account, if the pod names one.
    pub account: Option<String>,
}

/// The content of pull secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Secret, key and content, in the order in which they are named.
    pub files: Vec<(String, String, Vec<u8>)>,
    /// Secrets that do not exist.
    pub missing: Vec<String>,
}

impl PullSecrets {
    #[must_use]
    pub fn new(
        namespace: &str,
        named: Option<&[LocalObjectReference]>,
        account: Option<&str>,
    ) -> Self {
        let named = named.into_iter().flatten().map(|reference| reference.name.clone());
        Self {
            namespace: namespace.to_owned(),
            named: named.filter(|name| !name.is_empty()).collect(),
            account: account.filter(|name| !name.is_empty()).map(ToOwned::to_owned),
        }
    }

    /// Reads them.
    ///
    /// # Errors
    /// If the API server cannot be asked.
    pub async fn read(&self, client: &Client) -> Result<Found, kube::Error> {
        let mut names = self.named.clone();
        if names.is_empty() {
            let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), &self.namespace);
            let account = accounts.get_opt(self.account.as_deref().unwrap_or(DEFAULT)).await?;
            let references = account.and_then(|account| account.image_pull_secrets);
            names.extend(references.into_iter().flatten().map(|reference| reference.name));
        }
        let secrets: Api<Secret> = Api::namespaced(client.clone(), &self.namespace);
        let mut found = Found::default();
        for name in names {
            let Some(secret) = secrets.get_opt(&name).await? else {
                found.missing.push(name);
                continue;
            };
            let data = secret.data.unwrap_or_default();
            let files = data.into_iter().map(|(key, content)| (name.clone(), key, content.0));
            found.files.extend(files);
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::{Request, Response};
    use http_body_util::Full;
    use kube::client::Body;
    use parking_lot::Mutex;
    use serde_json::json;
    use tower::service_fn;

    use super::*;

    /// A client of an API server with two secrets and two accounts, and the paths asked for.
    fn client() -> (Client, Arc<Mutex<Vec<String>>>) {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let notes = Arc::clone(&asked);
        let answering = service_fn(move |request: Request<Body>| {
            let path = request.uri().path().rsplit('/').take(2).collect::<Vec<_>>();
            let path = format!("{}/{}", path[1], path[0]);
            let answer = match path.as_str() {
                "serviceaccounts/default" => json!({ "imagePullSecrets": [{ "name": "a" }] }),
                "serviceaccounts/robot" => {
                    json!({ "imagePullSecrets": [{ "name": "b" }, { "name": "gone" }] })
                }
                "secrets/a" => json!({ "data": { ".dockerconfigjson": "YQ==" } }),
                "secrets/b" => json!({ "data": { ".dockercfg": "Yg==" } }),
                _ => json!(null),
            };
            notes.lock().push(path);
            let status = if answer.is_null() { 404 } else { 200 };
            let body = match status {
                200 => answer,
                _ => {
                    json!({ "kind": "Status", "status": "Failure", "code": 404, "reason": "NotFound" })
                }
            };
            let body = Full::new(bytes::Bytes::from(body.to_string()));
            let answer = Response::builder().status(status).body(body).unwrap();
            std::future::ready(Ok::<_, std::convert::Infallible>(answer))
        });
        (Client::new(answering, "shop"), asked)
    }

    #[tokio::test]
    async fn the_pods_own_secrets_go_before_those_of_its_account() {
        let one = |name: &str| LocalObjectReference { name: name.to_owned() };
        let both = [one("b"), one("gone"), one("a")];
        let cases: [(Option<&[_]>, Option<&str>, &[&str], &[&str]); 5] = [
            (None, None, &["a=a"], &[]),
            (Some(&[]), Some(""), &["a=a"], &[]),
            (None, Some("robot"), &["b=b"], &["gone"]),
            (Some(&both), Some("robot"), &["b=b", "a=a"], &["gone"]),
            (None, Some("nobody"), &[], &[]),
        ];
        for (named, account, files, missing) in cases {
            let (client, asked) = client();
            let found = PullSecrets::new("shop", named, account).read(&client).await.unwrap();
            let text = |(secret, _, content): &(String, String, Vec<u8>)| {
                format!("{secret}={}", String::from_utf8_lossy(content))
            };
            assert_eq!(found.files.iter().map(text).collect::<Vec<_>>(), files, "{account:?}");
            assert_eq!(found.missing, missing, "{account:?}");
            let account_read = asked.lock().iter().any(|path| path.starts_with("serviceaccounts"));
            assert_eq!(account_read, named.is_none_or(<[_]>::is_empty), "{account:?}");
        }
    }
}
