//! Informational conditions, from what is observed.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Pod;
use rouse_api::Revision;

use crate::revision::observed::Observed;
use crate::revision::testing::{ASLEEP, SERVING, WAS_READY, plan, pod, revision, seen};
use crate::testing::told;

const READY: &str = "[{type: Ready, status: 'True'}]";
const RUNNING: &str = "state: {running: {}}";

/// A condition after a pass; Ready is not touched by it.
fn after(revision: &Revision, seen: &Observed, type_: &str) -> Option<String> {
    let status = plan(revision, seen).status.unwrap_or_else(|| revision.status.clone().unwrap());
    assert_eq!(told(&status.conditions, "Ready"), "True");
    let condition = rouse_api::condition::find(&status.conditions, type_)?;
    assert_eq!(condition.severity, "Info");
    Some(told(&status.conditions, type_))
}

fn with(revision: &Revision, conditions: &str) -> Revision {
    let status = WAS_READY.replace("conditions: [", &format!("conditions: [{conditions}, "));
    Revision { status: Some(crate::testing::object(&status)), ..revision.clone() }
}

#[test]
fn a_revision_that_serves_says_why_it_has_fewer_pods_than_it_wants() {
    let unscheduled =
        "[{type: PodScheduled, status: 'False', reason: Unschedulable, message: Insufficient cpu}]";
    let crashed = "state: {waiting: {reason: CrashLoopBackOff}}, lastState: {terminated: {exitCode: 5, message: no file}}";
    let ready = || pod(READY, RUNNING);
    let both = |conditions, container| [ready(), pod(conditions, container)].concat();
    let quota = "{conditions: [{type: ReplicaFailure, status: 'True', reason: FailedCreate, message: 'forbidden: exceeded quota'}]}";
    for (replicas, deployment, pods, expected) in [
        (1, "{}", ready(), None),
        (2, "{}", [ready(), ready()].concat(), None),
        // One more is on its way.
        (2, "{}", both("[]", RUNNING), None),
        (
            3,
            "{}",
            both(unscheduled, "state: {waiting: {}}"),
            Some("False Unschedulable 1 of 3 pods are ready: Insufficient cpu"),
        ),
        (
            2,
            "{}",
            both("[]", crashed),
            Some("False ExitCode5 1 of 2 pods are ready: Container failed with: no file"),
        ),
        (
            2,
            quota,
            ready(),
            Some("False FailedCreate 1 of 2 pods are ready: forbidden: exceeded quota"),
        ),
    ] {
        let seen = seen(replicas, deployment, SERVING, pods);
        let before =
            with(&revision("", "{}"), "{type: ScaleReached, status: 'False', reason: Old}");
        assert_eq!(after(&before, &seen, "ScaleReached").as_deref(), expected, "{replicas}");
    }
}

#[test]
fn what_has_no_effect_is_said_and_stays_said_at_zero() {
    let type_ = "SettingsEffective";
    let plain = revision("", WAS_READY);
    let annotated = revision("run.googleapis.com/cpu-throttling: 'true'", WAS_READY);
    let limited: Vec<Arc<Pod>> = pod(
        "[{type: Ready, status: 'True'}, {type: rouse.dev/Enforced, status: 'False', reason: NotEnforced, message: no CPU limit}]",
        RUNNING,
    );
    let unread = "the annotation run.googleapis.com/cpu-throttling has no effect here: a pod always has the CPU that it asks for";
    let serving = |pods| seen(1, "{}", SERVING, pods);
    assert_eq!(after(&plain, &serving(pod(READY, RUNNING)), type_), None);
    let said = |revision: &Revision, pods| after(revision, &serving(pods), type_).unwrap();
    assert_eq!(said(&annotated, pod(READY, RUNNING)), format!("False NoEffect {unread}"));
    assert_eq!(said(&plain, limited.clone()), "False NotEnforced no CPU limit");
    assert_eq!(said(&annotated, limited), format!("False NotEnforced {unread}; no CPU limit"));

    let known = with(
        &plain,
        "{type: SettingsEffective, status: 'False', severity: Info, reason: NotEnforced, message: no CPU limit}",
    );
    let asleep = seen(0, "{}", ASLEEP, vec![]);
    assert_eq!(after(&known, &asleep, type_).as_deref(), Some("False NotEnforced no CPU limit"));
    // A runtime that enforces it was chosen since.
    assert_eq!(after(&known, &serving(pod(READY, RUNNING)), type_), None);
}
