//! Removal of images that nothing refers to, as the kubelet collects garbage.
//!
//! An image that a Revision or any other object refers to stays, and so does one that was made, pulled
//! or named within the ages below. Of the others those without a name (builds that a newer one has
//! replaced) go; those with a name go only while the store is too large or its disk too full, the
//! oldest first.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use kube::Client;
use rouse_image::{Grace, Held, Rule, Store, unneeded};
use rouse_kit::Component;

use crate::in_use;

/// The time from the start to the first collection, so that a start is not slowed down.
const FIRST: Duration = Duration::from_secs(60);
/// The kubelet's period.
const EVERY: Duration = Duration::from_secs(300);
const UNNAMED_AGE: Duration = Duration::from_secs(600);
const NAMED_AGE: Duration = Duration::from_secs(3600);
/// Blobs of pulls and builds that came to nothing.
const BLOB_AGE: Duration = Duration::from_secs(3600);
/// Installed dependencies of builds, since their last use.
const DEPENDENCIES_AGE: Duration = Duration::from_secs(7 * 86400);
/// The share of the disk, in percent, above which images with names go, and to which.
const DISK_HIGH: u64 = 85;
const DISK_LOW: u64 = 80;
/// The same for the bytes of all images.
const STORE_HIGH: u64 = 20 << 30;
const STORE_LOW: u64 = 16 << 30;

/// Collects until shutdown.
pub(super) async fn run(store: Store, client: Client, component: Component) {
    let mut pause = FIRST;
    loop {
        if component.shutdown.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
            return;
        }
        pause = EVERY;
        let look = Look { now: SystemTime::now(), disk: disk(&store) };
        match collect(&store, &client, &component, look).await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "images that nothing refers to were removed"),
            Err(why) => tracing::warn!(why, "images that nothing refers to are not removed"),
        }
    }
}

/// What a collection depends on, besides the images and their users.
#[derive(Clone, Copy, Debug)]
struct Look {
    now: SystemTime,
    disk: Disk,
}

/// The number of removed images.
async fn collect(
    store: &Store,
    client: &Client,
    component: &Component,
    look: Look,
) -> Result<usize, String> {
    let uses = in_use::of_cluster(client).await.map_err(|failure| failure.to_string())?;
    let references: Vec<String> = uses.into_iter().map(|used| used.reference).collect();
    let store = store.clone();
    let work = move || sweep(&store, &references, look);
    let swept = component.tasks.blocking("image-gc-sweep", work).await;
    let tags = swept.map_err(|panicked| panicked.to_string())?.map_err(|e| e.to_string())?;
    rouse_node::runtime::docker::forget_images(&tags).await;
    Ok(tags.len())
}

/// Removes what the rule lets go; returns the Docker tags of the removed images.
fn sweep(
    store: &Store,
    references: &[String],
    look: Look,
) -> Result<Vec<String>, rouse_image::Error> {
    let (held, used) = (store.held()?, store.meant(references)?);
    let rule =
        Rule { unnamed_age: UNNAMED_AGE, named_age: NAMED_AGE, excess: excess(&held, look.disk) };
    let at = Timestamp::try_from(look.now).unwrap_or(Timestamp::UNIX_EPOCH);
    let going = unneeded(&held, &used, rule, at);
    let going: Vec<_> = going.into_iter().map(|image| image.digest.clone()).collect();
    let tags = store.docker_tags(&going);
    let grace = Grace { blobs: BLOB_AGE, dependencies: DEPENDENCIES_AGE };
    store.discard(&going, grace, look.now)?;
    Ok(tags)
}

/// The size of a disk and the bytes in use on it.
#[derive(Clone, Copy, Debug, Default)]
struct Disk {
    total: u64,
    used: u64,
}

fn disk(store: &Store) -> Disk {
    // A disk that cannot be asked counts as empty.
    let Ok(found) = rustix::fs::statvfs(store.dir()) else { return Disk::default() };
    let total = found.f_blocks.saturating_mul(found.f_frsize);
    let available = found.f_bavail.saturating_mul(found.f_frsize);
    Disk { total, used: total.saturating_sub(available) }
}

/// The bytes of images with names that are too many. Pure.
fn excess(held: &[Held], disk: Disk) -> u64 {
    let percent = |share: u64| disk.total / 100 * share;
    let of_disk = if disk.total > 0 && disk.used > percent(DISK_HIGH) {
        disk.used.saturating_sub(percent(DISK_LOW))
    } else {
        0
    };
    let all = held.iter().fold(0, |sum: u64, image| sum.saturating_add(image.size));
    let of_store = if all > STORE_HIGH { all - STORE_LOW } else { 0 };
    of_disk.max(of_store)
}

#[cfg(test)]
mod tests {
    use kube::api::{Api, DeleteParams, PostParams};
    use rouse_api::Revision;
    use rouse_apiserver::{Cluster, Config, Storage};
    use rouse_image::build::{Content, Kind, LayerFiles, Recipe, Source};
    use rouse_kit::{Clock, Process, Shutdown};

    use super::*;

    #[test]
    fn named_images_are_too_many_only_on_a_full_disk_or_in_a_large_store() {
        let disk = |used| Disk { total: 1000, used };
        assert_eq!(excess(&[], disk(850)), 0);
        assert_eq!(excess(&[], disk(860)), 60);
        assert_eq!(excess(&[], Disk::default()), 0);
        let image = |size| Held {
            digest: rouse_image::Digest::of(b"x"),
            names: Vec::new(),
            origin: None,
            made: Timestamp::UNIX_EPOCH,
            size,
        };
        assert_eq!(excess(&[image(20 << 30)], disk(0)), 0);
        assert_eq!(excess(&[image(10 << 30), image(11 << 30)], disk(0)), 5 << 30);
    }

    #[tokio::test]
    async fn an_old_build_goes_when_its_revision_is_gone_and_not_before() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let build = |content: &str| {
            let mut files = LayerFiles::default();
            files.add_file("/app/main", Source::Bytes(content.as_bytes().to_vec()), true);
            let layers = vec![("app".to_owned(), Content::Files(files))];
            let recipe = Recipe { layers, ..Recipe::default() };
            let name = "shop".parse().unwrap();
            store.assemble(&name, None, Kind::Executable, recipe, &rouse_image::silent()).unwrap()
        };
        let (old, new) = (build("1").digest, build("2").digest);
        let config = Config {
            storage: Storage::Memory,
            initial: super::super::gateway::initial().unwrap(),
            clock: Clock::system(),
            ca: String::new(),
        };
        let cluster = Cluster::open(config).unwrap();
        let client = cluster.client("system:test");
        let process = Process::new(Clock::system());
        let component = process.component("test", Shutdown::new());
        let revisions: Api<Revision> = Api::default_namespaced(client.clone());
        let revision = serde_json::from_value(serde_json::json!({
            "metadata": { "name": "shop-00001" },
            "spec": { "containers": [{ "name": "c", "image": format!("shop@{old}") }] }
        }))
        .unwrap();
        revisions.create(&PostParams::default(), &revision).await.unwrap();
        let at = |now| Look { now, disk: Disk::default() };
        let later = at(SystemTime::now() + Duration::from_secs(86_400));
        let young = at(SystemTime::now());
        assert_eq!(collect(&store, &client, &component, later).await, Ok(0));
        revisions.delete("shop-00001", &DeleteParams::default()).await.unwrap();
        assert_eq!(collect(&store, &client, &component, young).await, Ok(0), "young");
        assert_eq!(collect(&store, &client, &component, later).await, Ok(1));
        assert!(store.rootfs(&old).is_err());
        assert!(store.rootfs(&new).is_ok(), "it has a name, and there is room");
    }
}
