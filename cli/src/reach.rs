//! How this machine reaches a Service: at which address, and under which host.

use std::net::SocketAddr;

use k8s_openapi::api::core::v1::Service as CoreService;
use kube::api::Api;
use rouse_api::{Service, keys};
use rouse_kit::address;

use crate::outcome::{Context, Failure, Result};
use crate::target::Target;

/// Set on requests to a Service of https that take plain http to the gateway of this machine.
pub(crate) const FORWARDED_PROTO: &str = "x-forwarded-proto";

/// A Service, a tag of it, or one of its revisions.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Part<'a> {
    Whole,
    Tag(&'a str),
    Revision(&'a str),
}

impl<'a> Part<'a> {
    /// What the options `--tag` and `--revision` ask for.
    pub(crate) fn of(tag: Option<&'a str>, revision: Option<&'a str>) -> Self {
        match (tag, revision) {
            (Some(tag), _) => Self::Tag(tag),
            (None, Some(revision)) => Self::Revision(revision),
            (None, None) => Self::Whole,
        }
    }
}

/// Where requests to a URL go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reach {
    /// The URL that the Service's status names.
    pub(crate) url: String,
    /// The same host by plain http.
    pub(crate) open: String,
    /// The gateway of this machine; none where the host is to be resolved.
    pub(crate) at: Option<SocketAddr>,
    /// Whether the gateway is to be told that the request is of https.
    pub(crate) https: bool,
}

impl Reach {
    pub(crate) async fn of(target: &Target, url: String) -> Result<Self> {
        let plain = |at| Self { open: url.clone(), url: url.clone(), at, https: false };
        if is_cluster_local(&url) {
            return Ok(plain(Some(local_gateway(target).await?)));
        }
        if target.data_dir.is_none() {
            return Ok(plain(None));
        }
        let at = Some(public_gateway(target).await?);
        Ok(match url.strip_prefix("https://") {
            // The gateway answers the same over http to whoever says that it was https.
            Some(rest) => Self { open: format!("http://{rest}"), at, https: true, url },
            None => plain(at),
        })
    }
}

/// The URL of a Service or of a part of it.
pub(crate) fn url_of(service: &Service, part: Part<'_>) -> Result<String> {
    let name = service.metadata.name.clone().unwrap_or_default();
    let status = service.status.clone().unwrap_or_default();
    let url = match part {
        Part::Whole => status.url,
        Part::Tag(tag) => {
            let tagged = status.traffic.into_iter().find(|t| t.tag.as_deref() == Some(tag));
            tagged
                .ok_or_else(|| {
                    Failure::new(format!("{name} has no tag {tag:?}"))
                        .next(format!("rouse describe {name}"))
                })?
                .url
        }
        Part::Revision(revision) => {
            let of_it =
                |t: &&rouse_api::TrafficTarget| t.revision_name.as_deref() == Some(revision);
            let tagged = status.traffic.iter().filter(of_it).find(|t| t.tag.is_some());
            let alone = status.traffic.iter().filter(of_it).any(|t| t.percent == Some(100));
            match tagged {
                Some(tagged) => tagged.url.clone(),
                None if alone => status.url,
                None => {
                    return Err(Failure::new(format!("{revision} has no host of its own"))
                        .because("a revision has one if it has a tag, or if all requests go to it")
                        .next(format!("rouse traffic {name} --tag {revision}=TAG")));
                }
            }
        }
    };
    url.ok_or_else(|| {
        Failure::not_ready(format!("{name} has no URL yet")).next(format!("rouse describe {name}"))
    })
}

/// Whether a URL is cluster-local: only pods, and commands of this machine, reach it.
fn is_cluster_local(url: &str) -> bool {
    let uri: Option<http::Uri> = url.parse().ok();
    uri.as_ref().and_then(http::Uri::host).is_some_and(|host| host.ends_with(CLUSTER_LOCAL))
}

const CLUSTER_LOCAL: &str = ".svc.cluster.local";

/// The address of a local cluster's gateway for cluster-local services.
async fn local_gateway(target: &Target) -> Result<SocketAddr> {
    if target.data_dir.is_none() {
        return Err(Failure::new(
            "the service is cluster-local, and this cluster is not on this machine",
        )
        .next("kubectl run curl --rm -it --image=curlimages/curl -- curl URL"));
    }
    gateway(target, keys::GATEWAY_LOCAL).await
}

/// The address of a local cluster's gateway: the one that the running platform tells.
async fn public_gateway(target: &Target) -> Result<SocketAddr> {
    let told = target.running().and_then(|up| up.http.strip_prefix("http://")?.parse().ok());
    match told {
        Some(address) => Ok(address),
        None => gateway(target, keys::GATEWAY).await,
    }
}

/// The address of a local cluster's gateway that has this core Service.
async fn gateway(target: &Target, name: &str) -> Result<SocketAddr> {
    let services: Api<CoreService> = Api::namespaced(target.client.clone(), keys::SYSTEM_NAMESPACE);
    let gateway =
        services.get(name).await.or_fail(|| format!("cannot find the core Service {name}"))?;
    if let Some(address) = address::annotated(&gateway.metadata).into_values().next() {
        return Ok(address);
    }
    let port = gateway.spec.and_then(|spec| spec.ports?.first().map(|port| port.port));
    let port = port.and_then(|port| u16::try_from(port).ok());
    let port =
        port.ok_or_else(|| Failure::new(format!("the core Service {name} names no port")))?;
    Ok(SocketAddr::from(([127, 0, 0, 1], port)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_revision_is_reached_by_its_tag_or_as_the_only_one() {
        let service: Service = serde_json::from_value(json!({
            "metadata": { "name": "shop" },
            "spec": { "template": { "spec": { "containers": [] } } },
            "status": { "url": "http://shop.x", "traffic": [
                { "revisionName": "shop-00001", "percent": 100 },
                { "revisionName": "shop-00002", "percent": 0, "tag": "next", "url": "http://next-shop.x" }
            ] }
        }))
        .unwrap();
        let url = |part| url_of(&service, part).map_err(|failure| failure.to_string());
        assert_eq!(url(Part::Whole).unwrap(), "http://shop.x");
        assert_eq!(url(Part::of(Some("next"), None)).unwrap(), "http://next-shop.x");
        assert_eq!(url(Part::of(None, Some("shop-00001"))).unwrap(), "http://shop.x");
        assert_eq!(url(Part::of(None, Some("shop-00002"))).unwrap(), "http://next-shop.x");
        let none = url(Part::Revision("shop-00003")).unwrap_err();
        assert!(none.contains("try: rouse traffic shop --tag shop-00003=TAG"), "{none}");
        assert!(url(Part::Tag("old")).unwrap_err().contains("has no tag"));
    }

    #[test]
    fn cluster_local_urls_are_told_by_their_host() {
        assert!(is_cluster_local("http://a.b.svc.cluster.local"));
        assert!(is_cluster_local("http://a.b.svc.cluster.local:8081/x"));
        assert!(!is_cluster_local("http://a.b.localhost:80/svc.cluster.local"));
    }
}
