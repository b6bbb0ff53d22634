//! The API over TLS at 16 connections: durable creates of a 300-byte ConfigMap, and gets.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rouse_tests::Platform;
use serde_json::Value;

use crate::setup::Wanted;
use crate::stats::Samples;

const CONNECTIONS: usize = 16;
/// Length of one round.
const TIME: Duration = Duration::from_secs(1);

pub(crate) fn run(wanted: &Wanted) -> anyhow::Result<()> {
    let platform = Platform::start_with("fake")?;
    println!(
        "{CONNECTIONS} connections over TLS, {} rounds of {} s each in turn",
        wanted.runs,
        TIME.as_secs()
    );
    let (mut creates, mut gets) = (Samples::default(), Samples::default());
    for round in 0..wanted.runs {
        creates.add(per_second(&platform, round, None)?);
        let path = "/api/v1/namespaces/default/configmaps/c0-0-0";
        gets.add(per_second(&platform, round, Some(path))?);
    }
    for (what, samples) in
        [("durable creates of a 300-byte ConfigMap", creates), ("gets of a ConfigMap", gets)]
    {
        println!(
            "{what:<45} {:>9.0} a second (95 %: {:>9.0})",
            samples.quantile(0.5),
            samples.quantile(0.05)
        );
    }
    Ok(())
}

/// Rate of gets of `path`, or of creates, on all connections in one round.
fn per_second(
    platform: &Platform,
    round: usize,
    path: Option<&'static str>,
) -> anyhow::Result<f64> {
    let clients: Vec<Client> =
        (0..CONNECTIONS).map(|_| Client::connect(platform)).collect::<anyhow::Result<_>>()?;
    let started = Instant::now();
    let threads: Vec<_> = clients
        .into_iter()
        .enumerate()
        .map(|(n, mut client)| {
            let prefix = format!("c{round}-{n}");
            std::thread::spawn(move || client.repeat(&prefix, path, started + TIME))
        })
        .collect();
    let mut count = 0;
    for thread in threads {
        count += thread.join().map_err(|_| anyhow::anyhow!("a connection panicked"))??;
    }
    Ok(f64::from(count) / started.elapsed().as_secs_f64())
}

/// One connection to the API, as the administrator.
pub(crate) struct Client {
    runtime: tokio::runtime::Runtime,
    sender: SendRequest<Full<Bytes>>,
    token: String,
}

impl Client {
    pub(crate) fn connect(platform: &Platform) -> anyhow::Result<Self> {
        let pki = platform.dir().join("pki");
        let token = std::fs::read_to_string(pki.join("token"))?.trim().to_owned();
        let mut roots = rustls::RootCertStore::empty();
        let pem = std::fs::read(pki.join("ca.crt"))?;
        for certificate in rustls::pki_types::pem::PemObject::pem_slice_iter(&pem) {
            roots.add(certificate.context("the authority's certificate")?)?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let address: SocketAddr = platform.api.trim_start_matches("https://").parse()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let sender = runtime.block_on(async {
            let stream = tokio::net::TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            let name = rustls::pki_types::ServerName::try_from("localhost")?;
            let stream =
                tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
            let (sender, connection) = handshake(TokioIo::new(stream)).await?;
            tokio::spawn(connection);
            anyhow::Ok(sender)
        })?;
        Ok(Self { runtime, sender, token })
    }

    fn send(
        &mut self,
        request: http::request::Builder,
        body: String,
    ) -> anyhow::Result<(u16, Bytes)> {
        let request = request
            .header("host", "localhost")
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body)))?;
        let sender = &mut self.sender;
        self.runtime.block_on(async {
            sender.ready().await?;
            let answer = sender.send_request(request).await?;
            let status = answer.status().as_u16();
            Ok((status, answer.into_body().collect().await?.to_bytes()))
        })
    }

    pub(crate) fn get(&mut self, path: &str) -> anyhow::Result<Value> {
        let (status, body) = self.send(http::Request::get(path), String::new())?;
        anyhow::ensure!(status == 200, "{path} answered {status}");
        Ok(serde_json::from_slice(&body)?)
    }

    pub(crate) fn create(&mut self, name: &str) -> anyhow::Result<()> {
        let filler = "x".repeat(200);
        let map = format!(
            "{{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{{\"name\":\"{name}\"}},\"data\":{{\"filler\":\"{filler}\"}}}}"
        );
        self.post("/api/v1/namespaces/default/configmaps", map)
    }

    pub(crate) fn post(&mut self, path: &str, object: String) -> anyhow::Result<()> {
        let (status, body) = self.send(http::Request::post(path), object)?;
        anyhow::ensure!(status == 201, "{status}: {}", String::from_utf8_lossy(&body));
        Ok(())
    }

    /// Repeats gets of `path`, or creates, until `end`.
    fn repeat(&mut self, prefix: &str, path: Option<&str>, end: Instant) -> anyhow::Result<u32> {
        let mut count = 0;
        while Instant::now() < end {
            match path {
                Some(path) => {
                    let (status, _) = self.send(http::Request::get(path), String::new())?;
                    anyhow::ensure!(status == 200, "{status}");
                }
                None => self.create(&format!("{prefix}-{count}"))?,
            }
            count += 1;
        }
        Ok(count)
    }
}
