//! A registry in memory: manifests and blobs by repository, anonymous tokens or a login.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use self::image::digest;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

#[derive(Default)]
struct State {
    /// `repository/manifests/TAG-OR-DIGEST` and `repository/blobs/DIGEST`: media type and bytes.
    content: HashMap<String, (String, Vec<u8>)>,
    /// The `Authorization` that a repository requires.
    logins: HashMap<String, String>,
    /// Tokens are asked for here: the address of this registry itself.
    tokens_at: Option<String>,
    /// Status of every answer, if it is broken.
    broken: Option<u16>,
    blobs_sent: usize,
}

pub(crate) struct Registry {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    task: tokio::task::JoinHandle<()>,
}

impl Registry {
    pub(crate) async fn start() -> Self {
        Self::start_at(IpAddr::from([127, 0, 0, 1])).await
    }

    pub(crate) async fn start_at(address: IpAddr) -> Self {
        Self::start_with(address, None).await
    }

    /// With a certificate that nobody vouches for; returns the PEM of it, too.
    pub(crate) async fn start_encrypted() -> (Self, String) {
        Self::start_encrypted_at(IpAddr::from([127, 0, 0, 1])).await
    }

    pub(crate) async fn start_encrypted_at(address: IpAddr) -> (Self, String) {
        let made = rcgen::generate_simple_self_signed([address.to_string()]).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let key = rustls::pki_types::PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        (Self::start_with(address, Some(Arc::new(config).into())).await, made.cert.pem())
    }

    /// One at an address that stands for all of this machine's listens at loopback.
    async fn start_with(address: IpAddr, tls: Option<TlsAcceptor>) -> Self {
        let own = if address.is_unspecified() { Ipv4Addr::LOCALHOST.into() } else { address };
        let listener = TcpListener::bind((own, 0)).await.unwrap();
        let address = SocketAddr::new(address, listener.local_addr().unwrap().port());
        let state = Arc::new(Mutex::new(State::default()));
        let task = tokio::spawn(accept(listener, tls, state.clone()));
        Self { address, state, task }
    }

    /// Hands out tokens, for the login `ann` or for an identity token.
    pub(crate) fn give_tokens(&self) {
        self.state.lock().tokens_at = Some(format!("http://{}/token", self.address));
    }

    /// Answers everything with a status.
    pub(crate) fn answer_all(&self, status: Option<u16>) {
        self.state.lock().broken = status;
    }

    pub(crate) fn require_token(&self, repository: &str) {
        self.state.lock().logins.insert(repository.to_owned(), "Bearer good".to_owned());
    }

    /// Closes the listener and every connection.
    pub(crate) async fn stop(&self) {
        self.task.abort();
        let ended = tokio::time::timeout(Duration::from_secs(10), async {
            while !self.task.is_finished() {
                tokio::task::yield_now().await;
            }
        });
        ended.await.expect("the listener is closed");
    }

    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    pub(crate) fn name(&self, rest: &str) -> String {
        format!("{}/{rest}", self.address)
    }

    pub(crate) fn blobs_sent(&self) -> usize {
        self.state.lock().blobs_sent
    }

    pub(crate) fn require_login(&self, repository: &str, user: &str, password: &str) {
        assert_eq!(
            (user, password),
            ("ann", "secret"),
            "the one login whose encoding is written here"
        );
        self.state.lock().logins.insert(repository.to_owned(), "Basic YW5uOnNlY3JldA==".to_owned());
    }

    pub(crate) fn corrupt_layers(&self, repository: &str) {
        let prefix = format!("{repository}/blobs/");
        for (path, (kind, bytes)) in &mut self.state.lock().content {
            if path.starts_with(&prefix) && kind == LAYER {
                bytes[0] ^= 1;
            }
        }
    }

    /// Pushes an image with these files; returns the digest of its manifest.
    pub(crate) fn push(&self, repository: &str, tag: &str, layers: &[&[(&str, &str)]]) -> String {
        let manifest = self.push_manifest(repository, std::env::consts::ARCH, layers);
        let mut state = self.state.lock();
        let digest = digest(&manifest);
        for name in [tag, &digest] {
            let path = format!("{repository}/manifests/{name}");
            state.content.insert(path, (MANIFEST.to_owned(), manifest.clone()));
        }
        digest
    }

    /// Pushes an index with an image for each architecture, with a file `arch`; returns its digest.
    pub(crate) fn push_index(
        &self,
        repository: &str,
        tag: &str,
        variants: &[(&str, &str)],
    ) -> String {
        let mut entries = Vec::new();
        for (architecture, content) in variants {
            let manifest = self.push_manifest(repository, architecture, &[&[("arch", content)]]);
            let digest = digest(&manifest);
            entries.push(json!({
                "mediaType": MANIFEST, "digest": digest, "size": manifest.len(),
                "platform": {"os": "linux", "architecture": architecture},
            }));
            let path = format!("{repository}/manifests/{digest}");
            self.state.lock().content.insert(path, (MANIFEST.to_owned(), manifest));
        }
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries});
        let index = index.to_string().into_bytes();
        let digest = digest(&index);
        for name in [tag, &digest] {
            let path = format!("{repository}/manifests/{name}");
            self.state.lock().content.insert(path, (INDEX.to_owned(), index.clone()));
        }
        digest
    }

    fn push_manifest(
        &self,
        repository: &str,
        architecture: &str,
        layers: &[&[(&str, &str)]],
    ) -> Vec<u8> {
        let architecture = match architecture {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        let mut descriptors = Vec::new();
        for files in layers {
            descriptors.push(self.push_blob(repository, LAYER, image::layer(files)));
        }
        let diff_ids: Vec<_> = descriptors.iter().map(|layer| layer["digest"].clone()).collect();
        let config = json!({
            "architecture": architecture, "os": "linux",
            "config": {
                "Entrypoint": ["/app/serve"], "Cmd": ["--quick"], "User": "1000",
                "ExposedPorts": {"8080/tcp": {}}, "Env": ["A=b"], "WorkingDir": "/app",
            },
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
        });
        let config_type = "application/vnd.oci.image.config.v1+json";
        let config = self.push_blob(repository, config_type, config.to_string().into_bytes());
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": descriptors,
        });
        manifest.to_string().into_bytes()
    }

    fn push_blob(&self, repository: &str, media_type: &str, bytes: Vec<u8>) -> serde_json::Value {
        let digest = digest(&bytes);
        let descriptor = json!({"mediaType": media_type, "digest": digest, "size": bytes.len()});
        let path = format!("{repository}/blobs/{digest}");
        self.state.lock().content.insert(path, (media_type.to_owned(), bytes));
        descriptor
    }
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, state: Arc<Mutex<State>>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let state = state.clone();
        let answering = service_fn(move |request: Request<Incoming>| {
            let state = state.clone();
            async move {
                let (head, body) = request.into_parts();
                let body = body.collect().await.unwrap().to_bytes();
                let response = answer(&mut state.lock(), &Request::from_parts(head, body));
                Ok::<_, Infallible>(response)
            }
        });
        let http = hyper::server::conn::http1::Builder::new();
        match tls.clone() {
            None => {
                connections.spawn(http.serve_connection(TokioIo::new(stream), answering));
            }
            Some(tls) => {
                connections.spawn(async move {
                    // A client that does not trust it goes away.
                    let Ok(stream) = tls.accept(stream).await else { return Ok(()) };
                    http.serve_connection(TokioIo::new(stream), answering).await
                });
            }
        }
    }
}

/// A token for a login or an identity token that is known, and an anonymous one.
fn token(request: &Request<Bytes>) -> Response<Full<Bytes>> {
    let authorization = request.headers().get("authorization");
    let form = String::from_utf8_lossy(request.body()).into_owned();
    let given = match (request.method(), authorization.and_then(|value| value.to_str().ok())) {
        (&Method::POST, _) if form.contains("refresh_token=lasting") => "good",
        (&Method::GET, Some("Basic YW5uOnNlY3JldA==")) => "good",
        (&Method::GET, None) => "anonymous",
        _ => return respond(StatusCode::UNAUTHORIZED, "application/json", b"{}".to_vec()),
    };
    let body = json!({ "token": given }).to_string().into_bytes();
    respond(StatusCode::OK, "application/json", body)
}

fn answer(state: &mut State, request: &Request<Bytes>) -> Response<Full<Bytes>> {
    if let Some(status) = state.broken {
        return respond(StatusCode::from_u16(status).unwrap(), "text/plain", b"down".to_vec());
    }
    if request.uri().path() == "/token" {
        return token(request);
    }
    let path = request.uri().path().trim_start_matches("/v2/").trim_start_matches('/').to_owned();
    if path.is_empty() {
        // The version check; a registry with logins answers it with its challenge.
        let mut response = Response::new(Full::default());
        if !state.logins.is_empty() {
            *response.status_mut() = StatusCode::UNAUTHORIZED;
            let challenge = match &state.tokens_at {
                Some(realm) => format!("Bearer realm=\"{realm}\",service=\"test\""),
                None => "Basic realm=\"test\"".to_owned(),
            };
            response.headers_mut().insert("www-authenticate", challenge.parse().unwrap());
        }
        return response;
    }
    let repository = path.split("/manifests/").next().unwrap().split("/blobs/").next().unwrap();
    if let Some(login) = state.logins.get(repository) {
        let given = request.headers().get("authorization").and_then(|value| value.to_str().ok());
        if given != Some(login.as_str()) {
            let error =
                json!({"errors": [{"code": "UNAUTHORIZED", "message": "authentication required"}]});
            return respond(
                StatusCode::UNAUTHORIZED,
                "application/json",
                error.to_string().into_bytes(),
            );
        }
    }
    let Some((media_type, bytes)) = state.content.get(&path).cloned() else {
        let error =
            json!({"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]});
        return respond(StatusCode::NOT_FOUND, "application/json", error.to_string().into_bytes());
    };
    if path.contains("/blobs/") {
        state.blobs_sent += 1;
    }
    let digest = digest(&bytes);
    let body = if request.method() == Method::HEAD { Vec::new() } else { bytes };
    let mut response = respond(StatusCode::OK, &media_type, body);
    if path.contains("/manifests/") {
        response.headers_mut().insert("docker-content-digest", digest.parse().unwrap());
    }
    response
}

fn respond(status: StatusCode, media_type: &str, bytes: Vec<u8>) -> Response<Full<Bytes>> {
    Response::builder()
        .status(status)
        .header("content-type", media_type)
        .body(Full::from(bytes))
        .unwrap()
}

/// Layers and digests.
pub(crate) mod image {
    use std::collections::BTreeMap;
    use std::io::Read;

    pub(crate) fn digest(bytes: &[u8]) -> String {
        rouse_image::Digest::of(bytes).to_string()
    }

    pub(crate) fn layer(files: &[(&str, &str)]) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        for (path, content) in files {
            let mut header = tar::Header::new_ustar();
            header.set_size(content.len() as u64);
            header.set_mode(0o755);
            tar.append_data(&mut header, path, content.as_bytes()).unwrap();
        }
        tar.into_inner().unwrap()
    }

    /// The files of an archive.
    pub(crate) fn files(archive: &[u8]) -> BTreeMap<String, Vec<u8>> {
        let mut archive = tar::Archive::new(archive);
        let mut files = BTreeMap::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let path = entry.path().unwrap().to_string_lossy().into_owned();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            files.insert(path, content);
        }
        files
    }
}
