//! Objects, a disk that may be full, and damage, for tests.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::{fs, io};

use parking_lot::Mutex;
use serde_json::json;

use crate::durable::{Error, File, Loaded};
use crate::object::{Key, Prepared};
use crate::store::Store;

/// A ConfigMap with `n` in its data.
pub(crate) fn map(name: &str, n: u32) -> Prepared {
    let value =
        json!({ "metadata": { "name": name, "namespace": "d" }, "data": { "n": n.to_string() } });
    Prepared::new(Key::new("configmaps", "d", name), value, &[])
}

pub(crate) fn secret(name: &str) -> Prepared {
    let value = json!({ "metadata": { "name": name, "namespace": "e" }, "type": "Opaque" });
    Prepared::new(Key::new("secrets", "e", name), value, &[])
}

pub(crate) fn no_fields(_: &str) -> Vec<String> {
    Vec::new()
}

/// A disk that may be full.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk {
    bytes: Arc<Mutex<Vec<u8>>>,
    full: Arc<AtomicBool>,
}

impl Disk {
    pub(crate) fn fill(&self, full: bool) {
        self.full.store(full, Ordering::SeqCst);
    }

    fn room(&self) -> io::Result<()> {
        if self.full.load(Ordering::SeqCst) {
            Err(io::ErrorKind::StorageFull.into())
        } else {
            Ok(())
        }
    }

    pub(crate) fn database(&self) -> redb::Database {
        redb::Database::builder().create_with_backend(self.clone()).unwrap()
    }

    pub(crate) fn try_open(&self) -> Result<(File, Loaded), Error> {
        let disk = self.clone();
        let opener = move || redb::Database::builder().create_with_backend(disk.clone());
        File::open_by(Box::new(opener), Path::new("disk"), &no_fields)
    }

    pub(crate) fn open(&self) -> (File, Loaded) {
        self.try_open().unwrap()
    }
}

impl redb::StorageBackend for Disk {
    fn len(&self) -> Result<u64, io::Error> {
        Ok(self.bytes.lock().len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), io::Error> {
        let offset = usize::try_from(offset).unwrap();
        out.copy_from_slice(&self.bytes.lock()[offset..offset + out.len()]);
        Ok(())
    }

    fn set_len(&self, len: u64) -> Result<(), io::Error> {
        self.room()?;
        self.bytes.lock().resize(usize::try_from(len).unwrap(), 0);
        Ok(())
    }

    fn sync_data(&self) -> Result<(), io::Error> {
        self.room()
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), io::Error> {
        self.room()?;
        let offset = usize::try_from(offset).unwrap();
        self.bytes.lock()[offset..offset + data.len()].copy_from_slice(data);
        Ok(())
    }
}

/// Applies `change` to every occurrence of `text` in the file.
pub(crate) fn damage(path: &Path, text: &str, change: impl Fn(&mut [u8])) {
    let mut bytes = fs::read(path).unwrap();
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
    fs::write(path, bytes).unwrap();
}

/// A state file with three maps, the first of which was changed once.
pub(crate) async fn three_maps(path: &Path) {
    let store = Store::open(path, &no_fields).unwrap();
    let a = store.create(map("a", 1001)).unwrap();
    store.create(map("b", 2002)).unwrap();
    store.create(map("c", 3003)).unwrap();
    store.replace(map("a", 1002), a.resource_version).unwrap();
    store.durable(store.version()).await.unwrap();
    store.close();
}
