//! One revision as the data threads share it: its settings, its home, and waiting at it.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use http::HeaderValue;
use parking_lot::Mutex;
use rouse_api::load::RevisionLoad;
use smallvec::SmallVec;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::error::Error;
use crate::home::{Admission, Attempt, Home, Place, QUEUE_LIMIT};
use crate::load::{self, Bell, Occasion};
use crate::pods::Pod;
use crate::queue::Ticket;
use crate::timeout::{Limits, Timer};

/// Names a revision.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct RevisionKey {
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl RevisionKey {
    pub(crate) fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }
}

impl fmt::Display for RevisionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// What the Revision object asks of the activator.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Settings {
    /// `containerConcurrency`; 0 is no limit.
    pub(crate) concurrency: u32,
    pub(crate) queue_limit: usize,
    pub(crate) limits: Limits,
    pub(crate) protocol: Protocol,
    /// Why the revision is not ready, if it says so.
    pub(crate) trouble: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        let total = Duration::from_secs(300);
        Self {
            concurrency: 0,
            queue_limit: QUEUE_LIMIT,
            limits: Limits { total, response_start: None, idle: None },
            protocol: Protocol::Http1,
            trouble: None,
        }
    }
}

/// What the container speaks, as its port's name says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    H2c,
}

/// Who waits: the way to hand a slot over.
type Waiter = oneshot::Sender<Slot>;

/// A revision; there is one for as long as anything mentions it.
#[derive(Debug)]
pub(crate) struct Revision {
    pub(crate) key: RevisionKey,
    /// Its name as a header value.
    pub(crate) header: HeaderValue,
    /// Absent while no Revision object is known.
    pub(crate) settings: ArcSwapOption<Settings>,
    /// What its pods say of why they do not run.
    pub(crate) trouble: ArcSwapOption<String>,
    home: Mutex<Home<Waiter>>,
    bell: Arc<Bell>,
}

/// A request's right to be in a pod, given back on drop.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) revision: Arc<Revision>,
    pub(crate) pod: Arc<Pod>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.revision.release(&self.pod);
    }
}

/// What a request was given when it asked.
enum Admitted<'a> {
    Slot(Slot),
    InLine(InLine<'a>, oneshot::Receiver<Slot>),
}

/// A place in the line, given up on drop.
struct InLine<'a> {
    revision: &'a Revision,
    ticket: Ticket,
}

impl Drop for InLine<'_> {
    fn drop(&mut self) {
        self.revision.home.lock().abandon(self.ticket, Instant::now());
    }
}

impl Revision {
    pub(crate) fn new(key: RevisionKey, bell: Arc<Bell>) -> Self {
        let header = HeaderValue::from_str(&key.name)
            .unwrap_or_else(|_| HeaderValue::from_static("unprintable"));
        Self {
            key,
            header,
            settings: ArcSwapOption::empty(),
            trouble: ArcSwapOption::empty(),
            home: Mutex::new(Home::new(Instant::now())),
            bell,
        }
    }

    /// A slot in a pod, at once or when there is one. The flag says whether it had to wait.
    pub(crate) async fn reserve(
        self: &Arc<Self>,
        timer: &mut Timer,
        attempt: Attempt,
    ) -> Result<(Slot, bool), Error> {
        match self.admit(attempt)? {
            Admitted::Slot(slot) => Ok((slot, false)),
            // Boxed: nearly all requests go straight on and need not carry the room for waiting.
            Admitted::InLine(line, granted) => {
                Box::pin(self.wait(timer, line, granted)).await.map(|slot| (slot, true))
            }
        }
    }

    fn admit(self: &Arc<Self>, attempt: Attempt) -> Result<Admitted<'_>, Error> {
        let mut granted = None;
        let waiter = || {
            let (waiter, receiver) = oneshot::channel();
            granted = Some(receiver);
            waiter
        };
        let admission = self.home.lock().admit(waiter, attempt, Instant::now());
        match admission {
            Admission::Go(pod) => Ok(Admitted::Slot(Slot { revision: Arc::clone(self), pod })),
            Admission::Full { limit } => {
                Err(Error::QueueFull { revision: self.key.clone(), limit })
            }
            Admission::Wait { ticket, urgent } => {
                if urgent {
                    self.bell.ring();
                }
                let granted = granted.expect("who waits was given the means to");
                Ok(Admitted::InLine(InLine { revision: self, ticket }, granted))
            }
        }
    }

    async fn wait(
        &self,
        timer: &mut Timer,
        _line: InLine<'_>,
        mut granted: oneshot::Receiver<Slot>,
    ) -> Result<Slot, Error> {
        match timer.run(Pin::new(&mut granted)).await {
            Ok(Ok(slot)) => Ok(slot),
            Ok(Err(_)) => Err(Error::RevisionMissing { revision: self.key.clone() }),
            Err(_) => Err(self.not_in_time(timer.arrived().elapsed())),
        }
    }

    fn not_in_time(&self, waited: Duration) -> Error {
        let revision = self.key.clone();
        if self.home.lock().usable() > 0 {
            return Error::NoSlotInTime { revision, waited };
        }
        let cause = self.trouble.load_full().map(|text| String::clone(&text)).or_else(|| {
            self.settings.load().as_ref().and_then(|settings| settings.trouble.clone())
        });
        Error::NotReadyInTime { revision, waited, cause }
    }

    fn release(self: &Arc<Self>, pod: &Pod) {
        let now = Instant::now();
        let mut home = self.home.lock();
        let emptied = home.release(pod, now);
        if home.waiting() > 0 {
            let grants = self.grants(&mut home, now);
            drop(home);
            hand_over(grants);
        } else {
            drop(home);
        }
        if emptied {
            self.bell.ring();
        }
    }

    /// Everybody who can go now, with slots that are theirs already.
    fn grants(self: &Arc<Self>, home: &mut Home<Waiter>, now: Instant) -> Grants {
        let mut grants = Grants::new();
        while let Some((waiter, pod)) = home.next_grant(now) {
            grants.push((waiter, Slot { revision: Arc::clone(self), pod }));
        }
        grants
    }

    /// Puts a pod where it belongs and lets in whoever can go now.
    pub(crate) fn place(self: &Arc<Self>, pod: &Arc<Pod>, place: Place) {
        let now = Instant::now();
        let mut home = self.home.lock();
        home.place(pod, place);
        let grants = self.grants(&mut home, now);
        // A new mark is answered at once, and so are waiters who lost their last pod.
        let urgent = place == Place::Draining || (home.usable() == 0 && home.waiting() > 0);
        drop(home);
        hand_over(grants);
        if urgent {
            self.bell.ring();
        }
    }

    /// Takes an unreachable pod out; whether this call did.
    pub(crate) fn suspect(&self, pod: &Pod) -> bool {
        self.home.lock().suspect(pod)
    }

    pub(crate) fn configure(self: &Arc<Self>, settings: Settings) {
        let now = Instant::now();
        let mut home = self.home.lock();
        home.configure(settings.concurrency, settings.queue_limit);
        self.settings.store(Some(Arc::new(settings)));
        let grants = self.grants(&mut home, now);
        drop(home);
        hand_over(grants);
    }

    /// The Revision object is gone: whoever waits is told so.
    pub(crate) fn forget(&self) {
        self.settings.store(None);
        let dismissed = self.home.lock().dismiss(Instant::now());
        drop(dismissed);
    }

    /// Its part of a report, if it belongs in one.
    pub(crate) fn load(&self, occasion: Occasion, now: Instant) -> Option<RevisionLoad> {
        load::measure(&self.key, &mut self.home.lock(), occasion, now)
    }

    /// Requests in pods, requests waiting, pods in the rotation.
    pub(crate) fn numbers(&self) -> (u32, u32, usize) {
        let home = self.home.lock();
        (home.counts.in_flight, home.counts.queued, home.usable())
    }
}

type Grants = SmallVec<[(Waiter, Slot); 2]>;

/// Outside the lock: a waiter that is gone gives its slot back, which takes the lock again.
fn hand_over(grants: Grants) {
    for (waiter, slot) in grants {
        drop(waiter.send(slot));
    }
}
