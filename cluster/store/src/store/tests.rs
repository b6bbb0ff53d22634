//! The store by its promises.

use serde_json::json;

use super::*;
use crate::ring;
use crate::testing::{Disk, map, no_fields, secret};

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
async fn forgotten_events_end_old_watches_and_no_other_and_no_object() {
    let store = Store::memory();
    let a = store.create(map("a", 1)).unwrap();
    let b = store.create(map("b", 1)).unwrap();
    more_than_stay(&store);
    let mut current = store.watch("configmaps", store.version()).unwrap();
    store.forget_events(b.resource_version);
    assert!(store.watch("configmaps", a.resource_version).is_err());
    store.create(map("c", 1)).unwrap();
    let seen = current.next().await.unwrap();
    assert_eq!(seen[0].object.key.name, "c");
    assert_eq!(store.count("configmaps"), 4);
}

/// As many events as stay whatever is forgotten.
fn more_than_stay(store: &Store) {
    let mut version = store.create(map("often", 0)).unwrap().resource_version;
    for n in 1..=ring::LEAST {
        version = store
            .replace(map("often", u32::try_from(n).unwrap()), version)
            .unwrap()
            .resource_version;
    }
}

#[tokio::test]
async fn events_that_are_not_durable_are_not_forgotten() {
    let disk = Disk::default();
    let (file, loaded) = disk.open();
    let store = Store::loaded(file, loaded);
    let a = store.create(map("a", 1)).unwrap();
    store.durable(a.resource_version).await.unwrap();
    disk.fill(true);
    let b = store.create(map("b", 1)).unwrap();
    store.forget_events(u64::MAX);
    let mut watch = store.watch("configmaps", a.resource_version).unwrap();
    assert_eq!(watch.next().await.unwrap()[0].object.resource_version, b.resource_version);
    let shown = store.list_shown("configmaps", None).await.unwrap();
    assert_eq!(shown.objects.len(), 1);
    store.close();
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
    store.durable(last).await.unwrap();
    store.close();
    drop(store);

    let store = Store::open(&path, &no_fields).unwrap();
    assert_eq!(store.version(), last);
    let listed = store.list("configmaps", None);
    assert_eq!(listed.objects.len(), 1);
    let events = store.changes_after(a2.resource_version - 1).unwrap().0;
    assert!(Arc::ptr_eq(&events[0].object, &listed.objects[0]), "it is in memory once");
    assert_eq!(listed.objects[0].resource_version, a2.resource_version);
    assert_eq!(listed.objects[0].value()["data"]["n"], "2");
    let mut watch = store.watch("configmaps", b.resource_version).unwrap();
    let changes: Vec<_> = watch.next_durable().await.unwrap().iter().map(|e| e.change).collect();
    assert_eq!(changes, [Change::Modified, Change::Deleted]);
    let mut watch = store.watch("configmaps", 1).unwrap();
    let all: Vec<_> = watch.next_durable().await.unwrap().iter().map(|e| e.change).collect();
    assert_eq!(all, [Change::Added, Change::Added, Change::Modified, Change::Deleted]);
}

#[test]
fn objects_are_counted_and_listed_by_resource_and_namespace() {
    let store = Store::memory();
    assert_eq!((store.version(), store.count("configmaps"), store.resources().len()), (1, 0, 0));
    for name in ["b", "a"] {
        store.create(map(name, 1)).unwrap();
    }
    let last = store.create(secret("s")).unwrap();
    let names = |resource: &str, namespace: Option<&str>| {
        let listed = store.list(resource, namespace).objects;
        listed.iter().map(|object| object.key.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(names("configmaps", None), ["a", "b"]);
    assert_eq!(names("configmaps", Some("d")), ["a", "b"]);
    assert_eq!(names("configmaps", Some("c")), [""; 0]);
    assert_eq!(names("secrets", Some("e")), ["s"]);
    assert_eq!((store.count("configmaps"), store.count("secrets")), (2, 1));
    store.remove(secret("s"), last.resource_version).unwrap();
    assert_eq!(store.count("secrets"), 0);
    let left: Vec<_> = store.resources().iter().map(|name| name.to_string()).collect();
    assert_eq!(left, ["configmaps"]);
}

#[test]
fn changes_of_all_resources_come_in_their_order() {
    let store = Store::memory();
    let mut ordered = store.ordered();
    let a = store.create(map("a", 1)).unwrap();
    let s = store.create(secret("s")).unwrap();
    let a2 = store.replace(map("a", 2), a.resource_version).unwrap();
    assert_eq!(*ordered.borrow_and_update(), a2.resource_version);
    let after = |version| {
        let (events, until) = store.changes_after(version).unwrap();
        assert_eq!(until, a2.resource_version);
        events.iter().map(|event| event.version).collect::<Vec<_>>()
    };
    assert_eq!(after(1), [a.resource_version, s.resource_version, a2.resource_version]);
    assert_eq!(after(a.resource_version), [s.resource_version, a2.resource_version]);
    assert_eq!(after(a2.resource_version), [0; 0]);
}

#[test]
fn selectable_fields_are_read_anew_when_others_are_asked_for() {
    let store = Store::memory();
    let stored = store.create(map("a", 1)).unwrap();
    let get = || store.get(&Key::new("configmaps", "d", "a")).unwrap();
    store.select_by("configmaps", &["data.n".to_owned()]);
    assert_eq!(get().fields, [("data.n".to_owned(), "1".to_owned())].into());
    assert_eq!(get().resource_version, stored.resource_version);
    let same = get();
    store.select_by("configmaps", &["data.n".to_owned()]);
    assert!(Arc::ptr_eq(&same, &get()), "nothing is made anew for the same fields");
    store.select_by("configmaps", &["data.m".to_owned()]);
    assert_eq!(get().fields, [("data.m".to_owned(), String::new())].into());
    store.select_by("nothing", &["data.n".to_owned()]);
}

#[tokio::test]
async fn a_quiet_watcher_moves_on_with_what_happens_elsewhere() {
    let store = Store::memory();
    let a = store.create(map("a", 1)).unwrap();
    let mut watch = store.watch("configmaps", a.resource_version).unwrap();
    let s = store.create(secret("s")).unwrap();
    assert_eq!(watch.position(false), s.resource_version);
    assert_eq!(watch.position(true), s.resource_version);
    // As if no more than the first write had reached the disk.
    let mut behind = store.watch("configmaps", a.resource_version).unwrap();
    store.shared.durable.send_replace(a.resource_version);
    assert_eq!(behind.position(true), a.resource_version);
    assert_eq!(behind.position(false), s.resource_version);
    // It does not step over a change that it has not given yet.
    store.create(map("b", 1)).unwrap();
    store.create(secret("t")).unwrap();
    assert_eq!(behind.position(false), s.resource_version);
    assert_eq!(behind.next().await.unwrap().len(), 1);
    assert_eq!(behind.position(false), store.version());
    let mut never = store.watch("pods", 1).unwrap();
    assert_eq!(never.position(false), store.version());
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

#[tokio::test]
async fn a_full_disk_is_an_error_and_loses_nothing_once_there_is_room() {
    let disk = Disk::default();
    let (file, loaded) = disk.open();
    let store = Store::loaded(file, loaded);
    let a = store.create(map("a", 1)).unwrap();
    store.durable(a.resource_version).await.unwrap();
    disk.fill(true);
    let b = store.create(map("b", 1)).unwrap();
    let error = store.durable(b.resource_version).await.unwrap_err();
    assert!(error.to_string().contains("state file cannot be written"), "{error}");
    store.writable().unwrap_err();
    store.durable(a.resource_version).await.unwrap();
    disk.fill(false);
    let mut failing = store.shared.failing.subscribe();
    failing.wait_for(Option::is_none).await.unwrap();
    store.durable(b.resource_version).await.unwrap();
    store.close();
    drop(store);
    assert_eq!(disk.open().1.objects.len(), 2);
}

#[tokio::test]
async fn commits_are_told_with_their_writes_and_a_failed_one_only_once_it_succeeds() {
    let disk = Disk::default();
    let (file, loaded) = disk.open();
    let store = Store::loaded(file, loaded);
    let told = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&told);
    store.observe_commits(move |commit| seen.lock().push(commit.writes));
    let mut failing = store.failing();
    let a = store.create(map("a", 1)).unwrap();
    store.durable(a.resource_version).await.unwrap();
    assert_eq!(*told.lock(), [1]);
    disk.fill(true);
    store.create(map("b", 1)).unwrap();
    failing.wait_for(Option::is_some).await.unwrap();
    assert_eq!(*told.lock(), [1]);
    disk.fill(false);
    failing.wait_for(Option::is_none).await.unwrap();
    assert_eq!(told.lock().iter().sum::<usize>(), 2);
    store.close();
}

#[tokio::test]
async fn on_a_full_disk_readers_see_the_last_durable_state() {
    let disk = Disk::default();
    let (file, loaded) = disk.open();
    let store = Store::loaded(file, loaded);
    let a = store.create(map("a", 1)).unwrap();
    let b = store.create(map("b", 1)).unwrap();
    store.durable(b.resource_version).await.unwrap();
    disk.fill(true);
    let a2 = store.replace(map("a", 2), a.resource_version).unwrap();
    store.replace(map("a", 3), a2.resource_version).unwrap();
    store.remove(map("b", 1), b.resource_version).unwrap();
    store.create(map("c", 1)).unwrap();
    let key = |name: &str| Key::new("configmaps", "d", name);
    let version = |object: Option<Arc<Object>>| object.map(|o| o.resource_version);

    assert_eq!(version(store.get_shown(&key("a")).await.unwrap()), Some(a.resource_version));
    assert_eq!(version(store.get_shown(&key("b")).await.unwrap()), Some(b.resource_version));
    assert_eq!(version(store.get_shown(&key("c")).await.unwrap()), None);
    assert_eq!(version(store.get_shown(&key("nobody")).await.unwrap()), None);
    for namespace in [None, Some("d")] {
        let listed = store.list_shown("configmaps", namespace).await.unwrap();
        let shown: Vec<u64> = listed.objects.iter().map(|o| o.resource_version).collect();
        assert_eq!(shown, [a.resource_version, b.resource_version]);
        assert_eq!(listed.version, b.resource_version);
    }
    let others = store.list_shown("configmaps", Some("other")).await.unwrap();
    assert_eq!((others.objects.len(), others.version), (0, b.resource_version));

    disk.fill(false);
    let mut failing = store.shared.failing.subscribe();
    failing.wait_for(Option::is_none).await.unwrap();
    let listed = store.list_shown("configmaps", None).await.unwrap();
    let names: Vec<&str> = listed.objects.iter().map(|o| o.key.name.as_str()).collect();
    assert_eq!((names, listed.version), (vec!["a", "c"], store.version()));
    store.close();
}

#[tokio::test]
async fn a_list_waits_for_its_own_changes_alone() {
    let store = Store::memory();
    let a = store.create(map("a", 1)).unwrap();
    let other = json!({ "metadata": { "name": "x", "namespace": "d" } });
    let x = store.create(Prepared::new(Key::new("secrets", "d", "x"), other, &[])).unwrap();
    // As if nothing after the first write had reached the disk.
    store.shared.durable.send_replace(a.resource_version);
    let listed = store.list_shown("configmaps", None).await.unwrap();
    assert_eq!((listed.objects.len(), listed.version), (1, a.resource_version));
    let waiting = tokio::spawn({
        let store = store.clone();
        async move { store.list_shown("secrets", None).await }
    });
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    store.shared.durable.send_replace(x.resource_version);
    let listed = waiting.await.unwrap().unwrap();
    assert_eq!((listed.objects.len(), listed.version), (1, x.resource_version));
}

#[tokio::test]
async fn that_an_object_is_not_there_waits_for_its_own_changes_alone() {
    let store = Store::memory();
    let a = store.create(map("a", 1)).unwrap();
    let gone = store.remove(map("a", 1), a.resource_version).unwrap();
    let b = store.create(map("b", 1)).unwrap();
    // As if nothing after the first write had reached the disk.
    store.shared.durable.send_replace(a.resource_version);
    let shown = |name: &str| {
        let (store, key) = (store.clone(), Key::new("configmaps", "d", name));
        tokio::spawn(async move { store.get_shown(&key).await.unwrap().is_some() })
    };
    assert!(!shown("nobody").await.unwrap());
    let (waits, waits_too) = (shown("a"), shown("b"));
    tokio::task::yield_now().await;
    assert!(!waits.is_finished() && !waits_too.is_finished());
    store.shared.durable.send_replace(gone.resource_version);
    assert!(!waits.await.unwrap());
    store.shared.durable.send_replace(b.resource_version);
    assert!(waits_too.await.unwrap());
}

#[tokio::test]
async fn who_waits_while_nothing_becomes_durable_is_told_why() {
    let store = Store::memory();
    let version = store.version();
    store.pretend_failing(Some("no space left"));
    store.durable(version).await.unwrap();
    let why = store.durable(version + 1).await.unwrap_err().to_string();
    assert!(why.contains("no space left"), "{why}");
    store.writable().unwrap_err();
    store.pretend_failing(None);
    store.writable().unwrap();
}

#[test]
fn after_a_restart_a_watch_from_before_the_events_that_are_left_is_too_old() {
    let disk = Disk::default();
    let (file, loaded) = disk.open();
    let event = |version| Event::new(Change::Modified, Arc::new(map("a", 1).number(version)), None);
    let store = Store::loaded(
        file,
        Loaded { events: vec![event(6), event(8)], version: 9, lost: 5, ..loaded },
    );
    // Of the others nothing is known: what happened to them may be among what is gone.
    for resource in ["configmaps", "secrets"] {
        assert!(store.watch(resource, 4).is_err(), "{resource}");
        store.watch(resource, 5).unwrap();
    }
    assert!(store.changes_after(4).is_err());
    let (changes, until) = store.changes_after(5).unwrap();
    assert_eq!((changes.len(), until), (2, 9));
    store.close();
}
