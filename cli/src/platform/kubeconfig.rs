//! The kubeconfig of a local cluster, with its credential.

use std::path::Path;

use base64::Engine;
use serde_json::json;

use super::pki::Pki;
use crate::target::EXTENSION;

/// Name of the cluster, the user and the context.
pub(crate) const NAME: &str = "rouse";

/// The file's text.
pub(crate) fn text(api: &str, pki: &Pki, data_dir: &Path) -> String {
    let encoded = |pem: &str| base64::engine::general_purpose::STANDARD.encode(pem);
    let authority = encoded(&pki.authority_pem);
    // The token for most clients; gcloud reads none, and has the certificate.
    let user = json!({
        "token": pki.token,
        "client-certificate-data": encoded(&pki.administrator.certificate),
        "client-key-data": encoded(&pki.administrator.key),
    });
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": NAME, "preferences": {},
        "clusters": [{ "name": NAME, "cluster": {
            "server": api, "certificate-authority-data": authority,
            "extensions": [{ "name": EXTENSION, "extension": { "path": data_dir } }]
        } }],
        "users": [{ "name": NAME, "user": user }],
        "contexts": [{ "name": NAME, "context": { "cluster": NAME, "user": NAME, "namespace": "default" } }]
    });
    // The authority stays on one line, for parsers without block scalars.
    let one_line = serde_yaml::ser_options! { prefer_block_scalars: false };
    serde_yaml::to_string_with_options(&config, one_line)
        .expect("a JSON document is a YAML document")
}
