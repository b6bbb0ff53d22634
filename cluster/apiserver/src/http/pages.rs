//! Lists in pages: a list is kept as it was when its first page was sent, so that all its pages have
//! one `resourceVersion`.
//!
//! Kept lists are bounded in number, in bytes and in time; a client that comes too late starts a new
//! list, as after a compaction of etcd.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::status::Failure;
use crate::store::Object;

/// Most lists that are kept.
const MAX_LISTS: usize = 32;
/// Most bytes of objects that kept lists hold together; the newest list is kept whatever its size.
const MAX_BYTES: usize = 64 << 20;
/// How long a list is kept. Upstream: etcd is compacted every five minutes.
const KEPT_FOR: Duration = Duration::from_secs(300);

/// Lists that have pages left to send.
#[derive(Debug, Default)]
pub(super) struct Pages(Mutex<VecDeque<Kept>>);

#[derive(Debug)]
struct Kept {
    id: u64,
    version: u64,
    objects: Arc<Vec<Arc<Object>>>,
    bytes: usize,
    until: Instant,
}

/// The position in a list where a page begins.
#[derive(Clone, Debug)]
pub(super) struct Position {
    /// The id of the kept list; `None` for a new one.
    id: Option<u64>,
    pub(super) version: u64,
    objects: Arc<Vec<Arc<Object>>>,
    start: usize,
}

impl Position {
    /// The beginning of a list.
    pub(super) fn first(version: u64, objects: Vec<Arc<Object>>) -> Self {
        Self { id: None, version, objects: Arc::new(objects), start: 0 }
    }

    /// The objects of the page, and how many follow it.
    pub(super) fn page(&self, limit: Option<usize>) -> (&[Arc<Object>], usize) {
        let rest = self.objects.get(self.start..).unwrap_or_default();
        let count = limit.unwrap_or(rest.len()).min(rest.len());
        (&rest[..count], rest.len() - count)
    }
}

impl Pages {
    /// The `continue` token of the page that follows one of `count` objects.
    pub(super) fn keep(&self, position: &Position, count: usize, now: Instant) -> String {
        let id = position.id.unwrap_or_else(|| self.add(position, now));
        let start = position.start.saturating_add(count);
        let token = json!({ "v": "meta.k8s.io/v1", "rv": position.version, "start": format!("{id}/{start}") });
        URL_SAFE_NO_PAD.encode(token.to_string())
    }

    fn add(&self, position: &Position, now: Instant) -> u64 {
        let random = uuid::Uuid::new_v4();
        let id = u64::from_le_bytes(random.as_bytes()[..8].try_into().unwrap_or_default());
        let bytes = position.objects.iter().map(|object| object.json.len()).sum();
        let mut lists = self.0.lock();
        lists.push_back(Kept {
            id,
            version: position.version,
            objects: Arc::clone(&position.objects),
            bytes,
            until: now + KEPT_FOR,
        });
        let mut held: usize = lists.iter().map(|kept| kept.bytes).sum();
        while let Some(oldest) = lists.front()
            && lists.len() > 1
            && (lists.len() > MAX_LISTS || held > MAX_BYTES || oldest.until <= now)
        {
            held -= oldest.bytes;
            lists.pop_front();
        }
        id
    }

    /// The position that a token names.
    pub(super) fn find(&self, token: &str, now: Instant) -> Result<Position, Failure> {
        let bad = || Failure::bad_request("invalid continue token: continue key is not valid");
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| bad())?;
        let token: Value = serde_json::from_slice(&bytes).map_err(|_| bad())?;
        let place = token["start"].as_str().and_then(|start| {
            let (id, start) = start.split_once('/')?;
            Some((id.parse::<u64>().ok()?, start.parse::<usize>().ok()?))
        });
        let (id, start) = place.ok_or_else(bad)?;
        let lists = self.0.lock();
        let kept = lists.iter().find(|kept| kept.id == id && kept.until > now);
        let kept = kept.ok_or_else(|| {
            Failure::expired("The provided continue parameter is too old to display a consistent list result. You must start a new list without the continue parameter.")
        })?;
        let objects = Arc::clone(&kept.objects);
        Ok(Position { id: Some(id), version: kept.version, objects, start })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Key, Prepared};

    fn list(count: usize, bytes: usize) -> Position {
        let object = |n: usize| {
            let value = json!({ "metadata": { "name": n.to_string() }, "data": "x".repeat(bytes) });
            let key = Key::new("configmaps", "d", &n.to_string());
            Arc::new(Prepared::new(key, value, &[]).numbered(1))
        };
        Position::first(7, (0..count).map(object).collect())
    }

    #[test]
    fn all_pages_are_of_one_kept_list() {
        let (pages, now) = (Pages::default(), Instant::now());
        let mut position = list(7, 0);
        let mut seen = Vec::new();
        loop {
            let (page, rest) = position.page(Some(3));
            seen.extend(page.iter().map(|object| object.key.name.clone()));
            if rest == 0 {
                break;
            }
            let token = pages.keep(&position, page.len(), now);
            position = pages.find(&token, now).unwrap();
            assert_eq!(position.version, 7);
        }
        assert_eq!(seen, ["0", "1", "2", "3", "4", "5", "6"]);
        assert_eq!(pages.0.lock().len(), 1);
        assert_eq!(list(2, 0).page(None).1, 0);
    }

    #[test]
    fn kept_lists_are_bounded_in_number_bytes_and_time() {
        let (pages, now) = (Pages::default(), Instant::now());
        let small = pages.keep(&list(2, 0), 1, now);
        for _ in 1..MAX_LISTS {
            pages.keep(&list(2, 0), 1, now);
        }
        assert!(pages.find(&small, now).is_ok());
        pages.keep(&list(2, 0), 1, now);
        assert_eq!(pages.find(&small, now).unwrap_err().code, 410);
        // Two of them are too large together.
        let large = list(2, MAX_BYTES / 3);
        let first = pages.keep(&large, 1, now);
        assert_eq!(pages.0.lock().len(), MAX_LISTS);
        let second = pages.keep(&large, 1, now);
        assert_eq!(pages.0.lock().len(), 1);
        assert_eq!(pages.find(&first, now).unwrap_err().code, 410);
        assert!(pages.find(&second, now).is_ok());
        assert_eq!(pages.find(&second, now + KEPT_FOR).unwrap_err().code, 410);
    }

    #[test]
    fn a_token_that_was_not_given_out_is_refused() {
        let (pages, now) = (Pages::default(), Instant::now());
        let token = |text: &str| URL_SAFE_NO_PAD.encode(text);
        for text in ["", "x", "{}", r#"{"start":7}"#, r#"{"start":"1"}"#, r#"{"start":"1/-1"}"#] {
            assert_eq!(pages.find(&token(text), now).unwrap_err().code, 400, "{text}");
        }
        assert_eq!(pages.find("%", now).unwrap_err().code, 400);
        let unknown = token(r#"{"start":"1/18446744073709551615"}"#);
        assert_eq!(pages.find(&unknown, now).unwrap_err().code, 410);
        // A place behind the end of a kept list is an empty page.
        pages.keep(&list(2, 0), 1, now);
        let id = pages.0.lock()[0].id;
        let behind = token(&json!({ "start": format!("{id}/{}", usize::MAX) }).to_string());
        assert_eq!(pages.find(&behind, now).unwrap().page(Some(1)).1, 0);
    }
}
