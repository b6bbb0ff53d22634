//! Health, metrics and debug page of the store: failures to write, commits, numbers of objects.

use std::collections::BTreeMap;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Unit;
use rouse_kit::{Component, Metrics, Part, Shutdown};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::store::{Store, Unwritable};

const SECONDS: [f64; 10] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.0];
const WRITES: [f64; 8] = [1.0, 2.0, 4.0, 8.0, 16.0, 64.0, 256.0, 1024.0];

/// Adds the store to a component's health, metrics and debug pages.
pub(crate) fn store(store: &Store, component: &Component) {
    let part = component.health.part("store");
    let followed = follow(store.failing(), part, component.shutdown.clone());
    component.tasks.vital("store health", followed);
    commits(store, &component.metrics);
    component.metrics.collector(Box::new(Objects(store.clone())));
    let shown = store.clone();
    let shows = "The store: versions, whether it can be written, objects by resource";
    component.debug.page("store", shows, move || page(&shown));
}

/// Ready while writes are made durable, else not, with the reason.
async fn follow(mut failing: watch::Receiver<Option<Unwritable>>, part: Part, shutdown: Shutdown) {
    loop {
        let problem = failing.borrow_and_update().as_ref().map(ToString::to_string);
        part.set(problem);
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            changed = failing.changed() => if changed.is_err() { return },
        }
    }
}

fn commits(store: &Store, metrics: &Metrics) {
    let (durations, writes) = (Histogram::new(SECONDS), Histogram::new(WRITES));
    let help = "Time to make a batch of writes durable";
    let unit = Unit::Seconds;
    metrics.register_with_unit("rouse_store_commit_duration", help, unit, durations.clone());
    let help = "Writes in a batch that was made durable at once";
    metrics.register("rouse_store_commit_writes", help, writes.clone());
    store.observe_commits(move |commit| {
        durations.observe(commit.took.as_secs_f64());
        writes.observe(f64::from(u32::try_from(commit.writes).unwrap_or(u32::MAX)));
    });
}

/// How many objects of each resource there are.
fn counts(store: &Store) -> BTreeMap<Arc<str>, usize> {
    store.resources().into_iter().map(|name| (Arc::clone(&name), store.count(&name))).collect()
}

fn page(store: &Store) -> Value {
    let counts = counts(store);
    let objects: BTreeMap<&str, usize> = counts.iter().map(|(n, c)| (&**n, *c)).collect();
    json!({
        "version": store.version(),
        "durableVersion": store.durable_version(),
        "problem": store.writable().err().map(|error| error.to_string()),
        "objects": objects,
    })
}

/// The number of objects by resource, counted at each scrape.
#[derive(Debug)]
struct Objects(Store);

impl Collector for Objects {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let help = "Stored objects by resource";
        let name = "apiserver_storage_objects";
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (resource, count) in counts(&self.0) {
            let count = ConstGauge::new(i64::try_from(count).unwrap_or(i64::MAX));
            count.encode(family.encode_family(&[("resource", &*resource)])?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::*;

    #[tokio::test]
    async fn the_store_is_not_ready_while_the_disk_takes_nothing() {
        let component = Component::alone("apiserver");
        let (disk, failing) = watch::channel(None);
        let part = component.health.part("store");
        let mut following = pin!(follow(failing, part, component.shutdown.clone()));
        let read = || component.health.report().remove(0);
        assert!(!read().ready);
        assert!(futures::poll!(&mut following).is_pending());
        assert!(read().ready);
        disk.send_replace(Some(Unwritable::new("No space left on device")));
        assert!(futures::poll!(&mut following).is_pending());
        let reason = read().reason.unwrap();
        assert!(!read().ready && reason.contains("No space left on device"), "{reason}");
        disk.send_replace(None);
        assert!(futures::poll!(&mut following).is_pending());
        assert!(read().ready);
    }
}
