//! The activator's own readiness probes: more often than the kubelet's, which are a second or more
//! apart.

use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, header};
use http_body_util::{BodyExt, Empty, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use crate::state::readiness::Check;

/// First pause between two probes.
const FASTEST: Duration = Duration::from_millis(1);
/// Longest pause between two probes.
const SLOWEST: Duration = Duration::from_millis(25);
/// A pause is this fraction of the elapsed time: a pod is noticed at most 2 % late.
const PAUSE_DIVISOR: u32 = 50;
const USER_AGENT: HeaderValue = HeaderValue::from_static("kube-probe/1.35");
/// `grpc.health.v1.HealthCheckResponse.ServingStatus.SERVING`, as a field of its message.
const SERVING: [u8; 2] = [0x08, 0x01];

/// Returns at the first pass. `limit` bounds one attempt; `address` is connected to if the check is
/// the kubelet's alone.
pub(crate) async fn until_pass(check: Check, address: SocketAddr, limit: Duration) {
    let began = Instant::now();
    while !matches!(timeout(limit, attempt(&check, address)).await, Ok(Some(()))) {
        sleep(pause(began.elapsed())).await;
    }
}

/// How long to wait after a failed attempt.
fn pause(elapsed: Duration) -> Duration {
    (elapsed / PAUSE_DIVISOR).clamp(FASTEST, SLOWEST)
}

async fn attempt(check: &Check, address: SocketAddr) -> Option<()> {
    match check {
        Check::Kubelet => TcpStream::connect(address).await.ok().map(drop),
        Check::Tcp { address } => TcpStream::connect(address).await.ok().map(drop),
        Check::Http { address, path, headers } => http(*address, path, headers).await,
        Check::Grpc { address, service } => grpc(*address, service).await,
    }
}

/// Passes with 200 to 399, as the kubelet's does.
async fn http(
    address: SocketAddr,
    path: &str,
    headers: &[(HeaderName, HeaderValue)],
) -> Option<()> {
    let stream = TcpStream::connect(address).await.ok()?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
    let mut request = Request::get(path)
        .header(header::USER_AGENT, USER_AGENT)
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .ok()?;
    for (name, value) in headers {
        request.headers_mut().insert(name.clone(), value.clone());
    }
    if !request.headers().contains_key(header::HOST) {
        request.headers_mut().insert(header::HOST, address.to_string().parse().ok()?);
    }
    let mut asked = pin!(sender.send_request(request));
    // A connection may end in the same moment in which it delivers the answer.
    let answer = tokio::select! {
        answer = asked.as_mut() => answer,
        _ = connection => asked.await,
    };
    let status = answer.ok()?.status();
    (200..400).contains(&status.as_u16()).then_some(())
}

/// Passes if the health service says SERVING.
async fn grpc(address: SocketAddr, service: &str) -> Option<()> {
    let stream = TcpStream::connect(address).await.ok()?;
    let (mut sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.ok()?;
    let uri = format!("http://{address}/grpc.health.v1.Health/Check");
    let request = Request::post(uri)
        .header(header::USER_AGENT, USER_AGENT)
        .header(header::CONTENT_TYPE, "application/grpc")
        .header(header::TE, "trailers")
        .body(Full::new(health_request(service)?))
        .ok()?;
    let asked = async move { sender.send_request(request).await.ok()?.collect().await.ok() };
    let mut asked = pin!(asked);
    let body = tokio::select! {
        answer = asked.as_mut() => answer,
        _ = connection => asked.await,
    };
    let body = body?.to_bytes();
    // Five bytes of framing, then the message.
    (body.get(5..7) == Some(&SERVING)).then_some(())
}

/// The framed message: field 1, the service's name.
fn health_request(service: &str) -> Option<Bytes> {
    let mut message = Vec::new();
    if !service.is_empty() {
        message.extend([0x0a, u8::try_from(service.len()).ok().filter(|length| *length < 128)?]);
        message.extend(service.as_bytes());
    }
    let mut framed = vec![0, 0, 0, 0, u8::try_from(message.len()).ok()?];
    framed.extend(message);
    Some(framed.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    #[test]
    fn pauses_grow_with_the_wait_between_their_bounds() {
        let millis = |elapsed| pause(Duration::from_millis(elapsed)).as_micros();
        assert_eq!(
            [millis(0), millis(40), millis(500), millis(5000)],
            [1000, 1000, 10_000, 25_000]
        );
    }

    /// A server that answers its n-th connection with the n-th text, and the last one ever after.
    async fn server(answers: &'static [&'static str]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        tokio::spawn(async move {
            let mut served = 0;
            while let Ok((mut stream, _)) = listener.accept().await {
                let answer = answers[served.min(answers.len() - 1)];
                served += 1;
                let mut head = [0; 1024];
                let _ = stream.read(&mut head).await;
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        address
    }

    const FAIL: &str = "HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n";
    const PASS: &str = "HTTP/1.1 204 Yes\r\n\r\n";

    #[tokio::test]
    async fn an_http_probe_goes_on_until_the_answer_is_good() {
        let address = server(&[FAIL, "", FAIL, PASS]).await;
        let check = Check::Http { address, path: "/ready".to_owned(), headers: Vec::new() };
        assert_eq!(attempt(&check, address).await, None);
        let limit = Duration::from_secs(1);
        timeout(Duration::from_secs(5), until_pass(check, address, limit)).await.expect("a pass");
    }

    #[tokio::test]
    async fn a_tcp_probe_passes_as_soon_as_somebody_listens() {
        let address = server(&[""]).await;
        let check = Check::Tcp { address };
        assert_eq!(attempt(&check, address).await, Some(()));
    }

    #[test]
    fn a_health_request_is_framed() {
        assert_eq!(health_request("").expect("short"), &b"\0\0\0\0\0"[..]);
        assert_eq!(health_request("ab").expect("short"), &b"\0\0\0\0\x04\x0a\x02ab"[..]);
    }
}
