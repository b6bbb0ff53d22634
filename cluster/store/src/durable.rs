//! The durable form: one redb file with a table of objects and one of the last events.
//!
//! [`File`] reads it all at start and then only writes, one batch of changes at a time; the thread
//! that does so is in `writer.rs`.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use bytes::Bytes;
use parking_lot::Mutex;
use redb::{Builder, Database, DatabaseError, ReadableDatabase, ReadableTable};

use super::object::{Key, Object, from_stored};
use super::ring::{Change, Event};
use super::rows::{
    EVENTS, FACTS, FORMAT, OBJECTS, WITHOUT_CHECKSUMS, change_of, key_parts, key_text, number_of,
    seal, shown, unseal,
};

mod kept;
#[cfg(test)]
mod tests;

use self::kept::Kept;

/// The file is read once, at start: a larger cache would only hold memory.
pub(super) const CACHE: usize = 1 << 20;

/// Why the state file cannot be used. Its content is never removed automatically.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the state file {} is damaged or is not a state file; it was left as it is: restore a copy of it, or move it away to begin without state", path.display())]
    Damaged {
        path: PathBuf,
        #[source]
        source: Box<redb::Error>,
    },
    #[error("the state file {} is empty, which a state file never is: it was damaged; restore a copy of it, or move it away to begin without state", path.display())]
    Empty { path: PathBuf },
    #[error("the state file {} cannot be opened: the directory must be writable, have room, and be used by one process at a time", path.display())]
    Open {
        path: PathBuf,
        #[source]
        source: Box<redb::Error>,
    },
    #[error("the state file {} has format {found}, and this version reads format {FORMAT}: use the version that wrote it", path.display())]
    Format { path: PathBuf, found: u64 },
    #[error("the state file {} is damaged: the object {key} cannot be read; the file was left as it is: restore a copy of it, or move it away to begin without state", path.display())]
    Object { path: PathBuf, key: String },
}

impl Error {
    /// Whether the file is damaged, and not merely unopenable or of another format.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Damaged { .. } | Self::Empty { .. } | Self::Object { .. } => true,
            Self::Open { .. } | Self::Format { .. } => false,
        }
    }
}

/// The content of a state file.
pub(super) struct Loaded {
    pub(super) objects: Vec<Arc<Object>>,
    pub(super) events: Vec<Event>,
    pub(super) version: u64,
    /// The newest version whose event is no longer kept.
    pub(super) lost: u64,
}

/// One write, numbered.
#[derive(Debug)]
pub(super) struct Op {
    pub(super) version: u64,
    pub(super) change: Change,
    pub(super) object: Arc<Object>,
}

/// How the file is opened, at start and again after a failed write.
pub(super) type Opener = Box<dyn Fn() -> Result<Database, DatabaseError> + Send>;

/// The state file, for its one writer.
pub(super) struct File {
    opener: Opener,
    /// Absent after a failed write, until it is opened again: redb wants that after an IO error.
    database: Option<Database>,
    kept: Kept,
}

impl File {
    pub(super) fn open(
        path: &Path,
        fields: &dyn Fn(&str) -> Vec<String>,
    ) -> Result<(Self, Loaded), Error> {
        match path.metadata() {
            // A new file is renamed into place with its content: a crash leaves no empty one.
            Ok(found) if found.is_file() && found.len() == 0 => {
                return Err(Error::Empty { path: path.to_owned() });
            }
            Ok(_) => {}
            Err(_) => begin(path).map_err(|error| opening(path, error))?,
        }
        let (opener, repair) = checking(path);
        let (file, loaded) = Self::open_by(opener, path, fields)?;
        let version = loaded.version;
        match *repair.lock() {
            Repair::RolledBack => tracing::warn!(
                version,
                "the last commit before the platform ended was incomplete and is rolled back; no client was told that it was stored"
            ),
            Repair::Checked => tracing::info!(
                version,
                "the state file was not closed; it was checked and is intact"
            ),
            Repair::None => {}
        }
        Ok((file, loaded))
    }

    pub(super) fn open_by(
        opener: Opener,
        path: &Path,
        fields: &dyn Fn(&str) -> Vec<String>,
    ) -> Result<(Self, Loaded), Error> {
        let damaged =
            |error: redb::Error| Error::Damaged { path: path.to_owned(), source: Box::new(error) };
        // A damaged file can make redb panic, which is reported as damage too.
        let opened = catch_unwind(AssertUnwindSafe(|| {
            let database = opener().map_err(|error| opening(path, error.into()))?;
            prepare(&database).map_err(damaged)?;
            let loaded = load(&database, path, fields)?;
            Ok((database, loaded))
        }));
        let (database, loaded) = opened.unwrap_or_else(|_| {
            Err(damaged(redb::Error::Corrupted("its pages contradict each other".to_owned())))
        })?;
        let mut kept = Kept::default();
        for event in &loaded.events {
            kept.push(event.version, event.object.json.len());
        }
        Ok((Self { opener, database: Some(database), kept }, loaded))
    }

    /// Writes a batch durably: after `Ok`, it survives a crash. After an error the same batch may
    /// be written again.
    pub(super) fn write(&mut self, ops: &[Op]) -> Result<(), redb::Error> {
        let database = match self.database.take() {
            Some(database) => database,
            None => (self.opener)()?,
        };
        let spare = self.kept.spare();
        commit(&database, ops, spare)?;
        self.database = Some(database);
        if let Some(spare) = spare {
            self.kept.forget(spare);
        }
        for op in ops {
            self.kept.push(op.version, op.object.json.len());
        }
        Ok(())
    }
}

/// What opening did about the last commit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Repair {
    #[default]
    None,
    Checked,
    RolledBack,
}

/// The opener of a file, and what it did about the last commit.
fn checking(path: &Path) -> (Opener, Arc<Mutex<Repair>>) {
    let (path, repair) = (path.to_owned(), Arc::<Mutex<Repair>>::default());
    let found = Arc::clone(&repair);
    let opener = move || {
        let found = Arc::clone(&found);
        Builder::new()
            .set_cache_size(CACHE)
            .set_repair_callback(move |session| {
                // Called at the start (0.0), and after the first of three scans if that found the last
                // commit incomplete (0.3).
                let torn = (0.1..0.5).contains(&session.progress());
                let now = if torn { Repair::RolledBack } else { Repair::Checked };
                let mut found = found.lock();
                *found = now.max(*found);
            })
            .create(&path)
    };
    (Box::new(opener), repair)
}

/// Creates a state file under a temporary name and renames it once it is complete.
fn begin(path: &Path) -> Result<(), redb::Error> {
    let new = path.with_extension("new");
    remove(&new)?;
    let database = Builder::new().set_cache_size(CACHE).create(&new)?;
    prepare(&database)?;
    drop(database);
    replace_by(&new, path)?;
    Ok(())
}

/// Removes a file, if it is there.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    fs::remove_file(path).or_else(|error| match error.kind() {
        io::ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    })
}

/// Renames a complete file to `path` and syncs the directory.
pub(super) fn replace_by(new: &Path, path: &Path) -> io::Result<()> {
    fs::rename(new, path)?;
    // A bare name has no parent.
    match std::path::absolute(path)?.parent() {
        Some(folder) => fs::File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

fn opening(path: &Path, error: redb::Error) -> Error {
    let path = path.to_owned();
    let source = Box::new(error);
    match *source {
        redb::Error::Corrupted(_) | redb::Error::UpgradeRequired(_) => {
            Error::Damaged { path, source }
        }
        redb::Error::Io(ref io) if io.kind() == io::ErrorKind::InvalidData => {
            Error::Damaged { path, source }
        }
        _ => Error::Open { path, source },
    }
}

fn prepare(database: &Database) -> Result<(), redb::Error> {
    // A file that needs no upgrade is not written to.
    if let Ok(facts) = database.begin_read()?.open_table(FACTS)
        && facts.get("format")?.is_some_and(|format| format.value() != WITHOUT_CHECKSUMS)
    {
        return Ok(());
    }
    let write = database.begin_write()?;
    {
        write.open_table(OBJECTS)?;
        write.open_table(EVENTS)?;
        let mut facts = write.open_table(FACTS)?;
        let format = facts.get("format")?.map(|format| format.value());
        match format {
            None => {
                facts.insert("format", FORMAT)?;
            }
            Some(WITHOUT_CHECKSUMS) => {
                seal_all(&write)?;
                facts.insert("format", FORMAT)?;
            }
            Some(_) => {}
        }
    }
    write.commit()?;
    Ok(())
}

/// Adds checksums to the rows of a file of the format without them.
fn seal_all(write: &redb::WriteTransaction) -> Result<(), redb::Error> {
    let mut objects = write.open_table(OBJECTS)?;
    let rows: Vec<(String, Vec<u8>)> = objects
        .iter()?
        .map(|row| row.map(|(key, json)| (key.value().to_owned(), seal(key.value(), json.value()))))
        .collect::<Result<_, _>>()?;
    for (key, row) in rows {
        objects.insert(key.as_str(), row.as_slice())?;
    }
    let mut events = write.open_table(EVENTS)?;
    let rows: Vec<(u64, u8, String, Vec<u8>)> = events
        .iter()?
        .map(|row| {
            row.map(|(version, event)| {
                let (change, key, json) = event.value();
                (version.value(), change, key.to_owned(), seal(key, json))
            })
        })
        .collect::<Result<_, _>>()?;
    for (version, change, key, row) in rows {
        events.insert(version, (change, key.as_str(), row.as_slice()))?;
    }
    Ok(())
}

fn load(
    database: &Database,
    path: &Path,
    fields: &dyn Fn(&str) -> Vec<String>,
) -> Result<Loaded, Error> {
    let damaged =
        |error: redb::Error| Error::Damaged { path: path.to_owned(), source: Box::new(error) };
    let bad = |key: &str| Error::Object { path: path.to_owned(), key: shown(key) };
    let read = database.begin_read().map_err(|e| damaged(e.into()))?;
    let facts = read.open_table(FACTS).map_err(|e| damaged(e.into()))?;
    let fact = |name: &str| {
        facts.get(name).map(|f| f.map_or(0, |f| f.value())).map_err(|e| damaged(e.into()))
    };
    let format = fact("format")?;
    if format != FORMAT {
        return Err(Error::Format { path: path.to_owned(), found: format });
    }
    let mut loaded = Loaded {
        objects: Vec::new(),
        events: Vec::new(),
        version: fact("version")?,
        lost: fact("lost")?,
    };
    let mut reading = Reading { fields, resources: HashMap::new() };
    let table = read.open_table(OBJECTS).map_err(|e| damaged(e.into()))?;
    let mut current = HashMap::new();
    for row in table.iter().map_err(|e| damaged(e.into()))? {
        let (key, row) = row.map_err(|e| damaged(e.into()))?;
        let object = reading.object(key.value(), row.value()).ok_or_else(|| bad(key.value()))?;
        let object = Arc::new(object);
        current.insert(object.resource_version, Arc::clone(&object));
        loaded.objects.push(object);
    }
    let table = read.open_table(EVENTS).map_err(|e| damaged(e.into()))?;
    for row in table.iter().map_err(|e| damaged(e.into()))? {
        let (version, event) = row.map_err(|e| damaged(e.into()))?;
        let (change, key, row) = event.value();
        unseal(key, row).ok_or_else(|| bad(key))?;
        // An event with an object's version holds that object: versions are given out once.
        let object = match current.remove(&version.value()) {
            Some(object) => object,
            None => Arc::new(reading.object(key, row).ok_or_else(|| bad(key))?),
        };
        loaded.events.push(Event::new(change_of(change), object, None));
    }
    Ok(loaded)
}

/// Names and fields of resources, looked up once for all their rows.
struct Reading<'a> {
    fields: &'a dyn Fn(&str) -> Vec<String>,
    resources: HashMap<String, (Arc<str>, Vec<String>)>,
}

impl Reading<'_> {
    /// `None` if the checksum does not match, or the row holds no object.
    fn object(&mut self, key: &str, row: &[u8]) -> Option<Object> {
        let json = unseal(key, row)?;
        let (resource, namespace, name) = key_parts(key)?;
        if !self.resources.contains_key(resource) {
            let known = (Arc::from(resource), (self.fields)(resource));
            self.resources.insert(resource.to_owned(), known);
        }
        let (resource, fields) = self.resources.get(resource)?;
        let (namespace, name) = (namespace.to_owned(), name.to_owned());
        let key = Key { resource: Arc::clone(resource), namespace, name };
        from_stored(key, Bytes::copy_from_slice(json), fields)
    }
}

fn commit(database: &Database, ops: &[Op], spare: Option<u64>) -> Result<(), redb::Error> {
    let write = database.begin_write()?;
    {
        let mut objects = write.open_table(OBJECTS)?;
        let mut events = write.open_table(EVENTS)?;
        let mut facts = write.open_table(FACTS)?;
        for op in ops {
            let key = key_text(&op.object.key);
            let row = seal(&key, &op.object.json);
            match op.change {
                Change::Added | Change::Modified => objects.insert(key.as_str(), row.as_slice())?,
                Change::Deleted => objects.remove(key.as_str())?,
            };
            events.insert(op.version, (number_of(op.change), key.as_str(), row.as_slice()))?;
        }
        if let Some(last) = ops.last() {
            facts.insert("version", last.version)?;
        }
        if let Some(spare) = spare {
            events.retain_in(..=spare, |_, _| false)?;
            facts.insert("lost", spare)?;
        }
    }
    write.commit()?;
    Ok(())
}
