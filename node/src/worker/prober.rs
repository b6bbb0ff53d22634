//! Sends probes to a container: HTTP, TCP, gRPC health and commands, with the kubelet's messages.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::{Either, select};
use http::{HeaderName, HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::{Container, HTTPGetAction, Probe};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use rouse_k8s::template::resolve_port;
use rouse_kit::Tasks;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::tls;
use crate::runtime::ContainerRuntime;

/// Bytes of a response that are read; its content does not matter.
const BODY_MAX: usize = 10 * 1024;
const USER_AGENT: &str = "kube-probe/1.35";

/// The container to probe, and its addresses.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) runtime: Arc<dyn ContainerRuntime>,
    pub(crate) tasks: Tasks,
    pub(crate) id: String,
    pub(crate) ip: Option<IpAddr>,
    pub(crate) addresses: BTreeMap<u16, SocketAddr>,
    pub(crate) spec: Arc<Container>,
}

/// Sends one probe; the error is the reason why it failed.
pub(crate) async fn ask(target: &Target, probe: &Probe, limit: Duration) -> Result<(), String> {
    if let Some(exec) = &probe.exec {
        let command = exec.command.clone().unwrap_or_default();
        return match target.runtime.exec(&target.id, &command, limit).await {
            Ok((0, _)) => Ok(()),
            Ok((_, output)) => Err(output.trim_end().to_owned()),
            Err(error) => Err(error.to_string()),
        };
    }
    let asked = tokio::time::timeout(limit, over_network(target, probe));
    asked
        .await
        .unwrap_or_else(|_| Err(format!("no answer within {limit:?} (context deadline exceeded)")))
}

async fn over_network(target: &Target, probe: &Probe) -> Result<(), String> {
    if let Some(http) = &probe.http_get {
        return http_get(target, http).await;
    }
    if let Some(tcp) = &probe.tcp_socket {
        let address = resolve(target, &tcp.port, tcp.host.as_deref()).await?;
        return connect(address).await.map(drop);
    }
    if let Some(grpc) = &probe.grpc {
        let address = resolve(target, &IntOrString::Int(grpc.port), None).await?;
        return grpc_health(target, address, grpc.service.as_deref().unwrap_or_default()).await;
    }
    Err("the probe names no handler that this node knows".to_owned())
}

/// The address of a port by number or name: the reserved one if there is one, else at the pod's IP.
async fn resolve(
    target: &Target,
    port: &IntOrString,
    host: Option<&str>,
) -> Result<SocketAddr, String> {
    let port = resolve_port(port, &target.spec);
    let port = port.ok_or("the probe's port is neither a number nor a name of the container's")?;
    if let Some(host) = host.filter(|host| !host.is_empty()) {
        let found = tokio::net::lookup_host((host, port)).await;
        let mut found = found.map_err(|error| format!("lookup {host}: {error}"))?;
        return found.next().ok_or_else(|| format!("lookup {host}: no such host"));
    }
    if let Some(address) = target.addresses.get(&port) {
        return Ok(*address);
    }
    let ip = target.ip.ok_or("the pod has no IP address yet")?;
    Ok(SocketAddr::new(ip, port))
}

async fn connect(address: SocketAddr) -> Result<TcpStream, String> {
    let stream = TcpStream::connect(address).await.map_err(|error| {
        let refused = error.kind() == std::io::ErrorKind::ConnectionRefused;
        let why =
            if refused { "connect: connection refused".to_owned() } else { error.to_string() };
        format!("dial tcp {address}: {why}")
    })?;
    // Not set: a probe is one small write.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

async fn http_get(target: &Target, probe: &HTTPGetAction) -> Result<(), String> {
    let https = probe.scheme.as_deref().is_some_and(|scheme| scheme.eq_ignore_ascii_case("HTTPS"));
    let address = resolve(target, &probe.port, probe.host.as_deref()).await?;
    let path = probe.path.as_deref().filter(|path| !path.is_empty()).unwrap_or("/");
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    let scheme = if https { "https" } else { "http" };
    let url = format!("{scheme}://{address}{path}");
    let failed = |why: String| format!("Get {url:?}: {why}");
    let mut request = Request::builder()
        .uri(&path)
        .header(http::header::USER_AGENT, USER_AGENT)
        .header(http::header::ACCEPT, "*/*")
        .header(http::header::CONNECTION, "close");
    let mut host = address.to_string();
    for header in probe.http_headers.iter().flatten() {
        if header.name.eq_ignore_ascii_case("host") {
            host.clone_from(&header.value);
        } else if let (Ok(name), Ok(value)) = (
            HeaderName::try_from(header.name.as_str()),
            HeaderValue::try_from(header.value.as_str()),
        ) {
            request = request.header(name, value);
        }
    }
    let request = request
        .header(http::header::HOST, &host)
        .body(Full::<Bytes>::default())
        .map_err(|error| failed(error.to_string()))?;
    let stream = connect(address).await.map_err(failed)?;
    let status = if https {
        let stream = tls::encrypt(stream, &host, address.ip()).await.map_err(failed)?;
        status_of(stream, request).await
    } else {
        status_of(stream, request).await
    };
    match status.map_err(|error| failed(with_cause(&error)))? {
        status if status.is_success() || status.is_redirection() => Ok(()),
        status => Err(format!("HTTP probe failed with statuscode: {}", status.as_u16())),
    }
}

/// The status of the answer to a request.
async fn status_of(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    request: Request<Full<Bytes>>,
) -> Result<StatusCode, hyper::Error> {
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let exchange = async {
        let answer = sender.send_request(request).await?;
        let status = answer.status();
        // Read, so that the server is not cut off in the middle of a small answer.
        let _ = Limited::new(answer.into_body(), BODY_MAX).collect().await;
        Ok(status)
    };
    over(connection, exchange).await
}

/// hyper's error says that a connection failed; only its cause says how.
fn with_cause(error: &hyper::Error) -> String {
    let cause = std::error::Error::source(error);
    cause.map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}

/// Drives a connection until the exchange over it is done.
async fn over<T>(connection: impl Future, exchange: impl Future<Output = T>) -> T {
    let (connection, exchange) = (std::pin::pin!(connection), std::pin::pin!(exchange));
    match select(exchange, connection).await {
        Either::Left((answer, _)) => answer,
        // The connection has closed; the exchange has its last result.
        Either::Right((_, exchange)) => exchange.await,
    }
}

/// For the tasks of an HTTP/2 connection, which end with it.
#[derive(Clone)]
struct Executor(Tasks);

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Executor {
    fn execute(&self, future: F) {
        self.0.detached("probe connection", future);
    }
}

/// `grpc.health.v1.Health/Check`, whose messages are small enough to write by hand:
/// the request is field 1 (service, a string), the answer field 1 (status; 1 is SERVING).
async fn grpc_health(target: &Target, address: SocketAddr, service: &str) -> Result<(), String> {
    let failed = |why: String| format!("error: health rpc failed at {address}: {why}");
    let mut message = Vec::new();
    if !service.is_empty() {
        let length = u8::try_from(service.len()).ok().filter(|length| *length < 128);
        let length = length.ok_or_else(|| failed("the service's name is too long".to_owned()))?;
        message.extend([0x0a, length]);
        message.extend_from_slice(service.as_bytes());
    }
    let mut frame = vec![0];
    frame.extend(u32::try_from(message.len()).unwrap_or(0).to_be_bytes());
    frame.extend(message);
    let request = Request::post(format!("http://{address}/grpc.health.v1.Health/Check"))
        .header(http::header::CONTENT_TYPE, "application/grpc")
        .header(http::header::TE, "trailers")
        .header(http::header::USER_AGENT, USER_AGENT)
        .body(Full::new(Bytes::from(frame)))
        .map_err(|error| failed(error.to_string()))?;
    let stream = connect(address).await.map_err(failed)?;
    let executor = Executor(target.tasks.clone());
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(executor, TokioIo::new(stream))
            .await
            .map_err(|error| failed(error.to_string()))?;
    let exchange = async {
        let answer = sender.send_request(request).await.map_err(|e| failed(with_cause(&e)))?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, BODY_MAX).collect().await;
        let body = body.map_err(|error| failed(error.to_string()))?;
        let trailers = body.trailers().cloned().unwrap_or_default();
        let code = trailers.get("grpc-status").or_else(|| head.headers.get("grpc-status"));
        let code = code.and_then(|code| code.to_str().ok()).unwrap_or("2").to_owned();
        Ok::<_, String>((code, body.to_bytes()))
    };
    match over(connection, exchange).await? {
        (code, _) if code == "12" => Err(failed(
            "this server does not implement the grpc health protocol \
             (grpc.health.v1.Health)"
                .to_owned(),
        )),
        (code, body) if code == "0" && body.get(5..) == Some(&[0x08, 1]) => Ok(()),
        (code, _) => Err(format!(
            "service unhealthy (responded with something other than SERVING, grpc status {code})"
        )),
    }
}

#[cfg(test)]
mod tests;
