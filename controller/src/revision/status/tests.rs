//! Conditions of a Revision, from what is observed.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Pod;
use rouse_api::RevisionStatus;

use crate::reconciler::Reconciler;
use crate::revision::Revisions;
use crate::revision::observed::Observed;
use crate::revision::testing::{
    ASLEEP, SERVING, WAITING, WAKING, WAS_READY, plan, pod, revision, seen,
};
use crate::testing::{now, object, refusal, told};

const CRASHED: &str = "{observedGeneration: 1, conditions: [{type: Ready, status: 'False', reason: ExitCode5, message: m}, {type: ContainerHealthy, status: 'False', reason: ExitCode5, message: m}, {type: ResourcesAvailable, status: Unknown, reason: Deploying}]}";
const MISSING: &str = "{observedGeneration: 1, conditions: [{type: Ready, status: 'False', reason: ContainerMissing}, {type: ContainerHealthy, status: 'False', reason: ContainerMissing}]}";

const DEPLOYING: &str = "Unknown Deploying";
const EXIT_CODE_5: &str = "False ExitCode5 m";

fn after(before: &str, seen: &Observed) -> RevisionStatus {
    plan(&revision("", before), seen).status.unwrap()
}

/// ResourcesAvailable and ContainerHealthy after a pass. Ready is the worse of them.
fn conditions(before: &str, seen: &Observed) -> [String; 2] {
    let status = after(before, seen);
    let told = |type_| told(&status.conditions, type_);
    let both = [told("ResourcesAvailable"), told("ContainerHealthy")];
    let worst = ["False", "Unknown", "True"]
        .into_iter()
        .find_map(|value| both.iter().find(|condition| condition.starts_with(value)));
    assert_eq!(Some(&told("Ready")), worst, "{both:?}");
    both
}

/// With one pod that never was ready.
fn starting(pods: Vec<Arc<Pod>>) -> Observed {
    seen(1, "{}", WAITING, pods)
}

fn running() -> Vec<Arc<Pod>> {
    pod("[]", "state: {running: {}}")
}

#[test]
fn a_revision_is_ready_once_its_initial_scale_was_reached() {
    let ready = || pod("[{type: Ready, status: 'True'}]", "state: {running: {}}");
    assert_eq!(conditions("{}", &starting(ready())), [DEPLOYING; 2]);
    let serving = seen(1, "{}", SERVING, ready());
    assert_eq!(conditions("{}", &serving), ["True"; 2]);
    let notice =
        "notice Normal RevisionReady: Revision becomes ready upon all resources being ready\n";
    assert_eq!(plan(&revision("", "{}"), &serving).to_string(), notice);
    assert_eq!(plan(&revision("", WAS_READY), &serving).to_string(), "");
}

#[test]
fn the_active_condition_is_that_of_the_autoscaler() {
    for (scale, expected) in [
        (WAITING, "Unknown Queued"),
        (SERVING, "True"),
        (ASLEEP, "False NoTraffic"),
        ("[]", DEPLOYING),
    ] {
        let status = after(WAS_READY, &seen(1, "{}", scale, vec![]));
        assert_eq!(told(&status.conditions, "Active"), expected);
    }
}

#[test]
fn replicas_are_those_of_the_autoscaler_as_far_as_it_knows() {
    for (actual, desired, expected) in
        [(1, 2, (Some(1), Some(2))), (0, 0, (Some(0), Some(0))), (-1, -1, (None, None))]
    {
        let mut seen = seen(1, "{}", SERVING, vec![]);
        let scale = Arc::make_mut(seen.autoscaler.as_mut().unwrap()).status.as_mut().unwrap();
        (scale.actual_scale, scale.desired_scale) = (Some(actual), Some(desired));
        let status = after("{}", &seen);
        assert_eq!((status.actual_replicas, status.desired_replicas), expected);
    }
}

#[test]
fn a_reason_that_keeps_its_pods_from_running_is_reported_at_once() {
    let unscheduled =
        "[{type: PodScheduled, status: 'False', reason: Unschedulable, message: Insufficient cpu}]";
    let elsewhere = "[{type: Ready, status: 'False', reason: PortIgnored, message: listens on 9}]";
    for (conditions_of_pod, container, expected) in [
        (
            "[]",
            "state: {waiting: {reason: CrashLoopBackOff}}, lastState: {terminated: {exitCode: 5, message: no model file}}",
            ["Unknown", "False ExitCode5 Container failed with: no model file"],
        ),
        (
            "[]",
            "state: {terminated: {exitCode: 137, reason: OOMKilled}}",
            ["Unknown", "False ExitCode137 Container failed with: OOMKilled"],
        ),
        (
            "[]",
            "state: {terminated: {exitCode: 0, message: ' '}}",
            ["Unknown", "False ExitCode0 container exited with no error"],
        ),
        (
            "[]",
            "state: {terminated: {exitCode: 1}}",
            ["Unknown", "False ExitCode1 Container failed with: Error"],
        ),
        (
            "[]",
            "state: {waiting: {reason: ImagePullBackOff, message: no such image}}",
            ["False ImagePullBackOff no such image", "Unknown"],
        ),
        // The first failed pull is tried again.
        ("[]", "state: {waiting: {reason: ErrImagePull, message: busy}}", [DEPLOYING; 2]),
        (unscheduled, "state: {waiting: {}}", ["False Unschedulable Insufficient cpu", "Unknown"]),
        (elsewhere, "state: {running: {}}", ["Unknown", "False PortIgnored listens on 9"]),
    ] {
        let pods = pod(conditions_of_pod, container);
        assert_eq!(conditions("{}", &starting(pods)), expected, "{container}");
    }
}

#[test]
fn an_init_container_that_is_not_done_is_considered() {
    let with_init = |ready: bool, code: i32| {
        let mut pods = running();
        let init = object(&format!(
            "{{name: init, image: x, imageID: x, ready: {ready}, restartCount: 0, state: {{terminated: {{exitCode: {code}}}}}}}"
        ));
        let status = Arc::make_mut(&mut pods[0]).status.as_mut().unwrap();
        status.init_container_statuses = Some(vec![init]);
        conditions("{}", &starting(pods))
    };
    assert_eq!(with_init(false, 3)[1], "False ExitCode3 Container failed with: Error");
    assert_eq!(with_init(true, 0), [DEPLOYING; 2]);
}

#[test]
fn a_failure_stays_until_a_pod_runs_without_trouble() {
    let again = "state: {running: {}}, lastState: {terminated: {exitCode: 137, reason: ContainerStatusUnknown}}";
    let stays = [DEPLOYING, EXIT_CODE_5];
    let mut bare = running();
    Arc::make_mut(&mut bare[0]).status.as_mut().unwrap().container_statuses = Some(vec![]);
    for (pods, expected) in [
        (vec![], stays),
        (bare, stays),
        (pod("[]", "state: {waiting: {}}"), stays),
        (pod("[]", again), stays),
        (running(), [DEPLOYING; 2]),
    ] {
        let what = format!("{pods:?}");
        assert_eq!(conditions(CRASHED, &starting(pods)), expected, "{what}");
    }
    // A failure from before the children existed is cleared once they exist.
    assert_eq!(conditions(MISSING, &starting(vec![])), [DEPLOYING; 2]);
}

#[test]
fn a_revision_that_was_scaled_to_zero_keeps_its_conditions() {
    for (before, expected) in
        [(WAS_READY, ["True"; 2]), ("{}", ["True"; 2]), (CRASHED, ["True", EXIT_CODE_5])]
    {
        assert_eq!(conditions(before, &seen(0, "{}", ASLEEP, vec![])), expected, "{before}");
    }
}

#[test]
fn pods_that_start_again_with_the_platform_are_no_failure() {
    let again = pod(
        "[]",
        "state: {running: {}}, lastState: {terminated: {exitCode: 137, reason: ContainerStatusUnknown}}",
    );
    assert_eq!(conditions(WAS_READY, &seen(1, "{}", WAKING, again)), ["True"; 2]);
}

#[test]
fn pods_that_are_terminating_or_draining_do_not_count() {
    let mut pods = pod("[]", "state: {terminated: {exitCode: 143}}");
    Arc::make_mut(&mut pods[0]).metadata.deletion_timestamp =
        Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(now()));
    assert_eq!(conditions(WAS_READY, &seen(0, "{}", ASLEEP, pods)), ["True"; 2]);
}

#[test]
fn a_deployment_that_gave_up_fails_the_revision() {
    let late = "{type: Progressing, status: 'False', reason: ProgressDeadlineExceeded, message: timed out}";
    let quota =
        "{type: ReplicaFailure, status: 'True', reason: FailedCreate, message: exceeded quota}";
    let waiting = |reason: &str| {
        pod("[]", &format!("state: {{waiting: {{reason: {reason}, message: busy}}}}"))
    };
    for (condition, pods, expected) in [
        (late, vec![], "False ProgressDeadlineExceeded timed out"),
        (late, running(), "False ProgressDeadlineExceeded timed out"),
        // By now every reason to wait counts.
        (late, waiting("ErrImagePull"), "False ErrImagePull busy"),
        (late, waiting("ContainerCreating"), "False ContainerCreating busy"),
        (quota, vec![], "False FailedCreate exceeded quota"),
        (quota, waiting("ErrImagePull"), "False FailedCreate exceeded quota"),
    ] {
        let stuck = format!("{{conditions: [{condition}]}}");
        let seen = seen(1, &stuck, WAITING, pods);
        assert_eq!(conditions("{}", &seen), [expected, "Unknown"]);
    }
}

#[test]
fn an_initial_scale_that_the_autoscaler_gave_up_fails_the_revision() {
    let failed = "False ProgressDeadlineExceeded Initial scale was never achieved";
    for (desired, active, expected) in [
        (0, "False", [failed, "Unknown"]),
        (1, "False", [DEPLOYING; 2]),
        (0, "Unknown", [DEPLOYING; 2]),
    ] {
        let scale = format!("[{{type: Active, status: '{active}', reason: TimedOut}}]");
        let mut seen = seen(0, "{}", &scale, vec![]);
        let status = Arc::make_mut(seen.autoscaler.as_mut().unwrap()).status.as_mut();
        status.unwrap().desired_scale = Some(desired);
        assert_eq!(conditions("{}", &seen), expected, "{desired} {active}");
    }
}

#[test]
fn a_refused_child_is_reported() {
    let error = refusal("Deployment");
    let status = Revisions::refused(&revision("", "{}"), &error, now()).unwrap();
    let expected = format!("False FailedCreate {error}");
    assert_eq!(told(&status.conditions, "ResourcesAvailable"), expected);
}

/// Sources with the tests that the page of conditions names.
const SOURCES: [&str; 9] = [
    include_str!("tests.rs"),
    include_str!("../tests.rs"),
    include_str!("../notes/tests.rs"),
    include_str!("../../configuration/tests.rs"),
    include_str!("../../service/tests.rs"),
    include_str!("../../../../api/src/kinds/condition/tests.rs"),
    include_str!("../../../../autoscaler/src/decide/status.rs"),
    include_str!("../../../../tests/conformance/conditions.rs"),
    include_str!("../../../../tests/conformance/revisions.rs"),
];

#[test]
fn every_test_that_the_page_of_conditions_names_exists() {
    let page = include_str!("../../../../docs/conditions.md");
    // Names of tests are sentences; reasons and conditions have capitals, fields of settings hyphens.
    let is_test = |name: &&str| {
        name.contains("::") || name.matches('_').count() > 2 && !name.contains(char::is_uppercase)
    };
    let named: Vec<&str> = page.split('`').skip(1).step_by(2).filter(is_test).collect();
    assert!(named.len() > 40, "{named:?}");
    for name in named {
        let shown =
            if name.contains("::") { format!("(\"{name}\",") } else { format!("fn {name}()") };
        assert!(SOURCES.iter().any(|source| source.contains(&shown)), "{name}");
    }
    let rows = page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("|---"));
    for row in rows.filter(|row| !row.ends_with("| test |")) {
        let last = row.trim_end_matches(" |").rsplit(" | ").next().unwrap_or_default();
        assert!(last.starts_with('`'), "a row without a test: {row}");
    }
}
