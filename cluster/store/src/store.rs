//! All objects under one lock: writes, reads and watches.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use parking_lot::{Mutex, RwLock};
use tokio::sync::watch as signal;

use super::durable::{Error, File, Loaded, Op};
use super::object::{Key, Object, Prepared};
use super::ring::{Change, Event, Expired, Ring};
use super::writer::{Commit, Report, Writer};

mod shown;
#[cfg(test)]
mod tests;
mod watch;

pub use self::watch::Watch;

/// Why a write was not applied: the object is not in the state that the caller expected.
#[derive(Clone, Debug)]
pub enum Conflict {
    /// The object to create exists already.
    Exists,
    /// The object to change does not exist.
    Missing,
    /// The object to change is at another version: this one.
    Changed(Arc<Object>),
}

/// Writes cannot be made durable at present. The writer retries until the cause is gone.
#[derive(Clone, Debug, thiserror::Error)]
#[error(
    "the state file cannot be written: {0}; nothing stored is lost, and writes resume when it can be written again (is there room on the disk?)"
)]
pub struct Unwritable(Arc<str>);

impl Unwritable {
    /// `cause` is the text of the IO error.
    #[must_use]
    pub fn new(cause: &str) -> Self {
        Self(cause.into())
    }
}

/// Called for every batch that was made durable.
type OnCommit = Box<dyn Fn(Commit) + Send + Sync>;

/// All objects of all kinds. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    inner: RwLock<Inner>,
    /// The version up to which everything is durable.
    durable: signal::Sender<u64>,
    /// The version up to which everything is ordered.
    ordered: signal::Sender<u64>,
    /// Why writes cannot be made durable; `None` while they can.
    failing: signal::Sender<Option<Unwritable>>,
    log: Option<Mutex<Writer>>,
    observer: Arc<Observer>,
}

#[derive(Default)]
struct Observer(OnceLock<OnCommit>);

impl std::fmt::Debug for Observer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Observer").finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
struct Inner {
    version: u64,
    resources: HashMap<Arc<str>, Resource>,
    /// The version at which the ring of a new resource starts.
    start: u64,
}

#[derive(Debug)]
struct Resource {
    objects: BTreeMap<(String, String), Arc<Object>>,
    ring: Ring,
    changed: signal::Sender<u64>,
}

impl Resource {
    fn starting_after(version: u64) -> Self {
        Self {
            objects: BTreeMap::new(),
            ring: Ring::starting_after(version),
            changed: signal::Sender::new(version),
        }
    }
}

impl Inner {
    fn resource(&mut self, name: &Arc<str>) -> &mut Resource {
        let start = self.start;
        self.resources.entry(Arc::clone(name)).or_insert_with(|| Resource::starting_after(start))
    }
}

/// Objects of one resource and the version they were seen at.
#[derive(Debug)]
pub struct Listed {
    pub objects: Vec<Arc<Object>>,
    pub version: u64,
}

impl Store {
    /// A store in memory alone.
    #[must_use]
    pub fn memory() -> Self {
        Self::with(Inner { version: 1, ..Inner::default() }, None)
    }

    /// The store in `path`, made if it is not there. `fields` names the selectable fields of a resource.
    pub fn open(path: &Path, fields: &dyn Fn(&str) -> Vec<String>) -> Result<Self, Error> {
        let (file, loaded) = File::open(path, fields)?;
        Ok(Self::loaded(file, loaded))
    }

    fn loaded(file: File, loaded: Loaded) -> Self {
        let mut inner =
            Inner { version: loaded.version.max(1), start: loaded.lost, ..Inner::default() };
        for object in loaded.objects {
            let name = Arc::clone(&object.key.resource);
            let place = (object.key.namespace.clone(), object.key.name.clone());
            inner.resource(&name).objects.insert(place, object);
        }
        for event in loaded.events {
            let name = Arc::clone(&event.object.key.resource);
            let resource = inner.resource(&name);
            resource.changed.send_replace(event.version);
            resource.ring.push(Arc::new(event));
        }
        Self::with(inner, Some(file))
    }

    fn with(inner: Inner, file: Option<File>) -> Self {
        let durable = signal::Sender::new(inner.version);
        let failing = signal::Sender::new(None);
        let observer = Arc::<Observer>::default();
        let log = file.map(|file| {
            let (durable, failing) = (durable.clone(), failing.clone());
            let observer = Arc::clone(&observer);
            let report = Report {
                reached: Box::new(move |version| {
                    durable.send_replace(version);
                }),
                failing: Box::new(move |why| {
                    failing.send_replace(why.map(|why| Unwritable(why.into())));
                }),
                committed: Box::new(move |commit| {
                    if let Some(observe) = observer.0.get() {
                        observe(commit);
                    }
                }),
            };
            Mutex::new(Writer::start(file, report))
        });
        let ordered = signal::Sender::new(inner.version);
        let inner = RwLock::new(inner);
        Self { shared: Arc::new(Shared { inner, durable, ordered, failing, log, observer }) }
    }

    /// The newest version.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.shared.inner.read().version
    }

    #[must_use]
    pub fn get(&self, key: &Key) -> Option<Arc<Object>> {
        let inner = self.shared.inner.read();
        let place = (key.namespace.clone(), key.name.clone());
        inner.resources.get(&key.resource).and_then(|r| r.objects.get(&place).cloned())
    }

    /// The objects of a resource, in all namespaces or in one, ordered by namespace and name.
    #[must_use]
    pub fn list(&self, resource: &str, namespace: Option<&str>) -> Listed {
        Self::list_of(&self.shared.inner.read(), resource, namespace)
    }

    fn list_of(inner: &Inner, resource: &str, namespace: Option<&str>) -> Listed {
        let objects = match (inner.resources.get(resource), namespace) {
            (None, _) => Vec::new(),
            (Some(resource), None) => resource.objects.values().cloned().collect(),
            (Some(resource), Some(namespace)) => {
                let from = Bound::Included((namespace.to_owned(), String::new()));
                resource
                    .objects
                    .range((from, Bound::Unbounded))
                    .take_while(|((ns, _), _)| ns == namespace)
                    .map(|(_, object)| Arc::clone(object))
                    .collect()
            }
        };
        Listed { objects, version: inner.version }
    }

    /// How many objects of a resource there are, without making a list.
    #[must_use]
    pub fn count(&self, resource: &str) -> usize {
        self.shared.inner.read().resources.get(resource).map_or(0, |r| r.objects.len())
    }

    /// Reads the selectable fields of a resource's objects again, after its CRD changed.
    pub fn select_by(&self, resource: &str, fields: &[String]) {
        let mut inner = self.shared.inner.write();
        let Some(resource) = inner.resources.get_mut(resource) else { return };
        for object in resource.objects.values_mut() {
            if object.fields.len() != fields.len()
                || !fields.iter().all(|f| object.fields.contains_key(f))
            {
                *object = Arc::new(object.selected_by(fields));
            }
        }
    }

    /// The resources that have objects now.
    #[must_use]
    pub fn resources(&self) -> Vec<Arc<str>> {
        let inner = self.shared.inner.read();
        inner
            .resources
            .iter()
            .filter(|(_, r)| !r.objects.is_empty())
            .map(|(n, _)| Arc::clone(n))
            .collect()
    }

    /// Stores a new object.
    pub fn create(&self, object: Prepared) -> Result<Arc<Object>, Conflict> {
        self.write(object, |current| {
            if current.is_some() { Err(Conflict::Exists) } else { Ok(Change::Added) }
        })
    }

    /// Stores a new version of the object that still is at `version`.
    pub fn replace(&self, object: Prepared, version: u64) -> Result<Arc<Object>, Conflict> {
        self.write(object, |current| expect(current, version).map(|()| Change::Modified))
    }

    /// Removes the object that still is at `version`; `last` is the state that watchers see.
    pub fn remove(&self, last: Prepared, version: u64) -> Result<Arc<Object>, Conflict> {
        self.write(last, |current| expect(current, version).map(|()| Change::Deleted))
    }

    fn write(
        &self,
        object: Prepared,
        check: impl FnOnce(Option<&Arc<Object>>) -> Result<Change, Conflict>,
    ) -> Result<Arc<Object>, Conflict> {
        let place = (object.key().namespace.clone(), object.key().name.clone());
        let name = Arc::clone(&object.key().resource);
        let mut inner = self.shared.inner.write();
        let current = inner.resource(&name).objects.get(&place).cloned();
        let change = check(current.as_ref())?;
        inner.version += 1;
        let version = inner.version;
        let object = Arc::new(object.number(version));
        let event = Arc::new(Event::new(change, Arc::clone(&object), current));
        let resource = inner.resource(&name);
        match change {
            Change::Added | Change::Modified => resource.objects.insert(place, Arc::clone(&object)),
            Change::Deleted => resource.objects.remove(&place),
        };
        resource.ring.push(Arc::clone(&event));
        resource.changed.send_replace(version);
        self.shared.ordered.send_replace(version);
        match &self.shared.log {
            // Under the lock, so that the log has the order of the versions.
            Some(log) => log.lock().push(Op { version, change, object: Arc::clone(&object) }),
            None => {
                self.shared.durable.send_replace(version);
            }
        }
        drop(inner);
        Ok(object)
    }

    /// Waits until everything up to `version` would survive the end of the process.
    pub async fn durable(&self, version: u64) -> Result<(), Unwritable> {
        if *self.shared.durable.borrow() >= version {
            return Ok(());
        }
        let mut durable = self.shared.durable.subscribe();
        let mut failing = self.shared.failing.subscribe();
        loop {
            if *durable.borrow_and_update() >= version {
                return Ok(());
            }
            if let Some(why) = failing.borrow_and_update().clone() {
                return Err(why);
            }
            // The senders live as long as the store.
            tokio::select! {
                _ = durable.changed() => {}
                _ = failing.changed() => {}
            }
        }
    }

    /// Whether writes become durable at present. If not, requests of API clients are refused before
    /// their write is ordered.
    pub fn writable(&self) -> Result<(), Unwritable> {
        self.shared.failing.borrow().clone().map_or(Ok(()), Err)
    }

    /// Simulates a disk that cannot be written, until `None`: for tests.
    #[doc(hidden)]
    pub fn pretend_failing(&self, why: Option<&str>) {
        self.shared.failing.send_replace(why.map(|why| Unwritable(why.into())));
    }

    /// Subscribes to the reason that writes cannot be made durable; `None` while they can.
    #[must_use]
    pub fn failing(&self) -> signal::Receiver<Option<Unwritable>> {
        self.shared.failing.subscribe()
    }

    /// Calls `observe` for every batch that is made durable from now on. The first observer stays.
    pub fn observe_commits(&self, observe: impl Fn(Commit) + Send + Sync + 'static) {
        // A second observer is a programming error and is ignored.
        let _second = self.shared.observer.0.set(Box::new(observe));
    }

    /// The version up to which everything is durable.
    #[must_use]
    pub fn durable_version(&self) -> u64 {
        *self.shared.durable.borrow()
    }

    /// Subscribes to the version up to which everything is ordered.
    #[must_use]
    pub fn ordered(&self) -> signal::Receiver<u64> {
        self.shared.ordered.subscribe()
    }

    /// All changes of all resources after `version`, in order, and the version they lead to.
    pub fn changes_after(&self, version: u64) -> Result<(Vec<Arc<Event>>, u64), Expired> {
        let inner = self.shared.inner.read();
        let mut events = Vec::new();
        for resource in inner.resources.values() {
            events.extend(resource.ring.after(version, usize::MAX)?);
        }
        events.sort_by_key(|event| event.version);
        Ok((events, inner.version))
    }

    /// Forgets the events up to `version` of those that are durable. A watch that would go on from
    /// before one of them has to list again. Objects stay as they are.
    pub fn forget_events(&self, version: u64) {
        let version = version.min(self.durable_version());
        let mut inner = self.shared.inner.write();
        for resource in inner.resources.values_mut() {
            resource.ring.forget(version);
        }
    }

    /// The version up to which a watch of `resource` that has seen everything up to `seen` has
    /// missed nothing.
    fn quiet_until(&self, resource: &str, seen: u64, limit: u64) -> u64 {
        let inner = self.shared.inner.read();
        let until = inner.version.min(limit);
        let news = inner.resources.get(resource).map(|r| r.ring.after(seen, 1));
        match news {
            Some(Ok(events)) if events.first().is_some_and(|e| e.version <= until) => seen,
            Some(Err(_)) => seen,
            Some(Ok(_)) | None => seen.max(until),
        }
    }

    fn events_after(
        &self,
        resource: &Arc<str>,
        version: u64,
        limit: usize,
    ) -> Result<Vec<Arc<Event>>, Expired> {
        let inner = self.shared.inner.read();
        inner
            .resources
            .get(resource)
            .map_or_else(|| Ok(Vec::new()), |r| r.ring.after(version, limit))
    }

    /// Commits what is left and ends the writer. Later writes stay in memory.
    pub fn close(&self) {
        if let Some(log) = &self.shared.log {
            let writer = log.lock().close();
            if let Some(writer) = writer {
                // A writer that panicked has reported it; there is nothing left to commit.
                let _ended = writer.join();
            }
        }
    }
}

fn expect(current: Option<&Arc<Object>>, version: u64) -> Result<(), Conflict> {
    match current {
        None => Err(Conflict::Missing),
        Some(object) if object.resource_version != version => {
            Err(Conflict::Changed(Arc::clone(object)))
        }
        Some(_) => Ok(()),
    }
}
