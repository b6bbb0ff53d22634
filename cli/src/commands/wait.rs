//! Waits until a service is ready, and says on the way what it waits for.

use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::api::{Api, ListParams, LogParams};
use kube::runtime::{WatchStreamExt, watcher};
use rouse_api::condition::{self, READY};
use rouse_api::{ConditionStatus, Service, keys};

use super::serving::{name_of, pods, unavailable};
use crate::fault;
use crate::outcome::{Failure, Result};
use crate::printer::Printer;
use crate::target::Target;

/// How long Ready may be False for another reason than a failed revision before that counts as a
/// failure: Routes are briefly False until they see a new revision.
const SETTLE: Duration = Duration::from_secs(2);
/// Log lines in which the fault of a revision is looked for, and those shown if it is not found.
const LOG_LINES: i64 = 200;
const SHOWN_LINES: usize = 10;

/// The state of a service, by its conditions.
#[derive(Debug, PartialEq)]
enum Verdict {
    Ready,
    /// The revision failed: waiting longer changes nothing.
    Failed {
        reason: String,
        message: String,
    },
    /// Not ready for another reason, which may pass.
    Unsettled {
        reason: String,
        message: String,
    },
    Waiting(String),
}

fn verdict(service: &Service) -> Verdict {
    let status = service.status.clone().unwrap_or_default();
    if status.observed_generation != service.metadata.generation {
        return Verdict::Waiting("waiting for the controller".to_owned());
    }
    let Some(ready) = condition::find(&status.conditions, READY) else {
        return Verdict::Waiting("waiting for the controller".to_owned());
    };
    let configurations = condition::find(&status.conditions, "ConfigurationsReady");
    match ready.status {
        ConditionStatus::True => Verdict::Ready,
        ConditionStatus::False => {
            let failed = configurations.filter(|c| c.status == ConditionStatus::False);
            let why = failed.unwrap_or(ready);
            let (reason, message) = (why.reason.clone(), why.message.clone());
            if failed.is_some() {
                Verdict::Failed { reason, message }
            } else {
                Verdict::Unsettled { reason, message }
            }
        }
        ConditionStatus::Unknown
            if configurations.is_none_or(|c| c.status != ConditionStatus::True) =>
        {
            Verdict::Waiting(match status.latest_created_revision_name {
                Some(revision) if status.latest_ready_revision_name.as_ref() != Some(&revision) => {
                    format!("starting revision {revision}")
                }
                Some(_) | None => "making a revision".to_owned(),
            })
        }
        ConditionStatus::Unknown => Verdict::Waiting("routing requests to it".to_owned()),
    }
}

/// Returns the ready service, or a failure with the reason and the last log lines.
pub(crate) async fn until_ready(
    target: &Target,
    name: &str,
    limit: Duration,
    printer: &Printer,
) -> Result<Service> {
    let started = Instant::now();
    let api: Api<Service> = Api::namespaced(target.client.clone(), &target.namespace);
    let only = watcher::Config::default().fields(&format!("metadata.name={name}"));
    let mut stream = watcher(api, only).default_backoff().boxed();
    let (mut said, mut listed) = (String::new(), false);
    let mut unsettled: Option<(Instant, String, String)> = None;
    loop {
        let left = limit.saturating_sub(started.elapsed());
        let wake = unsettled
            .as_ref()
            .map_or(left, |(since, ..)| left.min(SETTLE.saturating_sub(since.elapsed())));
        let service = match tokio::time::timeout(wake, stream.try_next()).await {
            Ok(Ok(Some(watcher::Event::Apply(service) | watcher::Event::InitApply(service)))) => {
                listed = true;
                service
            }
            Ok(Ok(Some(watcher::Event::Init))) => {
                listed = false;
                continue;
            }
            Ok(Ok(Some(watcher::Event::InitDone))) if listed => continue,
            Ok(Ok(Some(watcher::Event::InitDone | watcher::Event::Delete(_)))) => {
                return Err(Failure::new(format!("service {name} was deleted meanwhile")));
            }
            Ok(Ok(None)) => return Err(Failure::new("the watch of the service ended")),
            Ok(Err(
                watcher::Error::InitialListFailed(error) | watcher::Error::WatchStartFailed(error),
            )) => {
                return Err(unavailable(&error, "watch the service"));
            }
            Ok(Err(_)) => continue,
            Err(_) if started.elapsed() >= limit => {
                let why =
                    if said.is_empty() { "no status of it was received".to_owned() } else { said };
                let late = format!("{name} was not ready within {} s", limit.as_secs());
                let failure = Failure::not_ready(late).because(why);
                return Err(with_evidence(target, name, failure, "").await);
            }
            Err(_) => {
                let (_, reason, message) =
                    unsettled.take().expect("only an unsettled wait ends before the limit");
                return Err(failed(target, name, &reason, &message).await);
            }
        };
        match verdict(&service) {
            Verdict::Ready => return Ok(service),
            Verdict::Failed { reason, message } => {
                return Err(failed(target, name, &reason, &message).await);
            }
            Verdict::Unsettled { reason, message } => {
                let since = unsettled.as_ref().map_or_else(Instant::now, |(since, ..)| *since);
                unsettled = Some((since, reason, message));
            }
            Verdict::Waiting(what) => {
                unsettled = None;
                if what != said {
                    printer
                        .progress(format!("  {:>5.1} s  {what}", started.elapsed().as_secs_f64()));
                    said = what;
                }
            }
        }
    }
}

async fn failed(target: &Target, name: &str, reason: &str, message: &str) -> Failure {
    let failure = Failure::new(format!("{name} is not ready: {reason}"));
    with_evidence(target, name, failure, message).await
}

/// Adds the fault of the program and what to do about it; if none is found, what the conditions and
/// the newest pod's warnings say, and the last log lines. Adds which revision serves, too.
async fn with_evidence(
    target: &Target,
    name: &str,
    mut failure: Failure,
    message: &str,
) -> Failure {
    let mut hint = None;
    let api: Api<Service> = Api::namespaced(target.client.clone(), &target.namespace);
    let status = api.get(name).await.ok().and_then(|s| s.status).unwrap_or_default();
    if let Some(revision) = &status.latest_created_revision_name {
        let log = last_lines(target, revision).await;
        let found = fault::find(&log.join("\n"));
        let known = found.as_ref().is_some_and(|fault| fault.place.is_some());
        if let Some(fault) = found {
            failure = failure.because(fault.what);
            if let Some(place) = fault.place {
                failure = failure.because(format!("at {place}"));
            }
            hint = fault.hint;
        }
        if !known {
            for line in message.lines().filter(|line| !line.trim().is_empty()).take(SHOWN_LINES) {
                failure = failure.because(fault::shortened(line));
            }
            for warning in warnings(target, revision).await {
                failure = failure.because(fault::shortened(&warning));
            }
            for line in &log[log.len().saturating_sub(SHOWN_LINES)..] {
                failure = failure.because(format!("log: {}", fault::readable(line)));
            }
        }
    } else if !message.is_empty() {
        failure = failure.because(message);
    }
    let serving: Vec<_> = status
        .traffic
        .iter()
        .filter(|t| t.percent.unwrap_or(0) > 0)
        .filter_map(|t| t.revision_name.clone())
        .collect();
    let failure = if serving.is_empty() {
        failure.because("no revision serves")
    } else {
        failure.because(format!("{} still serves", serving.join(", ")))
    };
    let look =
        format!("rouse describe {name} -n {ns}; rouse logs {name} -n {ns}", ns = target.namespace);
    failure.next(match hint {
        Some(hint) => format!("{hint}; or see {look}"),
        None => look,
    })
}

/// The last message of each kind of warning about the newest pod of a revision.
async fn warnings(target: &Target, revision: &str) -> Vec<String> {
    let Ok(pods) = pods(target, keys::REVISION, revision).await else { return Vec::new() };
    let Some(pod) = pods.first() else { return Vec::new() };
    let api: Api<Event> = Api::namespaced(target.client.clone(), &target.namespace);
    let about = ListParams::default()
        .fields(&format!("involvedObject.kind=Pod,involvedObject.name={}", name_of(pod)));
    let Ok(events) = api.list(&about).await else { return Vec::new() };
    let mut last = std::collections::BTreeMap::new();
    for event in events.items.into_iter().filter(|e| e.type_.as_deref() == Some("Warning")) {
        let reason = event.reason.unwrap_or_default();
        let message = event.message.unwrap_or_default();
        let at = event.last_timestamp.map(|at| at.0);
        let newest = last.entry(reason).or_insert_with(|| (at, message.clone()));
        if at >= newest.0 {
            *newest = (at, message);
        }
    }
    last.into_iter().map(|(reason, (_, message))| format!("{reason}: {message}")).collect()
}

async fn last_lines(target: &Target, revision: &str) -> Vec<String> {
    let Ok(pods) = pods(target, keys::REVISION, revision).await else { return Vec::new() };
    let api: Api<Pod> = Api::namespaced(target.client.clone(), &target.namespace);
    for pod in &pods {
        for previous in [false, true] {
            let params =
                LogParams { tail_lines: Some(LOG_LINES), previous, ..LogParams::default() };
            match api.logs(name_of(pod), &params).await {
                Ok(text) if !text.trim().is_empty() => {
                    return text.lines().map(str::to_owned).collect();
                }
                _ => {}
            }
        }
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn service(observed: i64, conditions: serde_json::Value) -> Service {
        serde_json::from_value(json!({
            "metadata": { "name": "a", "generation": 2 }, "spec": {},
            "status": { "observedGeneration": observed, "conditions": conditions }
        }))
        .unwrap()
    }

    #[test]
    fn an_old_generation_is_never_ready() {
        let old = service(1, json!([{ "type": "Ready", "status": "True" }]));
        assert!(matches!(verdict(&old), Verdict::Waiting(_)));
        let new = service(2, json!([{ "type": "Ready", "status": "True" }]));
        assert_eq!(verdict(&new), Verdict::Ready);
    }

    #[test]
    fn a_failed_revision_ends_the_wait_but_a_route_may_settle() {
        let failed = service(
            2,
            json!([{ "type": "ConfigurationsReady", "status": "False", "reason": "RevisionFailed", "message": "m" },
                   { "type": "Ready", "status": "False", "reason": "RevisionFailed" }]),
        );
        assert!(matches!(verdict(&failed), Verdict::Failed { .. }));
        let route = service(
            2,
            json!([{ "type": "Ready", "status": "False", "reason": "RevisionMissing" }]),
        );
        assert!(matches!(verdict(&route), Verdict::Unsettled { .. }));
    }
}
