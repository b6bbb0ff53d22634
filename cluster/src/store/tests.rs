//! The store by its promises.

use serde_json::json;

use super::*;

fn map(name: &str, n: u32) -> Prepared {
    let value =
        json!({ "metadata": { "name": name, "namespace": "d" }, "data": { "n": n.to_string() } });
    Prepared::new(Key::new("configmaps", "d", name), value, &[])
}

fn no_fields(_: &str) -> Vec<String> {
    Vec::new()
}

#[test]
fn versions_grow_with_every_change_of_anything() {
    let store = Store::memory();
    let a = store.create(map("a", 1)).unwrap();
    let b = store.create(map("b", 1)).unwrap();
    assert!(b.resource_version > a.resource_version);
    assert_eq!(store.list("configmaps", Some("d")).version, b.resource_version);
    assert!(store.list("configmaps", Some("other")).objects.is_empty());
}

#[test]
fn a_writer_that_read_an_older_version_is_refused() {
    let store = Store::memory();
    let first = store.create(map("a", 1)).unwrap();
    let second = store.replace(map("a", 2), first.resource_version).unwrap();
    assert!(matches!(
        store.replace(map("a", 3), first.resource_version),
        Err(Conflict::Changed(_))
    ));
    assert!(matches!(store.create(map("a", 4)), Err(Conflict::Exists)));
    assert!(matches!(store.remove(map("nobody", 0), 1), Err(Conflict::Missing)));
    store.remove(map("a", 2), second.resource_version).unwrap();
    assert!(store.get(&Key::new("configmaps", "d", "a")).is_none());
}

#[tokio::test]
async fn a_watch_sees_what_happened_after_its_version_in_order() {
    let store = Store::memory();
    let a = store.create(map("a", 1)).unwrap();
    let mut watch = store.watch("configmaps", a.resource_version).unwrap();
    let b = store.create(map("b", 1)).unwrap();
    store.remove(map("b", 1), b.resource_version).unwrap();
    let events = watch.next().await.unwrap();
    let seen: Vec<_> = events.iter().map(|e| (e.change, e.object.key.name.as_str())).collect();
    assert_eq!(seen, [(Change::Added, "b"), (Change::Deleted, "b")]);
}

#[tokio::test]
async fn a_watcher_that_fell_behind_the_ring_is_told_so() {
    let store = Store::memory();
    let mut object = store.create(map("a", 0)).unwrap();
    let start = object.resource_version;
    for n in 0..u32::try_from(ring::EVENTS).unwrap() + 2 {
        object = store.replace(map("a", n), object.resource_version).unwrap();
    }
    assert!(store.watch("configmaps", start).is_err());
    store.watch("configmaps", object.resource_version).unwrap();
}

#[tokio::test]
async fn everything_that_was_durable_is_there_after_a_restart_and_watches_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.redb");
    let store = Store::open(&path, &no_fields).unwrap();
    let a = store.create(map("a", 1)).unwrap();
    let b = store.create(map("b", 1)).unwrap();
    let a2 = store.replace(map("a", 2), a.resource_version).unwrap();
    store.remove(map("b", 1), b.resource_version).unwrap();
    let last = store.version();
    store.durable(last).await;
    store.close();
    drop(store);

    let store = Store::open(&path, &no_fields).unwrap();
    assert_eq!(store.version(), last);
    let listed = store.list("configmaps", None);
    assert_eq!(listed.objects.len(), 1);
    assert_eq!(listed.objects[0].resource_version, a2.resource_version);
    assert_eq!(listed.objects[0].value()["data"]["n"], "2");
    let mut watch = store.watch("configmaps", b.resource_version).unwrap();
    let changes: Vec<_> = watch.next_durable().await.unwrap().iter().map(|e| e.change).collect();
    assert_eq!(changes, [Change::Modified, Change::Deleted]);
}

#[test]
fn a_file_that_is_no_state_file_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.redb");
    std::fs::write(&path, b"hello, this is a letter").unwrap();
    let error = Store::open(&path, &no_fields).unwrap_err();
    assert!(error.to_string().contains("damaged"), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), b"hello, this is a letter");
}

#[tokio::test]
async fn outside_watchers_see_a_write_only_when_it_is_durable() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("s"), &no_fields).unwrap();
    let mut watch = store.watch("configmaps", store.version()).unwrap();
    store.create(map("a", 1)).unwrap();
    let events = watch.next_durable().await.unwrap();
    assert!(store.durable_version() >= events[0].version);
    store.close();
}
