//! Over a socket: TLS, both versions of HTTP, and the credential.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rouse_apiserver::Storage;
use rouse_kit::Component;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

use crate::common::cluster_with;

struct Served {
    address: SocketAddr,
    certificate: CertificateDer<'static>,
    component: Component,
    store: rouse_apiserver::store::Store,
}

impl Served {
    /// Ends it, and its connections too.
    async fn end(self) {
        self.component.shutdown.cancel();
        self.component.tasks.finish_all().await;
    }
}

async fn serve() -> Served {
    let names = vec!["localhost".to_owned()];
    let key = rcgen::generate_simple_self_signed(names).unwrap();
    let certificate = key.cert.der().clone();
    let private = PrivateKeyDer::try_from(key.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], private)
        .unwrap();
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let component = Component::alone("apiserver");
    let cluster = cluster_with(Storage::Memory, Vec::new());
    cluster.serve(listener, Arc::new(tls), "secret".to_owned(), &component);
    Served { address, certificate, component, store: cluster.registry().store.clone() }
}

type TlsStream = tokio_rustls::client::TlsStream<TcpStream>;

/// A connection that speaks this version of HTTP.
async fn connect(served: &Served, protocol: &[u8]) -> TlsStream {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(served.certificate.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![protocol.to_vec()];
    let stream = TcpStream::connect(served.address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(tls)).connect(name, stream).await.unwrap()
}

/// The status and body of a GET over a connection of its own.
async fn get(served: &Served, protocol: &[u8], path: &str, token: &str) -> (StatusCode, Bytes) {
    let stream = connect(served, protocol).await;
    let request = Request::get(format!("https://localhost{path}"))
        .header("host", "localhost")
        .header("authorization", format!("Bearer {token}"))
        .body(Full::<Bytes>::default())
        .unwrap();
    let io = TokioIo::new(stream);
    let response = if protocol == b"h2" {
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
        tokio::spawn(connection);
        sender.send_request(request).await.unwrap()
    } else {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
        tokio::spawn(connection);
        sender.send_request(request).await.unwrap()
    };
    let (parts, body) = response.into_parts();
    (parts.status, body.collect().await.unwrap().to_bytes())
}

#[tokio::test]
async fn both_versions_of_http_are_served_with_the_token() {
    let served = serve().await;
    for protocol in [b"h2".as_slice(), b"http/1.1"] {
        let (status, body) = get(&served, protocol, "/api/v1/namespaces", "secret").await;
        assert_eq!(status, StatusCode::OK);
        assert!(body.starts_with(b"{\"kind\":\"NamespaceList\""), "{body:?}");
        let (status, body) = get(&served, protocol, "/api/v1/namespaces", "guess").await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["reason"], "Unauthorized");
    }
    served.end().await;
}

#[tokio::test]
async fn without_the_token_only_health_is_served_and_with_a_wrong_one_nothing() {
    let served = serve().await;
    for path in ["/healthz", "/livez", "/readyz"] {
        let (status, body) = get(&served, b"h2", path, "").await;
        assert_eq!((status, body.as_ref()), (StatusCode::OK, b"ok".as_slice()), "{path}");
        assert_eq!(get(&served, b"h2", path, "guess").await.0, StatusCode::UNAUTHORIZED, "{path}");
    }
    for path in ["/version", "/api", "/openapi/v3", "/", "/readyz/ping"] {
        for token in ["", "guess"] {
            let (status, _) = get(&served, b"h2", path, token).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{path} {token:?}");
        }
        assert_ne!(get(&served, b"h2", path, "secret").await.0, StatusCode::UNAUTHORIZED, "{path}");
    }
    served.end().await;
}

#[tokio::test]
async fn operators_see_requests_watches_objects_and_health() {
    let served = serve().await;
    get(&served, b"h2", "/api/v1/namespaces", "secret").await;
    get(&served, b"h2", "/api/v1/namespaces/default/pods?watch=1&timeoutSeconds=0", "secret").await;
    get(&served, b"h2", "/api/v1/made-up", "secret").await;
    let text = served.component.metrics.encode();
    for line in [
        r#"apiserver_request_total{verb="LIST",group="",resource="namespaces",subresource="",code="200"} 1"#,
        r#"apiserver_request_total{verb="WATCH",group="",resource="pods",subresource="",code="200"} 1"#,
        r#"apiserver_request_total{verb="GET",group="",resource="other",subresource="",code="404"} 1"#,
        r#"apiserver_request_duration_seconds_count{verb="LIST",group="",resource="namespaces",subresource=""} 1"#,
        r#"apiserver_longrunning_requests{verb="WATCH",group="",resource="pods",subresource=""} 0"#,
        r#"apiserver_storage_objects{resource="namespaces"} 4"#,
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
    }
    let ready: Vec<_> = served.component.health.report();
    assert_eq!(
        ready.iter().map(|p| (p.name, p.ready)).collect::<Vec<_>>(),
        [("api", true), ("store", true)]
    );
    let page = served.component.debug.render("store").unwrap().unwrap();
    assert_eq!(
        (&page["objects"]["namespaces"], &page["problem"]),
        (&4.into(), &serde_json::Value::Null)
    );
    let health = served.component.health.clone();
    served.end().await;
    assert_eq!(health.report()[0].reason.as_deref(), Some("shutting down"));
}

#[tokio::test]
async fn who_is_refused_while_sending_reads_why() {
    // A body that is too large, a wrong token, and paths that serve no such request.
    let big = vec![b' '; 12 << 20];
    let served = serve().await;
    for (path, token, code) in [
        ("/api/v1/namespaces/default/configmaps", "secret", "413"),
        ("/api/v1/namespaces/default/configmaps", "guess", "401"),
        ("/api/v1/nowhere", "secret", "404"),
        ("/api/v1/namespaces/default/configmaps/x", "secret", "405"),
    ] {
        let mut stream = connect(&served, b"http/1.1").await;
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\ncontent-length: {}\r\n\r\n",
            big.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&big).await.unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer, *format!("HTTP/1.1 {code}").as_bytes(), "{path} {token}");
    }
    served.end().await;
}

#[tokio::test]
async fn an_administrator_may_impersonate_another_user() {
    let served = serve().await;
    let stream = connect(&served, b"http/1.1").await;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let mut ask = async |headers: &[(&str, &str)]| {
        let mut request = Request::post("/apis/authentication.k8s.io/v1/selfsubjectreviews")
            .header("host", "localhost")
            .header("authorization", "bearer secret");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = Full::new(Bytes::from_static(b"{}"));
        let response = sender.send_request(request.body(body).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let body: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        (parts.status.as_u16(), body["status"]["userInfo"]["username"].as_str().map(str::to_owned))
    };
    assert_eq!(ask(&[]).await, (201, Some("rouse-admin".to_owned())));
    assert_eq!(ask(&[("Impersonate-User", "bob")]).await, (201, Some("bob".to_owned())));
    assert_eq!(ask(&[("Impersonate-Group", "a")]).await, (400, None));
    served.end().await;
}

#[tokio::test]
async fn readyz_names_the_store_while_it_cannot_be_written() {
    let served = serve().await;
    let (status, body) = get(&served, b"h2", "/readyz?verbose", "secret").await;
    let healthy = "[+]ping ok\n[+]api ok\n[+]store ok\nreadyz check passed\n";
    assert_eq!((status, body.as_ref()), (StatusCode::OK, healthy.as_bytes()));
    served.store.pretend_failing(Some("No space left on device"));
    let health = served.component.health.clone();
    let failing = || health.report().iter().any(|part| part.name == "store" && !part.ready);
    tokio::time::timeout(Duration::from_secs(10), async {
        while !failing() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    let (status, body) = get(&served, b"h2", "/readyz", "").await;
    let failed = "[+]ping ok\n[+]api ok\n[-]store failed: reason withheld\nreadyz check failed\n";
    assert_eq!((status, body.as_ref()), (StatusCode::INTERNAL_SERVER_ERROR, failed.as_bytes()));
    let (status, body) = get(&served, b"h2", "/readyz/store", "secret").await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(String::from_utf8_lossy(&body).contains("No space left on device"));
    assert_eq!(get(&served, b"h2", "/livez", "").await.0, StatusCode::OK);
    served.end().await;
}
