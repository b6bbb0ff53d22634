//! Recovery of damaged state files.

use super::*;
use crate::store::Store;
use crate::testing::{damage, map, no_fields, three_maps};

#[tokio::test]
async fn recovery_keeps_what_is_whole_and_names_what_is_older_and_gone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.redb");
    three_maps(&path).await;
    assert_eq!(recover(&path).unwrap(), None, "nothing is to be recovered");
    // The newest version of one, and every version of another.
    damage(&path, "1002", |text| text[0] = b'9');
    damage(&path, "3003", |text| text[0] = b'9');
    let before = fs::read(&path).unwrap();
    let recovery = recover(&path).unwrap().unwrap();
    let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    assert_eq!((recovery.kept, &recovery.older), (1, &texts(&["configmaps d/a"])));
    assert_eq!(recovery.gone, texts(&["configmaps d/c"]));
    assert!(fs::read(&recovery.damaged).unwrap() == before, "the evidence is kept");
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
    assert_eq!(recover(&path).unwrap(), None);
}

#[test]
fn of_a_file_without_content_nothing_is_recovered_and_it_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.redb");
    assert_eq!(recover(&path).unwrap(), None, "there is none");
    fs::write(&path, b"").unwrap();
    let recovery = recover(&path).unwrap().unwrap();
    assert_eq!((recovery.kept, recovery.gone.len()), (0, 0));
    assert!(recovery.damaged.exists());
    let store = Store::open(&path, &no_fields).unwrap();
    assert!(store.version() > 1000, "no version is given out twice");
    store.close();
    fs::write(&path, b"hello, this is a letter").unwrap();
    assert!(recover(&path).unwrap_err().is_damage());
    assert_eq!(fs::read(&path).unwrap(), b"hello, this is a letter");
}

#[tokio::test]
async fn the_newest_whole_version_comes_back_and_what_was_deleted_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.redb");
    let store = Store::open(&path, &no_fields).unwrap();
    let mut versions = Vec::new();
    for n in 7001..=7012 {
        let written = match versions.last() {
            None => store.create(map("a", n)),
            Some(last) => store.replace(map("a", n), *last),
        };
        versions.push(written.unwrap().resource_version);
    }
    let b = store.create(map("b", 8008)).unwrap();
    store.remove(map("b", 8008), b.resource_version).unwrap();
    store.durable(store.version()).await.unwrap();
    store.close();
    drop(store);
    let whole = fs::read(&path).unwrap();

    for (round, name) in ["state.redb.damaged", "state.redb.damaged-1"].into_iter().enumerate() {
        fs::write(&path, &whole).unwrap();
        damage(&path, "7012", |text| text[0] = b'9');
        // As a recovery that was cut off left it.
        fs::write(dir.path().join("state.new"), b"half").unwrap();
        let recovery = recover(&path).unwrap().unwrap();
        assert_eq!((recovery.kept, recovery.gone.len()), (0, 0), "round {round}");
        assert_eq!(recovery.older, ["configmaps d/a"]);
        assert_eq!(recovery.damaged, dir.path().join(name), "no evidence is written over");
        let store = Store::open(&path, &no_fields).unwrap();
        let all = store.list("configmaps", None).objects;
        let values: Vec<_> = all.iter().map(|o| o.value()["data"]["n"].clone()).collect();
        assert_eq!(values, ["7011"]);
        store.close();
    }
}

#[test]
fn a_file_of_a_newer_version_is_not_recovered() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.redb");
    Store::open(&path, &no_fields).unwrap().close();
    let newer = Database::create(&path).unwrap();
    let write = newer.begin_write().unwrap();
    write.open_table(FACTS).unwrap().insert("format", FORMAT + 1).unwrap();
    write.commit().unwrap();
    drop(newer);
    let before = fs::read(&path).unwrap();
    let error = recover(&path).unwrap_err();
    assert!(matches!(error, Error::Format { .. }), "{error}");
    assert!(fs::read(&path).unwrap() == before, "it is left as it is");
}

#[test]
fn a_file_that_cannot_be_read_is_no_damage() {
    let dir = tempfile::tempdir().unwrap();
    let error = recover(dir.path()).unwrap_err();
    assert!(!error.is_damage(), "{error}");
}
