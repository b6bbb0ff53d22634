//! The durable form: one redb file with a table of objects and one of the last events.
//!
//! One thread commits what has gathered since its last commit, in order, each commit durable; so
//! many writers share one wait for the disk.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use bytes::Bytes;
use parking_lot::{Condvar, Mutex};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};

use super::object::{Key, Object, from_stored};
use super::ring::{Change, Event};

/// `resource\0namespace\0name` to the object's JSON.
const OBJECTS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("objects");
/// Version to `change`, the object's key and its JSON.
const EVENTS: TableDefinition<'_, u64, (u8, &str, &[u8])> = TableDefinition::new("events");
/// Facts about the file: `format`, `version`, `lost`.
const FACTS: TableDefinition<'_, &str, u64> = TableDefinition::new("facts");
/// Raised when an older binary could not read the file.
const FORMAT: u64 = 1;
/// Events kept for watches that resume after a restart.
const KEPT: u64 = 4096;

/// Why the state file cannot be used. Nothing is ever removed from it by itself.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the state file {} is damaged or is no state file", path.display())]
    Damaged {
        path: PathBuf,
        #[source]
        source: Box<redb::Error>,
    },
    #[error("the state file {} cannot be opened", path.display())]
    Open {
        path: PathBuf,
        #[source]
        source: Box<redb::Error>,
    },
    #[error("the state file {} has format {found}, and this version reads format {FORMAT}", path.display())]
    Format { path: PathBuf, found: u64 },
    #[error("the state file {} holds an object that cannot be read: {key}", path.display())]
    Object { path: PathBuf, key: String },
}

/// What a state file holds.
pub(super) struct Loaded {
    pub(super) objects: Vec<Object>,
    pub(super) events: Vec<Event>,
    pub(super) version: u64,
    /// Events up to here are not kept.
    pub(super) lost: u64,
}

/// One write, numbered.
#[derive(Debug)]
pub(super) struct Op {
    pub(super) version: u64,
    pub(super) change: Change,
    pub(super) object: Arc<Object>,
}

#[derive(Debug, Default)]
struct Gathered {
    ops: Vec<Op>,
    closed: bool,
}

#[derive(Debug, Default)]
struct Queue {
    gathered: Mutex<Gathered>,
    more: Condvar,
}

/// The way to the writer thread.
#[derive(Debug)]
pub(super) struct Log {
    queue: Arc<Queue>,
    database: Option<Database>,
    writer: Option<JoinHandle<()>>,
}

impl Log {
    pub(super) fn open(
        path: &Path,
        fields: &dyn Fn(&str) -> Vec<String>,
    ) -> Result<(Self, Loaded), Error> {
        let database = Database::create(path).map_err(|error| opening(path, error.into()))?;
        let damaged =
            |error: redb::Error| Error::Damaged { path: path.to_owned(), source: Box::new(error) };
        prepare(&database).map_err(damaged)?;
        let loaded = load(&database, path, fields)?;
        Ok((Self { queue: Arc::default(), database: Some(database), writer: None }, loaded))
    }

    /// Starts the writer; `reached` is told each version that has become durable.
    pub(super) fn start(&mut self, reached: impl Fn(u64) + Send + 'static) {
        let Some(database) = self.database.take() else { return };
        let queue = Arc::clone(&self.queue);
        let writer = std::thread::Builder::new().name("store-writer".to_owned()).spawn(move || {
            write_all(&database, &queue, &reached);
        });
        self.writer = Some(writer.expect("the system can start one more thread"));
    }

    pub(super) fn push(&self, op: Op) {
        let mut gathered = self.queue.gathered.lock();
        gathered.ops.push(op);
        // The writer sleeps only while nothing has gathered.
        if gathered.ops.len() == 1 {
            self.queue.more.notify_one();
        }
    }

    /// The writer, which ends when it has written what has gathered.
    pub(super) fn close(&mut self) -> Option<JoinHandle<()>> {
        self.queue.gathered.lock().closed = true;
        self.queue.more.notify_one();
        self.writer.take()
    }
}

fn opening(path: &Path, error: redb::Error) -> Error {
    let path = path.to_owned();
    let source = Box::new(error);
    match *source {
        redb::Error::Corrupted(_) | redb::Error::UpgradeRequired(_) => {
            Error::Damaged { path, source }
        }
        redb::Error::Io(ref io) if io.kind() == std::io::ErrorKind::InvalidData => {
            Error::Damaged { path, source }
        }
        _ => Error::Open { path, source },
    }
}

fn prepare(database: &Database) -> Result<(), redb::Error> {
    let write = database.begin_write()?;
    {
        write.open_table(OBJECTS)?;
        write.open_table(EVENTS)?;
        let mut facts = write.open_table(FACTS)?;
        if facts.get("format")?.is_none() {
            facts.insert("format", FORMAT)?;
        }
    }
    write.commit()?;
    Ok(())
}

fn load(
    database: &Database,
    path: &Path,
    fields: &dyn Fn(&str) -> Vec<String>,
) -> Result<Loaded, Error> {
    let damaged =
        |error: redb::Error| Error::Damaged { path: path.to_owned(), source: Box::new(error) };
    let bad = |key: &str| Error::Object { path: path.to_owned(), key: key.replace('\0', " ") };
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
    let object = |key: &str, json: &[u8]| {
        let parsed = parse_key(key)?;
        let fields = fields(&parsed.resource);
        from_stored(parsed, Bytes::copy_from_slice(json), &fields)
    };
    let table = read.open_table(OBJECTS).map_err(|e| damaged(e.into()))?;
    for row in table.iter().map_err(|e| damaged(e.into()))? {
        let (key, json) = row.map_err(|e| damaged(e.into()))?;
        loaded.objects.push(object(key.value(), json.value()).ok_or_else(|| bad(key.value()))?);
    }
    let table = read.open_table(EVENTS).map_err(|e| damaged(e.into()))?;
    for row in table.iter().map_err(|e| damaged(e.into()))? {
        let (_, event) = row.map_err(|e| damaged(e.into()))?;
        let (change, key, json) = event.value();
        let object = object(key, json).ok_or_else(|| bad(key))?;
        loaded.events.push(Event::new(change_of(change), Arc::new(object), None));
    }
    Ok(loaded)
}

fn write_all(database: &Database, queue: &Queue, reached: &dyn Fn(u64)) {
    loop {
        let (ops, closed) = {
            let mut gathered = queue.gathered.lock();
            while gathered.ops.is_empty() && !gathered.closed {
                queue.more.wait(&mut gathered);
            }
            (std::mem::take(&mut gathered.ops), gathered.closed)
        };
        if let Some(last) = ops.last() {
            let version = last.version;
            match commit(database, &ops) {
                Ok(()) => reached(version),
                // Nobody is told that these writes are safe; the operator is told why.
                Err(error) => tracing::error!(%error, version, "the state file cannot be written"),
            }
        }
        if closed {
            return;
        }
    }
}

fn commit(database: &Database, ops: &[Op]) -> Result<(), redb::Error> {
    let write = database.begin_write()?;
    {
        let mut objects = write.open_table(OBJECTS)?;
        let mut events = write.open_table(EVENTS)?;
        let mut facts = write.open_table(FACTS)?;
        let mut version = 0;
        for op in ops {
            let key = write_key(&op.object.key);
            match op.change {
                Change::Added | Change::Modified => {
                    objects.insert(key.as_str(), op.object.json.as_ref())?
                }
                Change::Deleted => objects.remove(key.as_str())?,
            };
            events.insert(
                op.version,
                (number_of(op.change), key.as_str(), op.object.json.as_ref()),
            )?;
            version = op.version;
        }
        facts.insert("version", version)?;
        let lost = version.saturating_sub(KEPT);
        let before = facts.get("lost")?.map_or(0, |f| f.value());
        if lost > before {
            events.retain_in(before..=lost, |_, _| false)?;
            facts.insert("lost", lost)?;
        }
    }
    write.commit()?;
    Ok(())
}

fn write_key(key: &Key) -> String {
    format!("{}\0{}\0{}", key.resource, key.namespace, key.name)
}

fn parse_key(text: &str) -> Option<Key> {
    let mut parts = text.splitn(3, '\0');
    Some(Key::new(parts.next()?, parts.next()?, parts.next()?))
}

fn number_of(change: Change) -> u8 {
    match change {
        Change::Added => 0,
        Change::Modified => 1,
        Change::Deleted => 2,
    }
}

fn change_of(number: u8) -> Change {
    match number {
        0 => Change::Added,
        2 => Change::Deleted,
        _ => Change::Modified,
    }
}
