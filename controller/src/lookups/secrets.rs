//! The logins for a Revision's images: of its pull secrets, or of those of its service account.

use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::{Api, Client};
use rouse_api::Revision;
use rouse_image::Logins;

use crate::objects::meta::key;

/// The names of the secrets, or of the account that has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PullSecrets {
    namespace: String,
    names: Vec<String>,
    account: String,
}

impl PullSecrets {
    pub(super) fn of(revision: &Revision) -> Self {
        let pod = &revision.spec.pod;
        let names = pod.image_pull_secrets.iter().flatten();
        let account = pod.service_account_name.clone().filter(|name| !name.is_empty());
        Self {
            namespace: key(revision).namespace,
            names: names.map(|reference| reference.name.clone()).collect(),
            account: account.unwrap_or_else(|| "default".to_owned()),
        }
    }

    /// Those that can be read. The lookup itself says that an image is not to be had.
    pub(super) async fn logins(&self, client: &Client) -> Logins {
        let mut names = self.names.clone();
        if names.is_empty() {
            let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), &self.namespace);
            let account = accounts.get_opt(&self.account).await.ok().flatten();
            let references = account.and_then(|account| account.image_pull_secrets);
            names.extend(references.into_iter().flatten().map(|reference| reference.name));
        }
        let secrets: Api<Secret> = Api::namespaced(client.clone(), &self.namespace);
        let mut logins = Logins::default();
        for name in names {
            let Ok(Some(secret)) = secrets.get_opt(&name).await else { continue };
            for (key, content) in secret.data.iter().flatten() {
                if let Err(error) = logins.add(key, &content.0) {
                    let namespace = &self.namespace;
                    tracing::info!(%error, ns = %namespace, name, "a pull secret cannot be read");
                }
            }
        }
        logins
    }
}
