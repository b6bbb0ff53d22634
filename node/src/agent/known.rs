//! The pods that the agent knows.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Pod;
use parking_lot::Mutex;

/// By uid.
pub(crate) type Known = Arc<Mutex<BTreeMap<String, Arc<Pod>>>>;
