//! Fetches the objects that a container's variables and volumes refer to.

use std::net::IpAddr;

use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Secret};
use kube::Api;

use super::shared::Shared;
use super::{claims, tokens};
use crate::spec::PodRef;
use crate::spec::sources::{Sources, Wanted};

/// Fetches the objects that exist; those that do not are left out.
pub(super) async fn fetch(
    shared: &Shared,
    (pod, account): (&PodRef, &str),
    wanted: Wanted,
    pod_ip: Option<IpAddr>,
) -> Result<Sources, kube::Error> {
    let namespace = pod.namespace.as_str();
    let mut sources = Sources {
        namespace: namespace.to_owned(),
        host_ip: Some(shared.host_ip),
        pod_ip,
        api: shared.config.api.as_ref().map(|api| api.address),
        ..Sources::default()
    };
    let config_maps: Api<ConfigMap> = Api::namespaced(shared.client.clone(), namespace);
    for name in wanted.config_maps {
        if let Some(map) = config_maps.get_opt(&name).await? {
            sources.config_maps.insert(name, map);
        }
    }
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(shared.client.clone(), namespace);
    for name in wanted.claims {
        if let Some(claim) = claims.get_opt(&name).await? {
            claims::bind(shared, &claim).await?;
            sources.claims.insert(name, claim);
        }
    }
    let secrets: Api<Secret> = Api::namespaced(shared.client.clone(), namespace);
    for name in wanted.secrets {
        if let Some(secret) = secrets.get_opt(&name).await? {
            sources.secrets.insert(name, secret);
        }
    }
    for kind in wanted.tokens {
        let token = tokens::of_pod(
            &shared.tokens,
            &shared.client,
            (pod, account),
            &kind,
            shared.clock.now(),
        )
        .await?;
        sources.tokens.insert(kind, token);
    }
    Ok(sources)
}
