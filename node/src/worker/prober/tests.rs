//! Probes against servers of a few lines.

use std::convert::Infallible;

use http::{HeaderMap, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpSocket};

use super::*;
use crate::runtime::fake::FakeRuntime;

const LIMIT: Duration = Duration::from_secs(10);

/// A container whose port 8080 (named `web`) is really at `address`.
fn target(address: SocketAddr) -> Target {
    let spec = json!({"name": "user", "ports": [{"name": "web", "containerPort": 8080}]});
    Target {
        runtime: Arc::new(FakeRuntime::default()),
        tasks: rouse_kit::Component::alone("test").tasks,
        id: "fake://1".to_owned(),
        ip: None,
        addresses: [(8080, address)].into(),
        spec: Arc::new(serde_json::from_value(spec).unwrap()),
    }
}

async fn asked(address: SocketAddr, probe: Value) -> Result<(), String> {
    let probe: Probe = serde_json::from_value(probe).unwrap();
    ask(&target(address), &probe, LIMIT).await
}

/// Answers each path by its status: `/204`; `/host` wants the header `host: example.com`.
async fn http_server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let answer = hyper::service::service_fn(|request: Request<_>| async move {
                let _: &hyper::body::Incoming = request.body();
                let status = match request.uri().path() {
                    "/host" if request.headers()["host"] == "example.com" => StatusCode::OK,
                    path => path[1..].parse().unwrap_or(StatusCode::BAD_REQUEST),
                };
                let mut response = Response::new(Full::<Bytes>::default());
                *response.status_mut() = status;
                Ok::<_, Infallible>(response)
            });
            let serving = hyper::server::conn::http1::Builder::new();
            tokio::spawn(serving.serve_connection(TokioIo::new(stream), answer));
        }
    });
    address
}

/// `grpc.health.v1` that says `status` for every service, and whose answer to others is 12.
async fn grpc_server(status: u8) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let answer = hyper::service::service_fn(move |request: Request<_>| async move {
                let known = request.uri().path() == "/grpc.health.v1.Health/Check";
                let asked = hyper::body::Incoming::collect(request.into_body()).await.unwrap();
                assert_eq!(asked.to_bytes(), &b"\0\0\0\0\x03\x0a\x01m"[..]);
                let mut trailers = HeaderMap::new();
                let code = if known && status != 0 { "0" } else { "12" };
                trailers.insert("grpc-status", code.parse().unwrap());
                let message = Bytes::from(vec![0, 0, 0, 0, 2, 8, status]);
                let body = Full::new(message).with_trailers(async move { Some(Ok(trailers)) });
                Ok::<_, Infallible>(Response::new(body))
            });
            let serving = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            tokio::spawn(serving.serve_connection(TokioIo::new(stream), answer));
        }
    });
    address
}

/// A port that refuses: bound, so that no other test is given it, and not listened on.
fn refusing() -> (TcpSocket, SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

#[tokio::test]
async fn http_passes_from_200_to_399() {
    let address = http_server().await;
    for (path, want) in [
        ("/200", Ok(())),
        ("/302", Ok(())),
        ("/404", Err("HTTP probe failed with statuscode: 404".to_owned())),
        ("/500", Err("HTTP probe failed with statuscode: 500".to_owned())),
    ] {
        let probe = json!({"httpGet": {"port": 8080, "path": path}});
        assert_eq!(asked(address, probe).await, want, "{path}");
    }
    let headers = json!([{"name": "Host", "value": "example.com"}]);
    let probe = json!({"httpGet": {"port": "web", "path": "host", "httpHeaders": headers}});
    assert_eq!(asked(address, probe).await, Ok(()));
}

#[tokio::test]
async fn a_refused_connection_is_reported_in_the_kubelets_words() {
    let (_held, address) = refusing();
    let refused = format!("dial tcp {address}: connect: connection refused");
    let probe = json!({"httpGet": {"port": 8080, "path": "/up"}});
    let want = format!("Get \"http://{address}/up\": {refused}");
    assert_eq!(asked(address, probe).await, Err(want));
    assert_eq!(asked(address, json!({"tcpSocket": {"port": 0}})).await, Err(refused));
}

#[tokio::test]
async fn tcp_passes_when_a_program_listens() {
    let address = http_server().await;
    assert_eq!(asked(address, json!({"tcpSocket": {"port": "web"}})).await, Ok(()));
    let error = asked(address, json!({"tcpSocket": {"port": "no"}})).await.unwrap_err();
    assert!(error.contains("neither a number nor a name"), "{error}");
}

#[tokio::test]
async fn grpc_passes_when_the_service_says_serving() {
    let probe = || json!({"grpc": {"port": 8080, "service": "m"}});
    assert_eq!(asked(grpc_server(1).await, probe()).await, Ok(()));
    let error = asked(grpc_server(2).await, probe()).await.unwrap_err();
    assert!(error.starts_with("service unhealthy"), "{error}");
    let error = asked(grpc_server(0).await, probe()).await.unwrap_err();
    assert!(error.contains("does not implement the grpc health protocol"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn no_answer_in_time_is_a_failure() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let begun = tokio::time::Instant::now();
    let asked = asked(address, json!({"httpGet": {"port": 8080}}));
    let error = tokio::time::timeout(LIMIT * 2, asked).await.expect("it ends").unwrap_err();
    assert!(error.starts_with("no answer within 10s"), "{error}");
    assert!((LIMIT..LIMIT * 2).contains(&begun.elapsed()), "{:?}", begun.elapsed());
}

/// Answers one request over TLS, with a certificate that no authority signed, in the protocol's plain
/// text.
async fn https_server(answer: &'static str) -> SocketAddr {
    let made = rcgen::generate_simple_self_signed(["somebody.example".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider);
    let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let config = config.with_single_cert(vec![made.cert.der().clone()], key).unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = acceptor.accept(stream).await.unwrap();
        let mut head = [0; 4096];
        let read = stream.read(&mut head).await.unwrap();
        assert!(head[..read].starts_with(b"GET /live HTTP/1.1"));
        stream.write_all(answer.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
    });
    address
}

#[tokio::test]
async fn https_passes_whoever_signed_the_certificate() {
    let probe = json!({"httpGet": {"path": "/live", "port": 8080, "scheme": "HTTPS"}});
    let good = https_server("HTTP/1.1 204 No Content\r\n\r\n").await;
    assert_eq!(asked(good, probe.clone()).await, Ok(()));
    let bad = https_server("HTTP/1.1 503 Not Now\r\ncontent-length: 0\r\n\r\n").await;
    let error = asked(bad, probe.clone()).await.unwrap_err();
    assert_eq!(error, "HTTP probe failed with statuscode: 503");
    let plain = http_server().await;
    let error = asked(plain, probe.clone()).await.unwrap_err();
    assert!(error.starts_with(&format!("Get \"https://{plain}/live\": tls: ")), "{error}");
}

#[tokio::test]
async fn a_host_is_found_by_its_name() {
    let address = http_server().await;
    let with = |host: &str| json!({"tcpSocket": {"port": address.port(), "host": host}});
    assert_eq!(asked(address, with("localhost")).await, Ok(()));
    let error = asked(address, with("nowhere.invalid")).await.unwrap_err();
    assert!(error.starts_with("lookup nowhere.invalid: "), "{error}");
}
