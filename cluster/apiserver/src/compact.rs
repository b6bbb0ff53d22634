//! Old events leave the memory, as etcd's compaction lets them leave its history.
//!
//! A watch goes on from where it was if that is not long ago; after that it lists again (410). etcd's
//! history is compacted every five minutes; here all of it is in memory. The newest events of each
//! resource stay.

use std::collections::VecDeque;
use std::time::Duration;

use rouse_kit::Shutdown;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::http::BOOKMARK_EVERY;
use crate::store::Store;

/// Events are kept for as long, and until the next look.
const KEPT: Duration = Duration::from_secs(30);
const EVERY: Duration = Duration::from_secs(10);
/// A client that watches a quiet part of a busy resource knows no newer version than its last bookmark's,
/// and has as long again to come back with it.
const _: () = assert!(KEPT.as_secs() >= 2 * BOOKMARK_EVERY.as_secs());

/// Forgets old events until the shutdown.
pub(crate) async fn run(store: Store, shutdown: Shutdown) {
    let mut seen = VecDeque::new();
    let mut tick = interval(EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        if shutdown.run_until_cancelled(tick.tick()).await.is_none() {
            return;
        }
        let now = Instant::now();
        seen.push_back((now, store.version()));
        let mut old = None;
        while let Some((_, version)) = seen.pop_front_if(|(at, _)| now - *at >= KEPT) {
            old = Some(version);
        }
        if let Some(version) = old {
            store.forget_events(version);
        }
    }
}

#[cfg(test)]
mod tests {
    use rouse_kit::Clock;
    use serde_json::json;

    use super::*;
    use crate::cluster::{Cluster, Config, Storage};
    use crate::registry::Options;

    #[tokio::test(start_paused = true)]
    async fn a_watch_goes_on_for_half_a_minute_and_lists_again_after_a_minute() {
        let config = Config {
            storage: Storage::Memory,
            initial: Vec::new(),
            clock: Clock::of_tokio(),
            ca: String::new(),
        };
        let cluster = Cluster::open(config).unwrap();
        let store = &cluster.registry().store;
        let mut compacting = std::pin::pin!(run(store.clone(), Shutdown::new()));
        let mut pass = async |seconds| {
            let _ = tokio::time::timeout(Duration::from_secs(seconds), compacting.as_mut()).await;
        };
        pass(60).await;
        let before = store.version();
        let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}});
        let kind = cluster.registry().kinds.by_kind("", "v1", "ConfigMap").unwrap();
        cluster.registry().create(&kind, "default", map, &Options::internal()).unwrap();
        for n in 0..100 {
            let name = format!("more-{n}");
            let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}});
            cluster.registry().create(&kind, "default", map, &Options::internal()).unwrap();
        }
        pass(29).await;
        store.watch("configmaps", before).unwrap();
        pass(31).await;
        assert!(store.watch("configmaps", before).is_err());
        store.watch("configmaps", store.version()).unwrap();
        assert_eq!(store.count("configmaps"), 101);
    }
}
