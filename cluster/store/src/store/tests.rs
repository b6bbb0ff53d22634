//! The store by its promises.

use serde_json::json;

use super::*;
use crate::ring;

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
    store.durable(last).await.unwrap();
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
    let mut watch = store.watch("configmaps", 1).unwrap();
    let all: Vec<_> = watch.next_durable().await.unwrap().iter().map(|e| e.change).collect();
    assert_eq!(all, [Change::Added, Change::Added, Change::Modified, Change::Deleted]);
}

fn secret(name: &str) -> Prepared {
    let value = json!({ "metadata": { "name": name, "namespace": "e" }, "type": "Opaque" });
    Prepared::new(Key::new("secrets", "e", name), value, &[])
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

#[test]
fn events_beyond_those_kept_leave_the_file_and_its_watchers_are_told() {
    let disk = Disk::default();
    let (mut file, _) = disk.open();
    let object = |version| Arc::new(map("a", 1).number(version));
    let op = |version| Op { version, change: Change::Modified, object: object(version) };
    let kept = u64::try_from(crate::durable::KEPT).unwrap();
    let write = |file: &mut File, from: u64, to: u64| {
        file.write(&(from..=to).map(op).collect::<Vec<_>>()).unwrap();
    };
    write(&mut file, 1, kept);
    write(&mut file, kept + 1, kept + 2);
    // What is too much goes with the write after it.
    write(&mut file, kept + 3, kept + 3);
    drop(file);
    let (_, loaded) = disk.open();
    assert_eq!((loaded.version, loaded.lost), (kept + 3, 2));
    let versions: Vec<u64> = loaded.events.iter().map(|event| event.version).collect();
    assert_eq!(versions, (3..=kept + 3).collect::<Vec<_>>());
    let (file, loaded) = disk.open();
    let store = Store::loaded(file, loaded);
    assert!(store.watch("configmaps", 1).is_err());
    store.watch("configmaps", kept).unwrap();
    store.close();
}

#[test]
fn a_file_of_another_format_is_refused_without_being_called_damaged() {
    let disk = Disk::default();
    drop(disk.open());
    let newer = redb::Database::builder().create_with_backend(disk.clone()).unwrap();
    let write = newer.begin_write().unwrap();
    let facts = redb::TableDefinition::<&str, u64>::new("facts");
    write.open_table(facts).unwrap().insert("format", 3).unwrap();
    write.commit().unwrap();
    drop(newer);
    let opener = move || redb::Database::builder().create_with_backend(disk.clone());
    let opened = File::open_by(Box::new(opener), Path::new("disk"), &no_fields);
    let error = opened.err().expect("it is refused");
    assert!(matches!(error, Error::Format { found: 3, .. }), "{error}");
    assert!(!error.is_damage());
}

#[test]
fn a_row_that_is_no_object_is_damage_and_named() {
    let disk = Disk::default();
    drop(disk.open());
    let database = redb::Database::builder().create_with_backend(disk.clone()).unwrap();
    let write = database.begin_write().unwrap();
    let objects = redb::TableDefinition::<&str, &[u8]>::new("objects");
    // Whole, as its checksum says, and no object all the same.
    let row = crate::rows::seal("pods\0d\0p", b"{}");
    write.open_table(objects).unwrap().insert("pods\0d\0p", row.as_slice()).unwrap();
    write.commit().unwrap();
    drop(database);
    let opener = move || redb::Database::builder().create_with_backend(disk.clone());
    let opened = File::open_by(Box::new(opener), Path::new("disk"), &no_fields);
    let error = opened.err().expect("it is refused");
    assert!(error.to_string().contains("the object pods d/p cannot be read"), "{error}");
    assert!(error.is_damage());
}

#[test]
fn a_directory_that_cannot_be_written_is_no_damage() {
    let dir = tempfile::tempdir().unwrap();
    let error = Store::open(dir.path(), &no_fields).unwrap_err();
    assert!(matches!(error, Error::Open { .. }), "{error}");
    assert!(!error.is_damage());
}

#[test]
fn a_file_that_is_no_state_file_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.redb");
    std::fs::write(&path, b"hello, this is a letter").unwrap();
    let error = Store::open(&path, &no_fields).unwrap_err();
    assert!(error.to_string().contains("damaged"), "{error}");
    assert!(error.is_damage());
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

/// A disk that may be full.
#[derive(Clone, Debug, Default)]
struct Disk {
    bytes: Arc<Mutex<Vec<u8>>>,
    full: Arc<std::sync::atomic::AtomicBool>,
}

impl Disk {
    fn fill(&self, full: bool) {
        self.full.store(full, std::sync::atomic::Ordering::SeqCst);
    }

    fn room(&self) -> std::io::Result<()> {
        let full = self.full.load(std::sync::atomic::Ordering::SeqCst);
        if full { Err(std::io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn open(&self) -> (File, Loaded) {
        let disk = self.clone();
        let opener = move || redb::Database::builder().create_with_backend(disk.clone());
        File::open_by(Box::new(opener), Path::new("disk"), &no_fields).unwrap()
    }
}

impl redb::StorageBackend for Disk {
    fn len(&self) -> Result<u64, std::io::Error> {
        Ok(self.bytes.lock().len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), std::io::Error> {
        let offset = usize::try_from(offset).unwrap();
        out.copy_from_slice(&self.bytes.lock()[offset..offset + out.len()]);
        Ok(())
    }

    fn set_len(&self, len: u64) -> Result<(), std::io::Error> {
        self.room()?;
        self.bytes.lock().resize(usize::try_from(len).unwrap(), 0);
        Ok(())
    }

    fn sync_data(&self) -> Result<(), std::io::Error> {
        self.room()
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), std::io::Error> {
        self.room()?;
        let offset = usize::try_from(offset).unwrap();
        self.bytes.lock()[offset..offset + data.len()].copy_from_slice(data);
        Ok(())
    }
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
async fn a_file_with_a_broken_page_is_never_taken_for_a_whole_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.redb");
    let store = Store::open(&path, &no_fields).unwrap();
    for n in 0..400 {
        store.create(map(&format!("m{n}"), n)).unwrap();
    }
    store.durable(store.version()).await.unwrap();
    store.close();
    drop(store);
    let whole = std::fs::read(&path).unwrap();
    let (page, mut refused) = (4096, 0);
    for broken in 0..whole.len() / page {
        let mut bytes = whole.clone();
        bytes[broken * page..(broken + 1) * page].fill(0xa5);
        let copy = dir.path().join("copy.redb");
        std::fs::write(&copy, &bytes).unwrap();
        // A page may have been free; then all objects are there. Otherwise the file is refused.
        match Store::open(&copy, &no_fields) {
            Ok(store) => assert_eq!(store.count("configmaps"), 400, "page {broken}"),
            Err(error) => {
                assert!(error.to_string().contains("damaged"), "page {broken}: {error}");
                refused += 1;
            }
        }
        std::fs::remove_file(&copy).unwrap();
    }
    assert!(refused > 0);
}

/// Changes every place of the file where `text` stands by `change`.
fn damage(path: &Path, text: &str, change: impl Fn(&mut [u8])) {
    let mut bytes = std::fs::read(path).unwrap();
    let places: Vec<usize> = bytes
        .windows(text.len())
        .enumerate()
        .filter(|(_, window)| *window == text.as_bytes())
        .map(|(at, _)| at)
        .collect();
    assert!(!places.is_empty(), "{text} is in the file");
    for at in places {
        change(&mut bytes[at..at + text.len()]);
    }
    std::fs::write(path, bytes).unwrap();
}

/// A state file with three maps, the first of which was changed once.
async fn three_maps(path: &Path) {
    let store = Store::open(path, &no_fields).unwrap();
    let a = store.create(map("a", 1001)).unwrap();
    store.create(map("b", 2002)).unwrap();
    store.create(map("c", 3003)).unwrap();
    store.replace(map("a", 1002), a.resource_version).unwrap();
    store.durable(store.version()).await.unwrap();
    store.close();
}

#[tokio::test]
async fn a_bit_that_flips_inside_a_value_is_found_and_the_object_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.redb");
    three_maps(&path).await;
    for bit in [0, 3, 5] {
        let copy = dir.path().join(format!("copy{bit}.redb"));
        std::fs::copy(&path, &copy).unwrap();
        // Still a number, and still an object.
        damage(&copy, "2002", |text| text[3] ^= 1 << bit);
        let error = Store::open(&copy, &no_fields).unwrap_err();
        assert!(error.is_damage());
        assert!(error.to_string().contains("the object configmaps d/b"), "{error}");
    }
}

#[test]
fn an_empty_file_is_damage_and_a_first_start_leaves_none() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.redb");
    std::fs::write(&path, b"").unwrap();
    let error = Store::open(&path, &no_fields).unwrap_err();
    assert!(error.is_damage() && error.to_string().contains("is empty"), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), b"");
    std::fs::remove_file(&path).unwrap();
    // As a first start that was cut off left it.
    std::fs::write(dir.path().join("state.new"), b"").unwrap();
    Store::open(&path, &no_fields).unwrap().close();
    assert!(std::fs::metadata(&path).unwrap().len() > 0);
    assert!(!dir.path().join("state.new").exists());
}

#[tokio::test]
async fn recovery_keeps_what_is_whole_and_names_what_is_older_and_gone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.redb");
    three_maps(&path).await;
    assert_eq!(crate::recover(&path).unwrap(), None, "nothing is to be recovered");
    // The newest version of one, and every version of another.
    damage(&path, "1002", |text| text[0] = b'9');
    damage(&path, "3003", |text| text[0] = b'9');
    let before = std::fs::read(&path).unwrap();
    let recovery = crate::recover(&path).unwrap().unwrap();
    let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    assert_eq!((recovery.kept, &recovery.older), (1, &texts(&["configmaps d/a"])));
    assert_eq!(recovery.gone, texts(&["configmaps d/c"]));
    assert!(std::fs::read(&recovery.damaged).unwrap() == before, "the evidence is kept");
    let store = Store::open(&path, &no_fields).unwrap();
    let all = store.list("configmaps", None);
    let values: Vec<_> = all.objects.iter().map(|o| o.value()["data"]["n"].clone()).collect();
    assert_eq!(values, ["1001", "2002"]);
    let newest = all.objects.iter().map(|o| o.resource_version).max().unwrap();
    assert!(store.version() > newest + 1000, "no version is given out twice");
    assert!(store.watch("configmaps", newest).is_err(), "watchers list again");
    store.create(map("c", 1)).unwrap();
    store.close();
    drop(store);
    assert_eq!(crate::recover(&path).unwrap(), None);
}

#[test]
fn of_a_file_without_content_nothing_is_recovered_and_it_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.redb");
    assert_eq!(crate::recover(&path).unwrap(), None, "there is none");
    std::fs::write(&path, b"").unwrap();
    let recovery = crate::recover(&path).unwrap().unwrap();
    assert_eq!((recovery.kept, recovery.gone.len()), (0, 0));
    assert!(recovery.damaged.exists());
    Store::open(&path, &no_fields).unwrap().close();
    std::fs::write(&path, b"hello, this is a letter").unwrap();
    assert!(crate::recover(&path).unwrap_err().is_damage());
    assert_eq!(std::fs::read(&path).unwrap(), b"hello, this is a letter");
}

#[tokio::test]
async fn a_file_of_the_format_without_checksums_gets_them() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.redb");
    {
        let database = redb::Database::create(&path).unwrap();
        let write = database.begin_write().unwrap();
        let json = br#"{"metadata":{"name":"a","namespace":"d","resourceVersion":"7"},"data":{"n":"4004"}}"#;
        let (key, json) = ("configmaps\0d\0a", json.as_slice());
        write.open_table(crate::rows::OBJECTS).unwrap().insert(key, json).unwrap();
        write.open_table(crate::rows::EVENTS).unwrap().insert(7, (0, key, json)).unwrap();
        let mut facts = write.open_table(crate::rows::FACTS).unwrap();
        facts.insert("format", 1).unwrap();
        facts.insert("version", 7).unwrap();
        drop(facts);
        write.commit().unwrap();
    }
    for _ in 0..2 {
        let store = Store::open(&path, &no_fields).unwrap();
        assert_eq!(store.list("configmaps", None).objects[0].value()["data"]["n"], "4004");
        assert!(store.watch("configmaps", 6).is_ok());
        store.close();
    }
    damage(&path, "4004", |text| text[0] = b'9');
    assert!(Store::open(&path, &no_fields).unwrap_err().to_string().contains("configmaps d/a"));
}
