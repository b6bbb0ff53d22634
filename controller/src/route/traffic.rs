//! Resolves the user's traffic targets to Revisions, or gives the reason why one cannot be.
//!
//! Upstream: pkg/reconciler/route/traffic/traffic.go.

use std::collections::BTreeMap;
use std::sync::Arc;

use rouse_api::condition::{self, ConditionStatus};
use rouse_api::{Configuration, Revision, Route, TrafficTarget};

use crate::objects::meta::owner_name;

const REVISION_MISSING: &str = "RevisionMissing";
const CONFIGURATION_MISSING: &str = "ConfigurationMissing";

/// One share of the traffic, with the Revision that gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) tag: Option<String>,
    pub(super) revision: String,
    /// The Configuration whose latest Revision it is; None where the user names the Revision.
    pub(super) configuration: Option<String>,
    pub(super) percent: i64,
}

/// Why traffic cannot be assigned: for now, or until the user acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    /// `False` or `Unknown`.
    pub(super) status: ConditionStatus,
    pub(super) reason: &'static str,
    pub(super) message: String,
}

/// The objects that targets may name.
pub(super) struct View<'a> {
    pub(super) configurations: &'a BTreeMap<String, Arc<Configuration>>,
    pub(super) revisions: &'a BTreeMap<String, Arc<Revision>>,
}

/// All targets, in the user's order. A problem that will not pass by itself outweighs one that may.
pub(super) fn resolve(route: &Route, view: &View<'_>) -> Result<Vec<Target>, Problem> {
    let mut targets = Vec::new();
    let mut worst: Option<Problem> = None;
    for wanted in &route.spec.traffic {
        match target(route, wanted, view) {
            Ok(target) => targets.push(target),
            Err(problem) => {
                let worse = worst.as_ref().is_none_or(|worst| {
                    worst.status == ConditionStatus::Unknown
                        && problem.status == ConditionStatus::False
                });
                if worse {
                    worst = Some(problem);
                }
            }
        }
    }
    worst.map_or(Ok(targets), Err)
}

fn target(route: &Route, wanted: &TrafficTarget, view: &View<'_>) -> Result<Target, Problem> {
    let named = wanted.revision_name.as_deref().filter(|name| !name.is_empty());
    let (revision, configuration) = match (named, wanted.configuration_name.as_deref()) {
        (Some(revision), _) => (by_name(route, revision, view)?, None),
        (None, Some(configuration)) => (latest(route, configuration, view)?, Some(configuration)),
        (None, None) => {
            let message = "A traffic target names neither a Configuration nor a Revision.";
            return Err(failed("UnknownTrafficTarget", message.to_owned()));
        }
    };
    Ok(Target {
        tag: wanted.tag.clone().filter(|tag| !tag.is_empty()),
        revision: revision.to_owned(),
        configuration: configuration.map(ToOwned::to_owned),
        percent: wanted.percent.unwrap_or_default(),
    })
}

fn latest<'a>(route: &Route, name: &str, view: &'a View<'_>) -> Result<&'a str, Problem> {
    let Some(configuration) = view.configurations.get(name) else {
        let message = format!("Configuration {name:?} referenced in traffic not found.");
        // The Service creates both; its Configuration is not in the local copy yet.
        return Err(match owner_name(route, "Service") {
            Some(_) => waiting(CONFIGURATION_MISSING, message),
            None => failed(CONFIGURATION_MISSING, message),
        });
    };
    let status = configuration.status.as_ref();
    let ready = status.and_then(|status| status.latest_ready_revision_name.as_deref());
    match ready {
        Some(ready) => match view.revisions.get_key_value(ready) {
            Some((ready, _)) => Ok(ready),
            None => Err(waiting(REVISION_MISSING, not_found(ready))),
        },
        None if status.is_some_and(|status| {
            condition::is_failed(
                &status.conditions,
                status.observed_generation,
                configuration.metadata.generation,
            )
        }) =>
        {
            let message = format!("Configuration {name:?} does not have any ready Revision.");
            Err(failed(REVISION_MISSING, message))
        }
        None => {
            let message =
                format!("Configuration {name:?} is waiting for a Revision to become ready.");
            Err(waiting(REVISION_MISSING, message))
        }
    }
}

fn by_name<'a>(route: &Route, name: &str, view: &'a View<'_>) -> Result<&'a str, Problem> {
    let Some((name, revision)) = view.revisions.get_key_value(name) else {
        return Err(failed(REVISION_MISSING, not_found(name)));
    };
    let Some(status) = revision.status.as_ref() else {
        return Err(waiting(REVISION_MISSING, not_ready(name)));
    };
    let (observed, generation) = (status.observed_generation, revision.metadata.generation);
    // A Revision that gets traffic keeps it: a pod that fails is no reason to unroute its Revision.
    if condition::is_ready(&status.conditions, observed, generation) || is_routed(route, name) {
        Ok(name)
    } else if condition::is_failed(&status.conditions, observed, generation) {
        let message = format!("Revision {name:?} failed to become ready.");
        Err(failed(REVISION_MISSING, message))
    } else {
        Err(waiting(REVISION_MISSING, not_ready(name)))
    }
}

fn is_routed(route: &Route, revision: &str) -> bool {
    let traffic = route.status.iter().flat_map(|status| &status.traffic);
    traffic.into_iter().any(|target| target.revision_name.as_deref() == Some(revision))
}

fn not_found(revision: &str) -> String {
    format!("Revision {revision:?} referenced in traffic not found.")
}

fn not_ready(revision: &str) -> String {
    format!("Revision {revision:?} is not yet ready.")
}

fn failed(reason: &'static str, message: String) -> Problem {
    Problem { status: ConditionStatus::False, reason, message }
}

fn waiting(reason: &'static str, message: String) -> Problem {
    Problem { status: ConditionStatus::Unknown, reason, message }
}

#[cfg(test)]
mod tests;
