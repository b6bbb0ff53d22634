//! Recovery of a damaged state file: readable objects go to a new file, the others are named.
//!
//! An object whose row is damaged is taken from its newest undamaged event. The damaged file is
//! kept beside the new one.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::{fs, io};

use bytes::Bytes;
use redb::{Builder, Database, ReadableDatabase, ReadableTable};

use super::durable::{CACHE, Error, File, remove, replace_by};
use super::object::{Key, from_stored};
use super::ring::Change;
use super::rows::{
    EVENTS, FACTS, FORMAT, OBJECTS, WITHOUT_CHECKSUMS, change_of, key_parts, seal, shown, unseal,
};

/// Versions skipped by a recovery, so that no lost version is given out a second time.
const SKIPPED: u64 = 1_000_000;

/// The outcome of a recovery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// Objects recovered in their last state.
    pub kept: usize,
    /// Objects recovered in an older version: `configmaps default/settings`.
    pub older: Vec<String>,
    /// Objects that could not be recovered.
    pub gone: Vec<String>,
    /// Where the damaged file is now.
    pub damaged: PathBuf,
}

/// Replaces the state file in `path` by what can be read of it. `None` if it is undamaged or absent.
pub fn recover(path: &Path) -> Result<Option<Recovery>, Error> {
    if !path.exists() {
        return Ok(None);
    }
    // Opening a database may change it: a copy is opened, and the damaged file stays as it is.
    let copy = path.with_extension("recovering");
    fs::copy(path, &copy).map_err(|error| unwritable(path, error))?;
    let salvaged = salvage(&copy, path);
    fs::remove_file(&copy).map_err(|error| unwritable(path, error))?;
    let Some(salvage) = salvaged? else { return Ok(None) };
    let (rows, older, gone) = salvage.objects();
    let new = path.with_extension("new");
    remove(&new).map_err(|error| unwritable(path, error))?;
    write(&new, &rows, salvage.version.saturating_add(SKIPPED))
        .map_err(|error| Error::Open { path: path.to_owned(), source: Box::new(error) })?;
    let damaged = moved_away(path)?;
    replace_by(&new, path).map_err(|error| unwritable(path, error))?;
    Ok(Some(Recovery { kept: rows.len() - older.len(), older, gone, damaged }))
}

/// Reads a copy of the file in `path`; `None` if it is undamaged.
fn salvage(copy: &Path, path: &Path) -> Result<Option<Salvage>, Error> {
    match File::open(copy, &|_| Vec::new()) {
        Ok(_whole) => return Ok(None),
        Err(error) if !error.is_damage() => return Err(error),
        Err(Error::Empty { .. }) => return Ok(Some(Salvage::default())),
        Err(_) => {}
    }
    let read = catch_unwind(AssertUnwindSafe(|| Salvage::read(copy)));
    let read = read.unwrap_or_else(|_| {
        Err(redb::Error::Corrupted("its pages contradict each other".to_owned()))
    });
    let damaged = |error| Error::Damaged { path: path.to_owned(), source: Box::new(error) };
    read.map(Some).map_err(damaged)
}

/// The rows of a damaged file.
#[derive(Default)]
struct Salvage {
    version: u64,
    whole: BTreeMap<String, Bytes>,
    /// Keys of damaged rows.
    broken: BTreeSet<String>,
    /// The undamaged events, by key and version.
    events: BTreeMap<(String, u64), (Change, Bytes)>,
}

impl Salvage {
    fn read(path: &Path) -> Result<Self, redb::Error> {
        let database = Builder::new().set_cache_size(CACHE).open(path)?;
        let read = database.begin_read()?;
        let mut salvage = Self::default();
        let mut format = FORMAT;
        if let Ok(facts) = read.open_table(FACTS) {
            let fact = |name: &str| facts.get(name).ok().flatten().map(|fact| fact.value());
            salvage.version = fact("version").unwrap_or(0);
            format = fact("format").unwrap_or(FORMAT);
        }
        let json = |key: &str, row: &[u8]| -> Option<Bytes> {
            let json = if format == WITHOUT_CHECKSUMS { Some(row) } else { unseal(key, row) }?;
            let bytes = Bytes::copy_from_slice(json);
            let (resource, namespace, name) = key_parts(key)?;
            from_stored(Key::new(resource, namespace, name), bytes.clone(), &[])?;
            Some(bytes)
        };
        let objects = read.open_table(OBJECTS)?;
        read_both_ways(&objects, |key, row| salvage.object(key, row, &json));
        if let Ok(events) = read.open_table(EVENTS) {
            read_both_ways(&events, |version, row| salvage.event(version, row, &json));
        }
        Ok(salvage)
    }

    fn object(&mut self, key: &str, row: &[u8], json: &dyn Fn(&str, &[u8]) -> Option<Bytes>) {
        match json(key, row) {
            Some(json) => {
                self.whole.insert(key.to_owned(), json);
            }
            None => {
                self.broken.insert(key.to_owned());
            }
        }
    }

    fn event(
        &mut self,
        version: u64,
        (change, key, row): (u8, &str, &[u8]),
        json: &dyn Fn(&str, &[u8]) -> Option<Bytes>,
    ) {
        self.version = self.version.max(version);
        if let Some(json) = json(key, row) {
            self.events.insert((key.to_owned(), version), (change_of(change), json));
        }
    }

    /// The objects of the new file, and the printable names of those that are older or gone.
    fn objects(&self) -> (BTreeMap<String, Bytes>, Vec<String>, Vec<String>) {
        let mut rows = self.whole.clone();
        let (mut older, mut gone) = (Vec::new(), Vec::new());
        // Of each key the last one stays, which is the newest.
        let newest: BTreeMap<_, _> = self.events.iter().map(|((key, _), e)| (key, e)).collect();
        for (key, (change, json)) in newest {
            if !rows.contains_key(key) && *change != Change::Deleted {
                rows.insert(key.clone(), json.clone());
                older.push(shown(key));
            }
        }
        for key in self.broken.iter().filter(|key| !rows.contains_key(*key)) {
            gone.push(shown(key));
        }
        (rows, older, gone)
    }
}

/// Reads a table from its beginning and then from its end: a broken page is an error, or makes the
/// database panic, and the rows behind it are reached from the other end.
fn read_both_ways<K: redb::Key + 'static, V: redb::Value + 'static>(
    table: &impl ReadableTable<K, V>,
    mut row: impl FnMut(K::SelfType<'_>, V::SelfType<'_>),
) {
    for backwards in [false, true] {
        let mut read = || {
            let mut rows = table.iter()?;
            let mut next = || if backwards { rows.next_back() } else { rows.next() };
            while let Some(Ok((key, value))) = next() {
                row(key.value(), value.value());
            }
            Ok::<_, redb::StorageError>(())
        };
        // The rows before the broken page are kept; the caller names the missing ones.
        let _end = catch_unwind(AssertUnwindSafe(&mut read));
    }
}

fn write(path: &Path, rows: &BTreeMap<String, Bytes>, version: u64) -> Result<(), redb::Error> {
    let database: Database = Builder::new().set_cache_size(CACHE).create(path)?;
    let write = database.begin_write()?;
    {
        let mut objects = write.open_table(OBJECTS)?;
        for (key, json) in rows {
            objects.insert(key.as_str(), seal(key, json).as_slice())?;
        }
        write.open_table(EVENTS)?;
        let mut facts = write.open_table(FACTS)?;
        facts.insert("format", FORMAT)?;
        facts.insert("version", version)?;
        // Watches from before the recovery must list again.
        facts.insert("lost", version)?;
    }
    write.commit()?;
    Ok(())
}

/// Renames the damaged file to a free name.
fn moved_away(path: &Path) -> Result<PathBuf, Error> {
    let name = |n: u32| {
        let suffix = if n == 0 { "damaged".to_owned() } else { format!("damaged-{n}") };
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{suffix}"));
        PathBuf::from(name)
    };
    let free = (0..u32::MAX).map(name).find(|name| !name.exists()).unwrap_or_else(|| name(0));
    fs::rename(path, &free).map_err(|error| unwritable(path, error))?;
    Ok(free)
}

fn unwritable(path: &Path, error: io::Error) -> Error {
    Error::Open { path: path.to_owned(), source: Box::new(redb::Error::Io(error)) }
}

#[cfg(test)]
mod tests;
