//! Informational conditions of a Revision, there only while there is something to say.
//!
//! - `ScaleReached` is False while a Revision that serves has fewer ready pods than it wants, with the
//!   reason of a pod that is not ready: no room on the nodes, a quota, a crash.
//! - `SettingsEffective` is False while something that the Revision asks for has no effect: limits that the
//!   runtime does not enforce, annotations that nothing reads.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use rouse_api::condition::Conditions;
use rouse_api::revision::{SCALE_REACHED, SETTINGS_EFFECTIVE};
use rouse_api::{Revision, validation};
use rouse_k8s::condition::{ENFORCED, FALSE, NOT_ENFORCED};
use rouse_k8s::pod;

use super::observed::Observed;
use super::pods::{Rules, Trouble, alive, trouble};

const NO_EFFECT: &str = "NoEffect";

/// Says why a Revision that serves has fewer pods than it wants. One that does not serve says so by the
/// conditions that decide Ready.
pub(super) fn scale(conditions: &mut Conditions<'_>, seen: &Observed) {
    let deployment = seen.deployment.as_deref();
    let wanted = deployment.and_then(|d| d.spec.as_ref()?.replicas).unwrap_or_default();
    let ready = alive(&seen.pods).filter(|pod| pod::is_ready(pod)).count();
    let ready = i32::try_from(ready).unwrap_or(i32::MAX);
    let why = || {
        let waiting: Vec<Arc<Pod>> =
            seen.pods.iter().filter(|pod| !pod::is_ready(pod)).map(Arc::clone).collect();
        let of_pods = trouble(&waiting, Rules::default());
        let of_pods = of_pods.map(|Trouble { reason, message, .. }| (reason, message));
        of_pods.or_else(|| seen.deployment_failure())
    };
    match (0 < ready && ready < wanted).then(why).flatten() {
        Some((reason, message)) => {
            let message = format!("{ready} of {wanted} pods are ready: {message}");
            conditions.mark_false(SCALE_REACHED, &reason, &message);
        }
        None => conditions.clear(SCALE_REACHED),
    }
}

/// Says what has no effect. At zero, what the last pods said stays.
pub(super) fn settings(conditions: &mut Conditions<'_>, revision: &Revision, pods: &[Arc<Pod>]) {
    let started =
        alive(pods).find(|pod| pod::container_statuses(pod).any(|c| pod::waiting(c).is_none()));
    let before = conditions.get(SETTINGS_EFFECTIVE).filter(|_| started.is_none());
    if before.is_some_and(|before| before.reason == NOT_ENFORCED) {
        return;
    }
    let mut all = validation::unread_annotations(revision.annotations());
    let enforced = started.and_then(|pod| pod::condition(pod, ENFORCED));
    let missing = enforced.filter(|enforced| enforced.status == FALSE);
    let missing = missing.and_then(|enforced| enforced.message.clone());
    let reason = if missing.is_some() { NOT_ENFORCED } else { NO_EFFECT };
    all.extend(missing);
    if all.is_empty() {
        conditions.clear(SETTINGS_EFFECTIVE);
    } else {
        conditions.mark_false(SETTINGS_EFFECTIVE, reason, &all.join("; "));
    }
}

#[cfg(test)]
mod tests;
