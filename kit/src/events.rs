//! Kubernetes Events that a component publishes about an object.
//!
//! Written in the background, so that no caller waits for them; a repeated notice stays one Event
//! whose count grows. When the queue is full, Events are dropped: nothing depends on them.

use std::collections::BTreeMap;
use std::fmt;

use k8s_openapi::api::core::v1::{Event, EventSource, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::{Api, ObjectMeta, Patch, PatchParams, PostParams};
use kube::{Client, Resource, ResourceExt};
use serde_json::json;
use tokio::sync::mpsc;

use crate::{Clock, Shutdown};

/// Events waiting to be written: some hundred objects changing at once, a few Events each.
const QUEUE: usize = 1024;
/// Events remembered for counting; the oldest is forgotten first.
const REMEMBERED: usize = 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Normal,
    Warning,
}

impl Level {
    fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Warning => "Warning",
        }
    }
}

/// The content of an Event about an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    pub level: Level,
    /// A word in CamelCase.
    pub reason: String,
    pub message: String,
}

impl Notice {
    #[must_use]
    pub fn normal(reason: &str, message: String) -> Self {
        Self { level: Level::Normal, reason: reason.to_owned(), message }
    }

    #[must_use]
    pub fn warning(reason: &str, message: String) -> Self {
        Self { level: Level::Warning, reason: reason.to_owned(), message }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "notice {} {}: {}", self.level.as_str(), self.reason, self.message)
    }
}

/// The object that an Event is about.
#[must_use]
pub fn reference<K: Resource<DynamicType = ()>>(object: &K) -> ObjectReference {
    ObjectReference {
        api_version: Some(K::api_version(&()).into_owned()),
        kind: Some(K::kind(&()).into_owned()),
        name: object.meta().name.clone(),
        namespace: object.meta().namespace.clone(),
        uid: object.meta().uid.clone(),
        ..ObjectReference::default()
    }
}

/// The handle that publishes Events.
#[derive(Clone, Debug)]
pub struct Events {
    queue: mpsc::Sender<(ObjectReference, Notice)>,
}

impl Events {
    /// The handle, and the task that writes its Events until `shutdown`.
    pub fn new(
        client: Client,
        component: &'static str,
        clock: Clock,
        shutdown: Shutdown,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (queue, waiting) = mpsc::channel(QUEUE);
        (Self { queue }, run(client, component, clock, shutdown, waiting))
    }

    pub fn publish(&self, about: ObjectReference, notice: Notice) {
        if self.queue.try_send((about, notice)).is_err() {
            tracing::debug!("an Event was dropped: the queue is full");
        }
    }
}

/// Identity of an Event for counting.
type Key = (String, String, String);

async fn run(
    client: Client,
    component: &'static str,
    clock: Clock,
    shutdown: Shutdown,
    mut waiting: mpsc::Receiver<(ObjectReference, Notice)>,
) {
    let mut told: BTreeMap<Key, (String, i32, u64)> = BTreeMap::new();
    let mut turn = 0_u64;
    loop {
        let (about, notice) = tokio::select! {
            biased; // shutdown comes before Events that still wait
            () = shutdown.cancelled() => return,
            next = waiting.recv() => match next {
                Some(next) => next,
                None => return,
            },
        };
        turn += 1;
        let key = (
            about.uid.clone().unwrap_or_else(|| about.name.clone().unwrap_or_default()),
            notice.reason.clone(),
            notice.message.clone(),
        );
        let namespace = about.namespace.clone().unwrap_or_else(|| "default".to_owned());
        let api: Api<Event> = Api::namespaced(client.clone(), &namespace);
        let now = Time(clock.now());
        if let Some((name, count, last)) = told.get_mut(&key) {
            (*count, *last) = (*count + 1, turn);
            let patch = json!({"count": count, "lastTimestamp": now});
            match api.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await {
                Ok(_) => continue,
                // It expired or was deleted: create a new one.
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                Err(error) => {
                    tracing::debug!(%error, "the count of an Event was not updated");
                    continue;
                }
            }
        }
        let event = event(component, &about, &namespace, notice, now);
        let name = event.name_any();
        match api.create(&PostParams::default(), &event).await {
            Ok(_) => {
                told.insert(key, (name, 1, turn));
                forget_oldest(&mut told);
            }
            Err(error) => tracing::debug!(%error, "an Event was not written"),
        }
    }
}

fn forget_oldest(told: &mut BTreeMap<Key, (String, i32, u64)>) {
    if told.len() <= REMEMBERED {
        return;
    }
    let oldest = told.iter().min_by_key(|(_, (_, _, turn))| *turn).map(|(key, _)| key.clone());
    if let Some(key) = oldest {
        told.remove(&key);
    }
}

fn event(
    component: &'static str,
    about: &ObjectReference,
    namespace: &str,
    notice: Notice,
    now: Time,
) -> Event {
    let name = about.name.as_deref().unwrap_or_default();
    Event {
        metadata: ObjectMeta {
            // As Kubernetes names them: unique by the time in nanoseconds.
            name: Some(format!("{name}.{:x}", now.0.as_nanosecond())),
            namespace: Some(namespace.to_owned()),
            ..ObjectMeta::default()
        },
        involved_object: about.clone(),
        reason: Some(notice.reason),
        message: Some(notice.message),
        type_: Some(notice.level.as_str().to_owned()),
        source: Some(EventSource { component: Some(component.to_owned()), host: None }),
        reporting_component: Some(component.to_owned()),
        reporting_instance: Some(component.to_owned()),
        first_timestamp: Some(now.clone()),
        last_timestamp: Some(now),
        count: Some(1),
        ..Event::default()
    }
}
