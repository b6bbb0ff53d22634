//! [`Cluster`]: opens the state, creates the initial objects, gives clients, serves the API.

use std::convert::Infallible;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use rouse_kit::{Clock, Component};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::admission::Hook;
use crate::compact;
use crate::http::{Api, Credentials, KubeletService, ResponseBody, listen};
use crate::identity::UserInfo;
use crate::kinds::Kinds;
use crate::observe;
use crate::registry::{Options, Part, Registry};
use crate::status::Failure;
use crate::store::{self, Store};
use crate::tokens::TokenKey;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The storage of the state.
#[derive(Clone, Debug)]
pub enum Storage {
    /// As long as the process.
    Memory,
    /// In this file.
    File(PathBuf),
}

/// The configuration of a cluster.
#[derive(Clone, Debug)]
pub struct Config {
    pub storage: Storage,
    /// Objects to create if they are not there; CRDs are brought up to date.
    pub initial: Vec<Value>,
    pub clock: Clock,
    /// The certificate authority that pods are to trust.
    pub ca: String,
}

/// Errors of opening a cluster.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error("the initial {kind} {name:?} is refused")]
    Initial {
        kind: String,
        name: String,
        #[source]
        source: Box<Failure>,
    },
}

impl OpenError {
    /// Whether the state file is damaged, and not merely unopenable.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Store(error) => error.is_damage(),
            Self::Initial { .. } => false,
        }
    }
}

/// Namespaces that every cluster has.
const NAMESPACES: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];

/// The embedded Kubernetes. Cheap to clone.
#[derive(Clone)]
pub struct Cluster {
    registry: Registry,
    api: Api,
    clock: Clock,
    ca: String,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster").finish_non_exhaustive()
    }
}

impl Cluster {
    /// Opens the state and creates the initial objects that are missing.
    pub fn open(config: Config) -> Result<Self, OpenError> {
        let Config { storage, initial, clock, ca } = config;
        let kinds = Arc::new(Kinds::new());
        let store = match storage {
            Storage::Memory => Store::memory(),
            Storage::File(path) => {
                let kinds = Arc::clone(&kinds);
                Store::open(&path, &move |resource| selectable(&kinds, resource))?
            }
        };
        let registry = Registry::new(kinds, store, clock);
        registry.serve_stored_crds();
        let cluster = Self { api: Api::new(registry.clone()), registry, clock, ca };
        for name in NAMESPACES {
            cluster.ensure(
                json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } }),
            )?;
        }
        for object in initial {
            cluster.ensure(object)?;
        }
        Ok(cluster)
    }

    /// Creates an object unless it exists; a CRD is updated.
    fn ensure(&self, object: Value) -> Result<(), OpenError> {
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        let (kind, name) = (text(&object["kind"]), text(&object["metadata"]["name"]));
        let refused = |source: Failure| OpenError::Initial {
            kind: kind.clone(),
            name: name.clone(),
            source: Box::new(source),
        };
        let api_version = text(&object["apiVersion"]);
        let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
        let Some(resource) = self.registry.kinds.by_kind(group, version, &kind) else {
            return Err(refused(Failure::unknown_resource()));
        };
        let namespace = text(&object["metadata"]["namespace"]);
        let namespace = if namespace.is_empty() { "default".to_owned() } else { namespace };
        let options = Options::internal();
        match self.registry.get(&resource, &namespace, &name) {
            Err(_) => self
                .registry
                .create(&resource, &namespace, object, &options)
                .map(|_| ())
                .map_err(refused),
            // A newer binary brings newer CRDs; other objects are the user's once they exist.
            Ok(found) if kind == "CustomResourceDefinition" => {
                let mut newer = object;
                newer["metadata"]["resourceVersion"] = found.resource_version.to_string().into();
                self.registry
                    .update(&resource, &namespace, &name, Part::Main, newer, &options)
                    .map(|_| ())
                    .map_err(refused)
            }
            Ok(_) => Ok(()),
        }
    }

    /// The API without HTTP.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Replaces the admission hooks.
    pub fn set_hooks(&self, hooks: Vec<Hook>) {
        self.registry.set_hooks(hooks);
    }

    /// An in-process client with an identity such as
    /// `system:serviceaccount:knative-serving:controller`. Call it inside the runtime that is to own it.
    #[must_use]
    pub fn client(&self, identity: &str) -> kube::Client {
        kube::Client::new(self.service_as(UserInfo::component(identity)), "default")
    }

    /// The API for one user, as a service from request to response.
    #[must_use]
    pub fn service_as(&self, user: UserInfo) -> Inside {
        Inside { api: self.api.clone(), user }
    }

    /// Registers the kubelet API of a node, for logs of its pods and `nodes/NAME/proxy`.
    pub fn register_kubelet(&self, node: &str, service: KubeletService) {
        self.api.register_kubelet(node, service);
    }

    /// Signs the tokens of service accounts with this key. Without one, they end with this process.
    pub fn sign_tokens_with(&self, key: Arc<TokenKey>) {
        // A key that has signed already stays.
        let _ = self.api.token_key.set(key);
    }

    #[must_use]
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// The certificate authority that pods are to trust.
    #[must_use]
    pub fn ca(&self) -> &str {
        &self.ca
    }

    /// Serves over TLS until the component's shutdown. To be called once: it registers metrics, health and pages.
    pub fn serve(
        &self,
        listener: TcpListener,
        tls: Arc<rustls::ServerConfig>,
        token: String,
        component: &Component,
    ) {
        self.api.metrics.register(&component.metrics);
        // A second call keeps the first health, which is of the same process.
        let _again = self.api.health.set(component.health.clone());
        observe::store(&self.registry.store, component);
        let (store, shutdown) = (self.registry.store.clone(), component.shutdown.clone());
        let compacting = move || compact::run(store.clone(), shutdown.clone());
        component.tasks.restarting("compaction", compacting);
        let credentials = Credentials::token(token);
        let (health, own) = (component.health.part("api"), component.clone());
        let listening = listen(self.api.clone(), listener, tls, credentials, (health, own));
        component.tasks.vital("listener", listening);
    }

    /// Serves at another address too.
    pub fn serve_also(
        &self,
        listener: TcpListener,
        tls: Arc<rustls::ServerConfig>,
        token: String,
        component: &Component,
    ) {
        let credentials = Credentials::token(token);
        let (health, own) = (component.health.part("api for pods"), component.clone());
        let listening = listen(self.api.clone(), listener, tls, credentials, (health, own));
        component.tasks.vital("listener for pods", listening);
    }

    /// Makes all writes durable and ends the writer of the state file.
    pub fn close(&self) {
        self.registry.store.close();
    }
}

/// Selectable fields of a resource, whatever its version.
fn selectable(kinds: &Kinds, qualified: &str) -> Vec<String> {
    let found = kinds.all().into_iter().find(|r| r.qualified() == qualified);
    found.map(|r| r.selectable_fields.clone()).unwrap_or_default()
}

/// The API in this process, for one user.
#[derive(Clone)]
pub struct Inside {
    api: Api,
    user: UserInfo,
}

impl<B> tower::Service<Request<B>> for Inside
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<ResponseBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (api, user) = (self.api.clone(), self.user.clone());
        Box::pin(async move { Ok(api.call(request, user, true).await) })
    }
}
