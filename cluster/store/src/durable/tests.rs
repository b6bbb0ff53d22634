//! The state file: what is refused, what is damage, and which events stay in it.

use redb::DatabaseError;

use super::*;
use crate::store::Store;
use crate::testing::{Disk, damage, map, no_fields, three_maps};

#[test]
fn a_file_of_another_format_is_refused_without_being_called_damaged() {
    let disk = Disk::default();
    drop(disk.open());
    let newer = disk.database();
    let write = newer.begin_write().unwrap();
    write.open_table(FACTS).unwrap().insert("format", 3).unwrap();
    write.commit().unwrap();
    drop(newer);
    let error = disk.try_open().err().expect("it is refused");
    assert!(matches!(error, Error::Format { found: 3, .. }), "{error}");
    assert!(!error.is_damage());
}

#[test]
fn a_row_that_is_no_object_is_damage_and_named() {
    let disk = Disk::default();
    drop(disk.open());
    let database = disk.database();
    let write = database.begin_write().unwrap();
    // Whole, as its checksum says, and no object all the same.
    let row = seal("pods\0d\0p", b"{}");
    write.open_table(OBJECTS).unwrap().insert("pods\0d\0p", row.as_slice()).unwrap();
    write.commit().unwrap();
    drop(database);
    let error = disk.try_open().err().expect("it is refused");
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
    fs::write(&path, b"hello, this is a letter").unwrap();
    let error = Store::open(&path, &no_fields).unwrap_err();
    assert!(error.to_string().contains("damaged"), "{error}");
    assert!(error.is_damage());
    assert_eq!(fs::read(&path).unwrap(), b"hello, this is a letter");
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
    let whole = fs::read(&path).unwrap();
    let (page, mut refused) = (4096, 0);
    for broken in 0..whole.len() / page {
        let mut bytes = whole.clone();
        bytes[broken * page..(broken + 1) * page].fill(0xa5);
        let copy = dir.path().join("copy.redb");
        fs::write(&copy, &bytes).unwrap();
        // A page may have been free; then all objects are there. Otherwise the file is refused.
        match Store::open(&copy, &no_fields) {
            Ok(store) => assert_eq!(store.count("configmaps"), 400, "page {broken}"),
            Err(error) => {
                assert!(error.to_string().contains("damaged"), "page {broken}: {error}");
                refused += 1;
            }
        }
        fs::remove_file(&copy).unwrap();
    }
    assert!(refused > 0);
}

/// Files as a crash leaves them: copies of one that is open.
#[tokio::test]
async fn a_last_commit_that_is_whole_is_kept_after_a_crash_and_a_torn_one_is_rolled_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.redb");
    let store = Store::open(&path, &no_fields).unwrap();
    let mut copies = Vec::new();
    for n in 0..3 {
        store.create(map(&format!("m{n}"), n)).unwrap();
        store.durable(store.version()).await.unwrap();
        copies.push(fs::read(&path).unwrap());
    }
    let found = |bytes: &[u8]| {
        let copy = dir.path().join("copy.redb");
        fs::write(&copy, bytes).unwrap();
        let (opener, repair) = checking(&copy);
        let (_, loaded) = File::open_by(opener, &copy, &no_fields).unwrap();
        (*repair.lock(), loaded.objects.len())
    };
    assert_eq!(found(&copies[2]), (Repair::Checked, 3));
    // The header says that there was a third commit, and none of its pages was written.
    let torn = [&copies[2][..4096], &copies[1][4096..]].concat();
    assert_eq!(found(&torn), (Repair::RolledBack, 2));
    store.close();
    assert_eq!(found(&fs::read(&path).unwrap()), (Repair::None, 3));
}

#[tokio::test]
async fn a_bit_that_flips_inside_a_value_is_found_and_the_object_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.redb");
    three_maps(&path).await;
    for bit in [0, 3, 5] {
        let copy = dir.path().join(format!("copy{bit}.redb"));
        fs::copy(&path, &copy).unwrap();
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
    fs::write(&path, b"").unwrap();
    let error = Store::open(&path, &no_fields).unwrap_err();
    assert!(error.is_damage() && error.to_string().contains("is empty"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), b"");
    fs::remove_file(&path).unwrap();
    // As a first start that was cut off left it.
    fs::write(dir.path().join("state.new"), b"").unwrap();
    Store::open(&path, &no_fields).unwrap().close();
    assert!(fs::metadata(&path).unwrap().len() > 0);
    assert!(!dir.path().join("state.new").exists());
}

#[tokio::test]
async fn a_file_of_the_format_without_checksums_gets_them() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.redb");
    {
        let database = Database::create(&path).unwrap();
        let write = database.begin_write().unwrap();
        let json = br#"{"metadata":{"name":"a","namespace":"d","resourceVersion":"7"},"data":{"n":"4004"}}"#;
        let (key, json) = ("configmaps\0d\0a", json.as_slice());
        write.open_table(OBJECTS).unwrap().insert(key, json).unwrap();
        write.open_table(EVENTS).unwrap().insert(7, (0, key, json)).unwrap();
        let mut facts = write.open_table(FACTS).unwrap();
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

#[test]
fn events_beyond_those_kept_leave_the_file() {
    let disk = Disk::default();
    let (mut file, _) = disk.open();
    let object = |version| Arc::new(map("a", 1).number(version));
    let op = |version| Op { version, change: Change::Modified, object: object(version) };
    let kept = u64::try_from(kept::COUNT).unwrap();
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
}

#[test]
fn only_an_error_that_is_the_files_own_is_damage() {
    let io = |kind: io::ErrorKind| redb::Error::Io(kind.into());
    for (error, damage) in [
        (redb::Error::Corrupted("a page".to_owned()), true),
        (redb::Error::UpgradeRequired(1), true),
        (io(io::ErrorKind::InvalidData), true),
        (io(io::ErrorKind::PermissionDenied), false),
        (DatabaseError::DatabaseAlreadyOpen.into(), false),
    ] {
        let text = error.to_string();
        assert_eq!(opening(Path::new("state.redb"), error).is_damage(), damage, "{text}");
    }
}
