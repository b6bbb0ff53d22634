//! From a change of an object to a line. Pure: the time is given.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rouse_api::TrafficTarget;
use rouse_k8s::ObjectKey;

use super::seen::{SeenDeployment, SeenPod, SeenScaler, SeenService};
use crate::fault;
use crate::wording::traffic_text;

/// One event for the user.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Line {
    pub(super) time: Timestamp,
    /// The service: `hello`, or `demo/hello` where the namespace is not the default one.
    pub(super) about: String,
    pub(super) text: String,
    /// The container whose log says why.
    pub(super) crash: Option<Crash>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Crash {
    pub(super) namespace: String,
    pub(super) pod: String,
    pub(super) container: String,
}

/// How long a failure must last to be told: Routes are briefly not ready until they see a new revision.
const SETTLE: Duration = Duration::from_secs(2);
/// Letters of a message.
const MESSAGE_MAX: usize = 200;

/// The moment of a change.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    pub(super) instant: Instant,
    pub(super) time: Timestamp,
}

/// Remembers what was told, so that each event is told once.
#[derive(Default)]
pub(super) struct Teller {
    services: BTreeMap<ObjectKey, Told>,
    /// By namespace and revision: when it was woken.
    woken: BTreeMap<ObjectKey, Instant>,
}

#[derive(Default)]
struct Told {
    /// The newest revision, and when it was first seen.
    begun: Option<(String, Instant)>,
    ready: Option<String>,
    failure: Option<String>,
    /// A failure that is told if it lasts.
    pending: Option<(Instant, String)>,
    traffic: Vec<TrafficTarget>,
}

fn line(now: Now, namespace: &str, service: &str, text: impl Into<String>) -> Line {
    let about = match namespace {
        "default" => service.to_owned(),
        _ => format!("{namespace}/{service}"),
    };
    Line { time: now.time, about, text: text.into(), crash: None }
}

/// A failure in one line: its reason, and the fault of the program if the message quotes a log.
fn one_line(failure: &str) -> String {
    let mut lines = failure.lines().filter(|line| !line.trim().is_empty());
    let (Some(first), Some(last)) = (lines.next(), lines.next_back()) else {
        return short(failure);
    };
    let reason = first.split_once(": ").map_or(first, |(reason, _)| reason);
    // The log itself, without the words around it, which name a failure too.
    let log = failure.rsplit_once("failed with: ").map_or(failure, |(_, log)| log);
    let what = fault::find(log).map_or_else(|| last.to_owned(), |fault| fault.to_string());
    short(&format!("{reason}: {what}"))
}

/// The first line of a message, cut.
fn short(message: &str) -> String {
    let text = fault::readable(message.lines().next().unwrap_or_default());
    match text.char_indices().nth(MESSAGE_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

impl Teller {
    /// A service that was there before anything is told.
    pub(super) fn known(&mut self, key: ObjectKey, service: &SeenService, now: Now) {
        let begun = service.created.clone().map(|revision| (revision, now.instant));
        let told = Told {
            begun,
            ready: service.latest.clone(),
            failure: service.failure.clone(),
            pending: None,
            traffic: service.traffic.clone(),
        };
        self.services.insert(key, told);
    }

    pub(super) fn service(
        &mut self,
        key: &ObjectKey,
        service: &SeenService,
        now: Now,
    ) -> Option<Line> {
        let told = self.services.entry(key.clone()).or_default();
        told.on(service, now).map(|text| line(now, &key.namespace, &key.name, text))
    }

    pub(super) fn service_gone(&mut self, key: &ObjectKey, now: Now) -> Line {
        self.services.remove(key);
        line(now, &key.namespace, &key.name, "deleted")
    }

    /// When a pending failure is to be told.
    pub(super) fn due(&self) -> Option<Instant> {
        let pending = self.services.values().filter_map(|told| told.pending.as_ref());
        pending.map(|(since, _)| *since + SETTLE).min()
    }

    /// The failures that have lasted.
    pub(super) fn lasting(&mut self, now: Now) -> Vec<Line> {
        let mut lines = Vec::new();
        for (key, told) in &mut self.services {
            let lasts = told
                .pending
                .take_if(|(since, _)| now.instant.saturating_duration_since(*since) >= SETTLE);
            if let Some((_, failure)) = lasts {
                let text = format!("failed: {}", one_line(&failure));
                lines.push(line(now, &key.namespace, &key.name, text));
                told.failure = Some(failure);
            }
        }
        lines
    }

    pub(super) fn scale(
        &self,
        key: &ObjectKey,
        old: &SeenScaler,
        new: &SeenScaler,
        now: Now,
    ) -> Vec<Line> {
        // The rest are known; the oldest may have fallen off.
        let fresh = (0..=new.changes.len())
            .find(|&n| old.changes.starts_with(&new.changes[n..]))
            .unwrap_or(0);
        let told = |change: &rouse_api::podautoscaler::ScaleChange| {
            let why = short(&change.message);
            let text = match (change.from, change.to) {
                // Told with how long it took, when the pod is ready.
                (0, _) if change.reason == "Woken" => return None,
                (_, 0) => format!("{} scaled to zero: {why}", key.name),
                (from, to) => format!("{} scaled {from} → {to}: {why}", key.name),
            };
            Some(line(now, &key.namespace, &new.service, text))
        };
        new.changes[..fresh].iter().rev().filter_map(told).collect()
    }

    pub(super) fn deployment(
        &mut self,
        namespace: &str,
        old: &SeenDeployment,
        new: &SeenDeployment,
        now: Now,
    ) {
        let key = ObjectKey::new(namespace, new.revision.as_str());
        if old.replicas == 0 && new.replicas > 0 {
            self.woken.insert(key, now.instant);
        } else if new.replicas == 0 {
            self.woken.remove(&key);
        }
    }

    pub(super) fn deployment_gone(&mut self, namespace: &str, old: &SeenDeployment) {
        self.woken.remove(&ObjectKey::new(namespace, old.revision.as_str()));
    }

    pub(super) fn pod(
        &mut self,
        key: &ObjectKey,
        old: Option<&SeenPod>,
        new: &SeenPod,
        now: Now,
    ) -> Vec<Line> {
        let mut lines = Vec::new();
        if new.ready && !old.is_some_and(|old| old.ready) {
            let revision = ObjectKey::new(key.namespace.as_str(), new.revision.as_str());
            if let Some(since) = self.woken.remove(&revision) {
                let took = took(now.instant.saturating_duration_since(since));
                let text = format!("{} woke in {took}", new.revision);
                lines.push(line(now, &key.namespace, &new.service, text));
            }
        }
        let known = |exit: &super::seen::Exit| {
            let before =
                old.and_then(|old| old.exits.iter().find(|e| e.container == exit.container));
            before.is_some_and(|before| (before.at, before.code) == (exit.at, exit.code))
        };
        for exit in new.exits.iter().filter(|exit| !new.ending && !known(exit)) {
            let reason = match exit.reason.as_str() {
                "" | "Error" | "Completed" => String::new(),
                reason => format!(" ({reason})"),
            };
            let text = format!(
                "container {} of pod {} ended with code {}{reason}",
                exit.container, key.name, exit.code
            );
            let crash = Crash {
                namespace: key.namespace.clone(),
                pod: key.name.clone(),
                container: exit.container.clone(),
            };
            let line = line(now, &key.namespace, &new.service, text);
            lines.push(Line { crash: Some(crash), ..line });
        }
        lines
    }
}

impl Told {
    fn on(&mut self, service: &SeenService, now: Now) -> Option<String> {
        if service.created.is_some()
            && self.begun.as_ref().map(|(name, _)| name) != service.created.as_ref()
        {
            let revision = service.created.clone().unwrap_or_default();
            let text = format!("deploying {revision}");
            self.begun = Some((revision, now.instant));
            (self.failure, self.pending) = (None, None);
            return Some(text);
        }
        if !service.settled {
            return None;
        }
        if service.ready {
            return self.on_ready(service, now);
        }
        match &service.failure {
            Some(failure) if self.failure.as_ref() != Some(failure) => {
                let since = self.pending.as_ref().map_or(now.instant, |(since, _)| *since);
                self.pending = Some((since, failure.clone()));
            }
            Some(_) => {}
            None => self.pending = None,
        }
        None
    }

    fn on_ready(&mut self, service: &SeenService, now: Now) -> Option<String> {
        let recovered = self.failure.take().is_some();
        self.pending = None;
        let before = std::mem::replace(&mut self.traffic, service.traffic.clone());
        let latest = service.latest.clone()?;
        if self.ready.as_ref() != Some(&latest) {
            self.ready = Some(latest.clone());
            let since = self.begun.as_ref().filter(|(name, _)| *name == latest);
            let after = since.map_or_else(String::new, |(_, since)| {
                format!(" in {}", took(now.instant.saturating_duration_since(*since)))
            });
            return Some(if whole(&service.traffic) == Some(latest.as_str()) {
                format!("deployed {latest}{after}: {}", service.url)
            } else {
                format!("deployed {latest}{after}; traffic: {}", traffic_text(&service.traffic))
            });
        }
        if shares(&before) != shares(&service.traffic) {
            return Some(match (whole(&before), whole(&service.traffic)) {
                (Some(from), Some(to)) if to < from => format!("rolled back to {to}"),
                (_, Some(to)) => format!("all requests go to {to}"),
                (_, None) => format!("traffic: {}", traffic_text(&service.traffic)),
            });
        }
        recovered.then(|| "ready again".to_owned())
    }
}

/// What decides where requests go.
fn shares(traffic: &[TrafficTarget]) -> Vec<(Option<&str>, i64, Option<&str>)> {
    let mut shares: Vec<_> = traffic
        .iter()
        .map(|t| (t.revision_name.as_deref(), t.percent.unwrap_or(0), t.tag.as_deref()))
        .filter(|(_, percent, tag)| *percent > 0 || tag.is_some())
        .collect();
    shares.sort_unstable();
    shares
}

/// The only revision that gets requests.
fn whole(traffic: &[TrafficTarget]) -> Option<&str> {
    let mut served = traffic.iter().filter(|t| t.percent.unwrap_or(0) > 0);
    let (first, second) = (served.next()?, served.next());
    first.revision_name.as_deref().filter(|_| second.is_none())
}

/// `9 ms`, `1.4 s`.
fn took(time: Duration) -> String {
    if time < Duration::from_secs(1) {
        format!("{} ms", time.as_millis().max(1))
    } else {
        format!("{:.1} s", time.as_secs_f64())
    }
}

#[cfg(test)]
mod tests;
