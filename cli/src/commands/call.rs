//! `rouse call NAME [PATH]`: one request; the answer on stdout, its status and time on stderr.

use std::collections::BTreeMap;
use std::io::Read;
use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use k8s_openapi::api::core::v1::Service as CoreService;
use kube::api::Api;
use rouse_api::{ConditionStatus, keys};
use rouse_kit::address::ADDRESS_ANNOTATION;

use super::serving::{condition, service};
use crate::args::{Call, Global};
use crate::http::{Answer, Connection};
use crate::outcome::{Context, Failure, Result};
use crate::printer::Printer;
use crate::target::Target;

/// Names the revision that answered; set by the activator.
pub(crate) const REVISION_HEADER: &str = "rouse-revision";

pub(crate) async fn run(args: Call, global: &Global, printer: &Printer) -> Result {
    let target = Target::connect(global).await?;
    let service = service(&target, &args.name).await?;
    let url = url_of(&service, args.tag.as_deref())?;
    let body = args.data.as_deref().map(read_data).transpose()?;
    let mut headers = headers(&args.header, body.as_deref())?;
    let usual = if body.is_some() { Method::POST } else { Method::GET };
    let method = args.request.clone().unwrap_or(usual);
    let path =
        if args.path.starts_with('/') { args.path.clone() } else { format!("/{}", args.path) };
    let (open, at) = match url.strip_prefix("https://") {
        _ if is_cluster_local(&url) => (url.clone(), Some(local_gateway(&target).await?)),
        // The gateway of this machine answers the same over http to whoever says that it was https.
        Some(rest) if target.data_dir.is_some() => {
            let proto = HeaderName::from_static("x-forwarded-proto");
            headers.entry(proto).or_insert(HeaderValue::from_static("https"));
            (format!("http://{rest}"), Some(gateway(&target, keys::GATEWAY).await?))
        }
        Some(_) | None => (url.clone(), None),
    };
    let mut connection = Connection::open(&open, at).await.map_err(|failure| {
        failure.because(format!("the service says it answers at {url}")).next("rouse status")
    })?;
    let answer =
        connection.send(method, &path, &headers, Bytes::from(body.unwrap_or_default())).await?;
    if args.include && !printer.json() {
        print_head(&answer, printer);
    }
    print(&answer, printer);
    if answer.status.is_client_error() || answer.status.is_server_error() {
        let failure = Failure::new(format!("{} answered {}", args.name, answer.status));
        return Err(match not_ready(&service) {
            Some(why) => failure.because(why),
            None => failure,
        });
    }
    Ok(())
}

/// Why a service is not ready, which is the usual cause of an error answer.
fn not_ready(service: &rouse_api::Service) -> Option<String> {
    let status = service.status.as_ref()?;
    let ready = condition(&status.conditions, "Ready")?;
    (ready.status != ConditionStatus::True)
        .then(|| format!("the service is not ready: {} {}", ready.reason, ready.message))
}

/// Whether a URL is cluster-local: only pods, and this command, reach it.
fn is_cluster_local(url: &str) -> bool {
    let uri: Option<http::Uri> = url.parse().ok();
    uri.as_ref().and_then(http::Uri::host).is_some_and(|host| host.ends_with(CLUSTER_LOCAL))
}

const CLUSTER_LOCAL: &str = ".svc.cluster.local";

/// The loopback address of a local cluster's gateway for cluster-local services.
async fn local_gateway(target: &Target) -> Result<SocketAddr> {
    if target.data_dir.is_none() {
        return Err(Failure::new(
            "the service is cluster-local, and this cluster is not on this machine",
        )
        .next("kubectl run curl --rm -it --image=curlimages/curl -- curl URL"));
    }
    gateway(target, keys::GATEWAY_LOCAL).await
}

/// The address of a local cluster's gateway that has this core Service.
async fn gateway(target: &Target, name: &str) -> Result<SocketAddr> {
    let services: Api<CoreService> = Api::namespaced(target.client.clone(), keys::SYSTEM_NAMESPACE);
    let gateway =
        services.get(name).await.or_fail(|| format!("cannot find the core Service {name}"))?;
    let annotations = gateway.metadata.annotations.as_ref();
    if let Some(text) = annotations.and_then(|all| all.get(ADDRESS_ANNOTATION)) {
        let addresses: BTreeMap<String, SocketAddr> =
            serde_json::from_str(text).unwrap_or_default();
        if let Some(address) = addresses.into_values().next() {
            return Ok(address);
        }
    }
    let port = gateway.spec.and_then(|spec| spec.ports?.first().map(|port| port.port));
    let port = port.and_then(|port| u16::try_from(port).ok());
    let port =
        port.ok_or_else(|| Failure::new(format!("the core Service {name} names no port")))?;
    Ok(SocketAddr::from(([127, 0, 0, 1], port)))
}

fn url_of(service: &rouse_api::Service, tag: Option<&str>) -> Result<String> {
    let name = service.metadata.name.clone().unwrap_or_default();
    let status = service.status.clone().unwrap_or_default();
    let url = match tag {
        None => status.url,
        Some(tag) => {
            let tagged = status.traffic.into_iter().find(|t| t.tag.as_deref() == Some(tag));
            tagged
                .ok_or_else(|| {
                    Failure::new(format!("{name} has no tag {tag:?}"))
                        .next(format!("rouse describe {name}"))
                })?
                .url
        }
    };
    url.ok_or_else(|| {
        Failure::not_ready(format!("{name} has no URL yet")).next(format!("rouse describe {name}"))
    })
}

fn read_data(data: &str) -> Result<Vec<u8>> {
    match data.strip_prefix('@') {
        None => Ok(data.as_bytes().to_vec()),
        Some("-") => {
            let mut body = Vec::new();
            std::io::stdin().read_to_end(&mut body).or_fail(|| "cannot read stdin".to_owned())?;
            Ok(body)
        }
        Some(file) => std::fs::read(file).or_fail(|| format!("cannot read {file}")),
    }
}

/// The given headers, and `content-type: application/json` for a body that looks like JSON.
fn headers(given: &[String], body: Option<&[u8]>) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    if body.is_some_and(|b| matches!(b.trim_ascii_start().first(), Some(b'{' | b'['))) {
        headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    for line in given {
        let bad = || Failure::usage(format!("{line:?} is not NAME: VALUE"));
        let (name, value) = line.split_once(':').ok_or_else(bad)?;
        let name: HeaderName = name.trim().parse().map_err(|_| bad())?;
        headers.insert(name, value.trim().parse().map_err(|_| bad())?);
    }
    Ok(headers)
}

/// As `curl -i` does.
fn print_head(answer: &Answer, printer: &Printer) {
    printer.line(format!("HTTP/1.1 {}", answer.status));
    for (name, value) in &answer.headers {
        printer.line(format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())));
    }
    printer.line("");
}

fn print(answer: &Answer, printer: &Printer) {
    let revision = answer.headers.get(REVISION_HEADER).and_then(|v| v.to_str().ok());
    if printer.json() {
        let text = String::from_utf8_lossy(&answer.body);
        let body =
            serde_json::from_slice(&answer.body).unwrap_or_else(|_| serde_json::Value::from(text));
        printer.document(&serde_json::json!({
            "status": answer.status.as_u16(), "revision": revision,
            "milliseconds": answer.took.as_secs_f64() * 1000.0, "body": body
        }));
        return;
    }
    printer.bytes(&answer.body);
    if printer.interactive() && !answer.body.ends_with(b"\n") {
        printer.line("");
    }
    let from = revision.map_or_else(String::new, |r| format!(" from {r}"));
    printer.progress(format!(
        "{}{from} in {:.1} ms",
        answer.status,
        answer.took.as_secs_f64() * 1000.0
    ));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_json_body_is_called_json_unless_the_user_says_otherwise() {
        let plain = headers(&[], Some(b" {\"a\":1}")).unwrap();
        assert_eq!(plain["content-type"], "application/json");
        let own = headers(&["Content-Type: text/x".to_owned()], Some(b"{}")).unwrap();
        assert_eq!(own["content-type"], "text/x");
        assert!(headers(&["nonsense".to_owned()], None).is_err());
    }
}
