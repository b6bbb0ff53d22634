//! Lists in pages: the rest of a list is kept as it was when its first page was sent.

use std::collections::VecDeque;
use std::sync::Arc;

use base64::Engine;
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::status::Failure;
use crate::store::Object;

/// Lists that are being paged through, kept so that all pages show one moment.
const SNAPSHOTS: usize = 32;

/// The rest of lists whose first page was sent.
#[derive(Debug, Default)]
pub(super) struct Pages(Mutex<VecDeque<Page>>);

#[derive(Clone, Debug)]
pub(super) struct Page {
    id: u64,
    pub(super) version: u64,
    pub(super) rest: Arc<Vec<Arc<Object>>>,
}

impl Pages {
    pub(super) fn keep(&self, version: u64, rest: Vec<Arc<Object>>) -> String {
        let id =
            u64::from_le_bytes(uuid::Uuid::new_v4().as_bytes()[..8].try_into().unwrap_or_default());
        let mut pages = self.0.lock();
        pages.push_back(Page { id, version, rest: Arc::new(rest) });
        while pages.len() > SNAPSHOTS {
            pages.pop_front();
        }
        let token =
            json!({ "v": "meta.k8s.io/v1", "rv": version, "start": id.to_string() }).to_string();
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(token)
    }

    pub(super) fn take(&self, token: &str) -> Result<Page, Failure> {
        let bad = || Failure::bad_request("invalid continue token: continue key is not valid");
        let bytes =
            base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(token).map_err(|_| bad())?;
        let token: Value = serde_json::from_slice(&bytes).map_err(|_| bad())?;
        let id: u64 = token["start"].as_str().and_then(|s| s.parse().ok()).ok_or_else(bad)?;
        let pages = self.0.lock();
        pages.iter().find(|p| p.id == id).cloned().ok_or_else(|| {
            Failure::expired("The provided continue parameter is too old to display a consistent list result. You must start a new list without the continue parameter.")
        })
    }
}
