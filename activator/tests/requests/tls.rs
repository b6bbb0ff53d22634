//! The https listener: certificates by name, versions of HTTP by ALPN, redirects.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rouse_activator::Issue;
use rouse_api::routing::{Host, HttpOption};
use rouse_kit::certificates;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::api::Api;
use crate::harness::{
    HOST, LOCAL, REVISION, SOON, Spec, Stage, pod_at, read, routed, server, spawn, split_host, text,
};

/// An authority that clients of the tests trust.
struct Authority {
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
    certificate: CertificateDer<'static>,
}

impl Authority {
    fn new() -> Arc<Self> {
        let mut params = rcgen::CertificateParams::default();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = rcgen::KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate").der().clone();
        Arc::new(Self { issuer: rcgen::Issuer::new(params, key), certificate })
    }

    /// Certificate and key in PEM.
    fn pair(&self, name: &str) -> (String, String) {
        let params = rcgen::CertificateParams::new([name.to_owned()]).expect("a name");
        let key = rcgen::KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        (certificate.pem(), key.serialize_pem())
    }

    /// Makes certificates, and counts them.
    fn issue(self: &Arc<Self>, made: &Arc<AtomicUsize>) -> Issue {
        let (authority, made) = (Arc::clone(self), Arc::clone(made));
        Arc::new(move |name| {
            made.fetch_add(1, Ordering::SeqCst);
            let (chain, key) = authority.pair(name);
            certificates::of_pem(chain.as_bytes(), key.as_bytes()).ok()
        })
    }

    /// A TLS connection for `name`, with these protocols offered.
    async fn connect(
        &self,
        stage: &Stage,
        name: &'static str,
        protocols: &[&str],
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.certificate.clone()).expect("an authority");
        let mut config = rustls::ClientConfig::builder_with_provider(certificates::provider())
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|p| p.as_bytes().to_vec()).collect();
        let stream = TcpStream::connect(stage.handle.https_addr().expect("https")).await?;
        let name = ServerName::try_from(name).expect("a name");
        let connecting = TlsConnector::from(Arc::new(config)).connect(name, stream);
        tokio::time::timeout(SOON, connecting).await.expect("in time")
    }

    /// The chain that is served for `name`, if the client trusts it.
    async fn served(&self, stage: &Stage, name: &'static str) -> std::io::Result<Vec<u8>> {
        let stream = self.connect(stage, name, &[]).await?;
        let chain = stream.get_ref().1.peer_certificates().expect("a chain");
        Ok(chain[0].to_vec())
    }
}

/// An activator with https and one pod, which says what it was told of the client.
async fn secure() -> (Stage, Arc<Authority>, Arc<AtomicUsize>) {
    let (authority, made) = (Authority::new(), Arc::default());
    let (api, client) = Api::holding([("revisions", vec![Spec::default().revision(REVISION)])]);
    let mut stage = Stage::secured(api, client, Some(authority.issue(&made)));
    stage.split(&[(REVISION, 100)]).await;
    let address = server(|request| async move {
        let header = |name: &str| {
            let value = request.headers().get(name).map(|value| value.to_str().expect("text"));
            value.unwrap_or_default().to_owned()
        };
        let (proto, forwarded) = (header("x-forwarded-proto"), header("forwarded"));
        text(format!("{} {proto} {forwarded}", header("host")))
    })
    .await;
    stage.pod("p", pod_at(address)).await;
    stage.until(|stats| stats.pods == 1).await;
    (stage, authority, made)
}

/// One GET over HTTP/1.1.
async fn get(stream: TlsStream<TcpStream>, host: &str) -> (http::StatusCode, String) {
    let io = TokioIo::new(stream);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.expect("ready");
    spawn(connection);
    let request = Request::get("/").header("host", host).body(Full::<bytes::Bytes>::default());
    read(sender.send_request(request.expect("a request")).await.expect("an answer")).await
}

#[tokio::test]
async fn a_host_answers_https_with_a_certificate_of_its_name_that_is_made_once() {
    let (stage, authority, made) = secure().await;
    for _ in 0..3 {
        let stream = authority.connect(&stage, HOST, &["http/1.1"]).await.expect("trusted");
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
        let (status, body) = get(stream, HOST).await;
        assert_eq!(status, 200);
        assert_eq!(body, format!("{HOST} https for=127.0.0.1;host={HOST};proto=https"));
    }
    assert_eq!(made.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_client_that_offers_http2_gets_it() {
    let (stage, authority, _) = secure().await;
    let stream = authority.connect(&stage, HOST, &["h2", "http/1.1"]).await.expect("trusted");
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let io = TokioIo::new(stream);
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.expect("ready");
    spawn(connection);
    let request = Request::get(format!("https://{HOST}/")).body(Full::<bytes::Bytes>::default());
    let response = sender.send_request(request.expect("a request")).await.expect("an answer");
    let body = response.into_body().collect().await.expect("whole").to_bytes();
    assert!(body.starts_with(format!("{HOST} https").as_bytes()), "{body:?}");
}

#[tokio::test]
async fn a_host_that_is_not_routed_or_local_has_no_certificate_and_is_404() {
    let (stage, authority, _) = secure().await;
    assert!(authority.connect(&stage, "other.localhost", &[]).await.is_err());
    assert!(authority.connect(&stage, LOCAL, &[]).await.is_err());
    for host in ["other.localhost", LOCAL] {
        let stream = authority.connect(&stage, "localhost", &[]).await.expect("trusted");
        assert_eq!(get(stream, host).await.0, 404);
    }
}

const DOMAIN: &str = "digits.example.org";

fn mapping(version: i64) -> Value {
    let host = Host {
        public: vec![DOMAIN.to_owned()],
        local: vec![],
        tls_secret: Some("own".to_owned()),
        ..split_host(&[(REVISION, 100)])
    };
    routed("DomainMapping", DOMAIN, version, host)
}

fn secret(version: u32, (chain, key): &(String, String)) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
        "metadata": { "name": "own", "namespace": "default", "uid": "own",
            "resourceVersion": version.to_string() },
        "data": BTreeMap::from([("tls.crt", chain), ("tls.key", key)]
            .map(|(name, pem)| (name, base64(pem.as_bytes())))),
    })
}

fn base64(bytes: &[u8]) -> Value {
    serde_json::to_value(k8s_openapi::ByteString(bytes.to_vec())).expect("a string")
}

#[tokio::test]
async fn a_domain_is_served_with_the_certificate_of_its_secret_and_follows_its_changes() {
    let (stage, authority, made) = secure().await;
    stage.api.put("domainmappings", mapping(4)).await;
    let served = |version| stage.handle.served_domain("default", DOMAIN, version);
    let early = tokio::time::timeout(Duration::from_millis(50), served(4)).await;
    assert!(early.is_err(), "not served before there is a certificate");
    assert!(authority.served(&stage, DOMAIN).await.is_err());
    let first = authority.pair(DOMAIN);
    stage.api.put("secrets", secret(11, &first)).await;
    tokio::time::timeout(SOON, served(4)).await.expect("served");
    let der = |pair: &(String, String)| {
        CertificateDer::from_pem_slice(pair.0.as_bytes()).expect("a certificate").to_vec()
    };
    assert_eq!(authority.served(&stage, DOMAIN).await.expect("trusted"), der(&first));
    // Renewed, broken, whole again.
    let second = authority.pair(DOMAIN);
    let broken = (second.0.clone(), first.1.clone());
    for (version, pair, expected) in
        [(12, &second, Some(der(&second))), (13, &broken, None), (14, &first, Some(der(&first)))]
    {
        stage.api.put("secrets", secret(version, pair)).await;
        let changed = async {
            while authority.served(&stage, DOMAIN).await.ok() != expected {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(SOON, changed).await.expect("the change is served");
    }
    assert_eq!(made.load(Ordering::SeqCst), 0, "none of the own authority");
    let stream = authority.connect(&stage, DOMAIN, &[]).await.expect("trusted");
    assert_eq!(get(stream, DOMAIN).await.0, 200);
}

#[tokio::test]
async fn http_is_redirected_to_the_port_of_https() {
    let (stage, authority, _) = secure().await;
    let host = Host { http: HttpOption::Redirected, ..split_host(&[(REVISION, 100)]) };
    stage.api.put("routes", routed("Route", "hello", 9, host)).await;
    tokio::time::timeout(SOON, stage.handle.served("default", "hello", 9)).await.expect("served");
    let mut client = stage.client().await;
    let response = client.send(crate::harness::get("/a?b=c")).await.expect("an answer");
    let port = stage.handle.https_addr().expect("https").port();
    assert_eq!(response.status(), 301);
    assert_eq!(response.headers()["location"], format!("https://{HOST}:{port}/a?b=c"));
    let stream = authority.connect(&stage, HOST, &[]).await.expect("trusted");
    assert_eq!(get(stream, HOST).await.0, 200);
}

#[tokio::test]
async fn silence_and_noise_instead_of_a_handshake_harm_nobody() {
    let (stage, authority, _) = secure().await;
    let address = stage.handle.https_addr().expect("https");
    let mut silent = Vec::new();
    for _ in 0..300 {
        silent.push(TcpStream::connect(address).await.expect("it listens"));
    }
    let mut noisy = TcpStream::connect(address).await.expect("it listens");
    noisy.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("written");
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(SOON, noisy.read_to_end(&mut rest)).await;
    assert!(ended.is_ok(), "plain http is no TLS");
    // The handshakes of both threads are taken; they end after their time.
    let stream = authority.connect(&stage, HOST, &[]).await.expect("after the silent ones");
    assert_eq!(get(stream, HOST).await.0, 200);
    assert_eq!(stage.panics(), 0);
}
