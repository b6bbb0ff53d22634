//! The state behind every response: the registry, the pages of lists, the node agents.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::BoxBody;
use parking_lot::RwLock;
use rouse_kit::Health;

use super::body::BoxError;
use super::discovery::Documents;
use super::metrics::ApiMetrics;
use super::pages::Pages;
use crate::registry::Registry;
use crate::tokens::TokenKey;

/// A node agent's own API: `/containerLogs/…`.
pub type KubeletService =
    tower::util::BoxCloneSyncService<Request<Bytes>, Response<BoxBody<Bytes, BoxError>>, BoxError>;

/// The API server behind every listener and in-process client. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Api {
    pub(super) registry: Registry,
    pub(super) pages: Arc<Pages>,
    pub(super) kubelets: Arc<RwLock<BTreeMap<String, KubeletService>>>,
    pub(super) documents: Arc<Documents>,
    pub(crate) metrics: ApiMetrics,
    /// The health of the process's parts; set once the API is served.
    pub(crate) health: Arc<OnceLock<Health>>,
    /// Signs the tokens of service accounts; made at the first token, unless one was given.
    pub(crate) token_key: Arc<OnceLock<Arc<TokenKey>>>,
}

impl Api {
    pub(crate) fn new(registry: Registry) -> Self {
        Self {
            registry,
            pages: Arc::default(),
            kubelets: Arc::default(),
            documents: Arc::default(),
            metrics: ApiMetrics::default(),
            health: Arc::default(),
            token_key: Arc::default(),
        }
    }

    pub(crate) fn register_kubelet(&self, node: &str, service: KubeletService) {
        self.kubelets.write().insert(node.to_owned(), service);
    }
}
