//! The status of a Configuration, from its Revisions.
//!
//! Latched: `latestReadyRevisionName`, which never goes back to an older generation unless the user
//! names an older Revision in the template.

use std::sync::Arc;

use jiff::Timestamp;
use rouse_api::condition::{self, Conditions, READY};
use rouse_api::configuration::CONDITIONS;
use rouse_api::{Configuration, ConfigurationStatus, Revision};
use rouse_kit::ApplyError;

use crate::objects::meta::name;
use crate::objects::revisions::generation;

const REVISION_FAILED: &str = "RevisionFailed";

/// The Revision of this generation is being created. The status is written only afterwards: a
/// client that reads the observed generation can rely on the name.
pub(super) fn creating(
    configuration: &Configuration,
    wanted: &str,
    owned: &[Arc<Revision>],
    now: Timestamp,
) -> ConfigurationStatus {
    let mut status = computed(configuration, now, |conditions| {
        conditions.mark_unknown(READY, "", "");
    });
    status.latest_created_revision_name = Some(wanted.to_owned());
    status.latest_ready_revision_name = latest_ready(configuration, owned);
    status
}

/// A Revision of another owner, or an older one with another spec, has the name that the user
/// chose.
pub(super) fn name_taken(
    configuration: &Configuration,
    wanted: &str,
    now: Timestamp,
) -> ConfigurationStatus {
    computed(configuration, now, |conditions| {
        let message = format!(
            "Revision creation failed with message: revisions.serving.knative.dev {wanted:?} \
             already exists"
        );
        conditions.mark_false(READY, REVISION_FAILED, &message);
    })
}

/// The API server refused the Revision.
pub(super) fn creation_failed(
    configuration: &Configuration,
    error: &ApplyError,
    now: Timestamp,
) -> ConfigurationStatus {
    computed(configuration, now, |conditions| {
        let message = format!("Revision creation failed with message: {error}.");
        conditions.mark_false(READY, REVISION_FAILED, &message);
    })
}

/// Ready exactly when the newest Revision is Ready and is the latest ready one.
pub(super) fn from_revisions(
    configuration: &Configuration,
    created: &Revision,
    owned: &[Arc<Revision>],
    now: Timestamp,
) -> ConfigurationStatus {
    let ready = latest_ready(configuration, owned);
    let created_name = name(created);
    let failure = failure(created);
    let mut status = computed(configuration, now, |conditions| {
        if let Some(message) = failure {
            let message = message.trim_end_matches('.');
            let message = format!("Revision {created_name:?} failed with message: {message}.");
            conditions.mark_false(READY, REVISION_FAILED, &message);
        } else if is_ready(created) && ready.as_deref() == Some(created_name) {
            conditions.mark_true(READY);
        } else {
            conditions.mark_unknown(READY, "", "");
        }
    });
    status.latest_created_revision_name = Some(created_name.to_owned());
    status.latest_ready_revision_name = ready;
    status
}

/// The newest Ready Revision, not older than the previous latest ready one; a Ready Revision that
/// the user names in the template comes first, however old.
fn latest_ready(configuration: &Configuration, owned: &[Arc<Revision>]) -> Option<String> {
    let before = configuration.status.as_ref().and_then(|s| s.latest_ready_revision_name.clone());
    let chosen = configuration.spec.template.metadata.name.as_deref();
    let named = |wanted: Option<&str>| owned.iter().find(|r| Some(name(&***r)) == wanted);
    if let Some(revision) = named(chosen).filter(|_| chosen.is_some())
        && is_ready(revision)
    {
        return Some(name(&**revision).to_owned());
    }
    let oldest = named(before.as_deref()).map_or(0, |revision| generation(revision));
    owned
        .iter()
        .filter(|revision| generation(revision) >= oldest)
        .find(|revision| is_ready(revision))
        .map(|revision| name(&**revision).to_owned())
        .or(before)
}

fn computed(
    configuration: &Configuration,
    now: Timestamp,
    mark: impl FnOnce(&mut Conditions<'_>),
) -> ConfigurationStatus {
    let mut status = configuration.status.clone().unwrap_or_default();
    let generation = configuration.metadata.generation;
    let mut conditions = CONDITIONS.manage(&mut status.conditions, now);
    conditions.initialize();
    mark(&mut conditions);
    status.observed_generation = generation;
    status
}

fn is_ready(revision: &Revision) -> bool {
    revision.status.as_ref().is_some_and(|status| {
        condition::is_ready(
            &status.conditions,
            status.observed_generation,
            revision.metadata.generation,
        )
    })
}

/// Why a Revision failed, if it did.
fn failure(revision: &Revision) -> Option<String> {
    let status = revision.status.as_ref()?;
    let ready = condition::find(&status.conditions, READY)?;
    ready.is_false().then(|| ready.message.clone())
}
