//! Shared by commands that go on and show what changes: how many failures they bear, and what was shown.

use std::collections::HashMap;
use std::pin::Pin;

use futures::{Stream, StreamExt};
use kube::Api;
use kube::runtime::{WatchStreamExt, watcher};
use rouse_k8s::ObjectKey;
use serde::de::DeserializeOwned;

use super::serving::unavailable;
use crate::outcome::{Failure, Result};

/// Failures in a row, each after a longer pause, after which a watch is given up.
pub(crate) const FAILURES_MAX: u32 = 3;

/// Whether asking again is pointless: the cluster has refused the request itself.
pub(crate) fn is_refusal(error: &kube::Error) -> bool {
    const EXPIRED: u16 = 410;
    const TOO_MANY: u16 = 429;
    matches!(error, kube::Error::Api(status)
        if (400..500).contains(&status.code) && ![EXPIRED, TOO_MANY].contains(&status.code))
}

/// The events of a watch that begins again where it broke off, and lists again where that is too long ago.
pub(crate) struct Events<K> {
    stream: Pin<Box<dyn Stream<Item = watcher::Result<watcher::Event<K>>> + Send>>,
    failures: u32,
    what: &'static str,
}

impl<K> Events<K>
where
    K: kube::Resource + Clone + DeserializeOwned + std::fmt::Debug + Send + 'static,
{
    /// `what` names the objects in a failure.
    pub(crate) fn of(api: Api<K>, config: watcher::Config, what: &'static str) -> Self {
        let stream = Box::pin(watcher(api, config).default_backoff());
        Self { stream, failures: 0, what }
    }

    /// The next event; a failure once the watch is given up.
    pub(crate) async fn next(&mut self) -> Result<watcher::Event<K>> {
        loop {
            let error = match self.stream.next().await {
                Some(Ok(event)) => {
                    self.failures = 0;
                    return Ok(event);
                }
                Some(Err(error)) => error,
                None => return Err(Failure::new(format!("the watch of the {} ended", self.what))),
            };
            if let watcher::Error::InitialListFailed(error) = &error
                && is_refusal(error)
            {
                return Err(unavailable(error, &format!("list {}", self.what)));
            }
            self.failures += 1;
            if self.failures == FAILURES_MAX {
                return Err(Failure::new(format!("the {} cannot be watched any more", self.what))
                    .because(error)
                    .next("rouse status"));
            }
        }
    }
}

/// The version in which each object was shown last, so that a list after a broken watch repeats nothing.
#[derive(Debug, Default)]
pub(crate) struct Shown(HashMap<ObjectKey, String>);

impl Shown {
    /// Whether this version was not shown yet. It counts as shown from now on.
    pub(crate) fn is_new(&mut self, key: ObjectKey, version: &str) -> bool {
        self.0.insert(key, version.to_owned()).as_deref() != Some(version)
    }

    pub(crate) fn forget(&mut self, key: &ObjectKey) {
        self.0.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_shown_once() {
        let (mut shown, key) = (Shown::default(), ObjectKey::new("shop", "cart"));
        assert!(shown.is_new(key.clone(), "1"));
        assert!(!shown.is_new(key.clone(), "1"));
        assert!(shown.is_new(key.clone(), "2"));
        shown.forget(&key);
        assert!(shown.is_new(key, "2"));
    }
}
