//! A pod event by event, and its status meanwhile.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Pod, PodStatus};
use rouse_kit::Moment;
use serde_json::{Value, json};

use super::*;
use crate::runtime::Exit;

/// A pod under test: events in, effects out as text, time by hand.
struct Harness {
    state: PodState,
    now: Moment,
}

fn pod(spec: Value) -> Pod {
    serde_json::from_value(json!({
        "metadata": {"name": "hello-7", "namespace": "demo", "uid": "u-3"},
        "spec": spec,
    }))
    .unwrap()
}

fn one(container: Value) -> Value {
    let mut base = json!({"name": "user", "image": "app:1"});
    base.as_object_mut().unwrap().extend(container.as_object().unwrap().clone());
    json!({"containers": [base]})
}

fn launched(id: &str) -> Launched {
    Launched {
        id: id.to_owned(),
        image_id: "app@sha256:1".to_owned(),
        ip: Some(IpAddr::from([10, 0, 0, 7])),
        addresses: BTreeMap::new(),
        not_enforced: Vec::new(),
        scripted: false,
    }
}

impl Harness {
    /// The pod has been seen once.
    fn new(pod: Pod) -> (Self, String) {
        let now = Moment::from("2026-01-02T03:04:05Z".parse::<jiff::Timestamp>().unwrap());
        let pod = Arc::new(pod);
        let mut harness = Self { state: PodState::new(Arc::clone(&pod), now.wall), now };
        let effects = harness.step(Event::Observed(pod));
        (harness, effects)
    }

    fn step(&mut self, event: Event) -> String {
        let effects = self.state.step(event, self.now);
        effects.iter().map(text).collect::<Vec<_>>().join("\n")
    }

    fn start(&mut self, id: &str) -> String {
        self.step(Event::Started { container: 0, run: launched(id) })
    }

    fn exit(&mut self, code: i32) -> String {
        let exit = Exit { code, oom_killed: false, message: None };
        self.step(Event::Exited { container: 0, exit })
    }

    fn probed(&mut self, kind: ProbeKind, verdict: Verdict) -> String {
        self.step(Event::Probed { container: 0, kind, verdict, message: "no".to_owned() })
    }

    /// Moves to the next time the pod asked for; says after how many seconds.
    fn wait(&mut self) -> (i64, String) {
        let at = self.state.wake_at().unwrap();
        let span = at.duration_since(self.now.steady);
        self.now = Moment { wall: self.now.wall + span, steady: at };
        (span.as_secs(), self.step(Event::Tick))
    }

    fn after(&mut self, seconds: u64) -> String {
        let span = Duration::from_secs(seconds);
        self.now = Moment { wall: self.now.wall + span, steady: self.now.steady + span };
        self.step(Event::Tick)
    }

    fn delete(&mut self, grace: i64) -> String {
        let mut pod = (*self.state.pod).clone();
        pod.metadata.deletion_timestamp =
            Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(self.now.wall));
        pod.metadata.deletion_grace_period_seconds = Some(grace);
        self.step(Event::Observed(Arc::new(pod)))
    }

    fn status(&self) -> PodStatus {
        status(&self.state, IpAddr::from([127, 0, 0, 1]))
    }

    /// Phase, readiness, and the first container's state in one line.
    fn summary(&self) -> String {
        let status = self.status();
        let container = &status.container_statuses.unwrap()[0];
        let state = container.state.clone().unwrap();
        let state = match (state.waiting, state.running, state.terminated) {
            (Some(waiting), None, None) => waiting.reason.unwrap(),
            (None, Some(_), None) => "running".to_owned(),
            (None, None, Some(ended)) => {
                format!("{} {}", ended.reason.unwrap(), ended.exit_code)
            }
            other => format!("{other:?}"),
        };
        format!(
            "{} {} ready={} restarts={}",
            status.phase.unwrap(),
            state,
            container.ready,
            container.restart_count
        )
    }

    fn condition(&self, kind: &str) -> (String, Option<String>, Option<String>) {
        let conditions = self.status().conditions.unwrap();
        let found = conditions.into_iter().find(|condition| condition.type_ == kind).unwrap();
        (found.status, found.reason, found.message)
    }
}

fn text(effect: &Effect) -> String {
    match effect {
        Effect::Note(note) => format!("{}: {}", note.reason, note.message),
        other => format!("{other:?}"),
    }
}

#[test]
fn a_pod_is_launched_at_once_and_ready_without_a_probe_when_it_runs() {
    let (mut pod, effects) = Harness::new(pod(one(json!({}))));
    assert_eq!(effects, "Launch(0)");
    assert_eq!(pod.summary(), "Pending ContainerCreating ready=false restarts=0");
    assert_eq!(
        pod.start("process://9"),
        "Pulled: Container image \"app:1\" already present on machine\n\
         Created: Created container: user\n\
         Started: Started container user"
    );
    assert_eq!(pod.summary(), "Running running ready=true restarts=0");
    let status = pod.status();
    let container = &status.container_statuses.as_ref().unwrap()[0];
    assert_eq!(container.container_id.as_deref(), Some("process://9"));
    assert_eq!(container.image_id, "app@sha256:1");
    assert_eq!(status.pod_ip.as_deref(), Some("10.0.0.7"));
    assert_eq!(status.host_ip.as_deref(), Some("127.0.0.1"));
    assert_eq!(status.qos_class.as_deref(), Some("BestEffort"));
    for kind in ["Initialized", "PodScheduled", "ContainersReady", "Ready"] {
        assert_eq!(pod.condition(kind).0, "True", "{kind}");
    }
}

#[test]
fn readiness_decides_ready_and_three_failures_take_it_away() {
    let (mut pod, _) =
        Harness::new(pod(one(json!({"readinessProbe": {"tcpSocket": {"port": 1}}}))));
    assert!(pod.start("a").ends_with("Probe(0, Readiness)"));
    assert_eq!(
        pod.condition("Ready"),
        (
            "False".to_owned(),
            Some("ContainersNotReady".to_owned()),
            Some("containers with unready status: [user]".to_owned())
        )
    );
    assert_eq!(pod.probed(ProbeKind::Readiness, Verdict::Passed), "");
    assert_eq!(pod.condition("Ready").0, "True");
    let since = pod.state.conditions["Ready"].1;
    pod.after(5);
    let effects = pod.probed(ProbeKind::Readiness, Verdict::Failing);
    assert_eq!(effects, "Unhealthy: Readiness probe failed: no");
    assert_eq!(pod.condition("Ready").0, "True", "one failure is not enough");
    assert_eq!(pod.state.conditions["Ready"].1, since, "no transition, no new time");
    pod.probed(ProbeKind::Readiness, Verdict::Failed);
    assert_eq!(pod.condition("Ready").0, "False");
    assert_ne!(pod.state.conditions["Ready"].1, since);
}

#[test]
fn a_start_lasts_until_the_first_answer_of_a_probe_if_the_address_was_reserved() {
    let probe = json!({"tcpSocket": {"port": 1}});
    let at = |address: &str| [(8080, address.parse().unwrap())].into();
    let started = |spec: Value, addresses| {
        let (mut pod, _) = Harness::new(pod(one(spec)));
        assert!(pod.state.is_starting(), "from the launch on");
        let run = Launched { addresses, ..launched("a") };
        pod.step(Event::Started { container: 0, run });
        pod
    };
    let mut slow = started(json!({"readinessProbe": probe}), at("127.0.0.1:4321"));
    slow.probed(ProbeKind::Liveness, Verdict::Passed);
    assert!(slow.state.is_starting());
    slow.probed(ProbeKind::Readiness, Verdict::Failing);
    assert!(!slow.state.is_starting());
    let both = json!({"startupProbe": probe, "readinessProbe": probe});
    let mut ready = started(both, at("127.0.0.1:4321"));
    ready.probed(ProbeKind::Startup, Verdict::Passed);
    assert!(ready.state.is_starting());
    ready.probed(ProbeKind::Readiness, Verdict::Passed);
    assert!(!ready.state.is_starting());
    ready.probed(ProbeKind::Readiness, Verdict::Failed);
    assert!(!ready.state.is_starting(), "it had started");
    // Nothing else says where it is, so nothing waits.
    let by_ip = started(json!({"readinessProbe": probe}), BTreeMap::new());
    assert!(!by_ip.state.is_starting());
    assert!(!started(json!({}), at("127.0.0.1:4321")).state.is_starting(), "ready at once");
}

#[test]
fn other_probes_wait_for_the_startup_probe() {
    let probe = json!({"tcpSocket": {"port": 1}});
    let (mut pod, _) = Harness::new(pod(one(
        json!({"startupProbe": probe, "readinessProbe": probe, "livenessProbe": probe}),
    )));
    assert!(pod.start("a").ends_with("Started container user\nProbe(0, Startup)"));
    let effects = pod.probed(ProbeKind::Startup, Verdict::Passed);
    assert_eq!(effects, "Probe(0, Readiness)\nProbe(0, Liveness)");
    assert_eq!(pod.summary(), "Running running ready=false restarts=0");
}

#[test]
fn a_scripted_container_is_not_probed_and_waits_for_its_script() {
    let probe = json!({"tcpSocket": {"port": 1}});
    let (mut pod, _) = Harness::new(pod(one(json!({"livenessProbe": probe}))));
    let run = Launched { scripted: true, ..launched("fake://1") };
    let effects = pod.step(Event::Started { container: 0, run });
    assert!(!effects.contains("Probe("), "{effects}");
    assert_eq!(pod.summary(), "Running running ready=false restarts=0");
    pod.probed(ProbeKind::Readiness, Verdict::Passed);
    assert_eq!(pod.summary(), "Running running ready=true restarts=0");
}

#[test]
fn a_failed_liveness_probe_restarts_the_container_within_its_grace() {
    let (mut pod, _) = Harness::new(pod(one(json!({"livenessProbe": {
        "tcpSocket": {"port": 1}, "terminationGracePeriodSeconds": 4,
    }}))));
    pod.start("a");
    assert_eq!(
        pod.probed(ProbeKind::Liveness, Verdict::Failed),
        "Unhealthy: Liveness probe failed: no\n\
         Killing: Container user failed liveness probe, will be restarted\n\
         StopProbes(0)\n\
         Signal(0, Term)"
    );
    assert_eq!(pod.wait(), (4, "Signal(0, Kill)".to_owned()));
    assert_eq!(pod.exit(137), "StopProbes(0)\nRemove(\"a\")\nLaunch(0)");
    pod.start("b");
    assert_eq!(pod.summary(), "Running running ready=true restarts=1");
    let status = &pod.status().container_statuses.unwrap()[0];
    let last = status.last_state.clone().unwrap().terminated.unwrap();
    assert_eq!((last.exit_code, last.container_id.as_deref()), (137, Some("a")));
}

#[test]
fn a_program_that_keeps_exiting_is_in_crash_loop_back_off() {
    let (mut pod, _) = Harness::new(pod(one(json!({}))));
    pod.start("a");
    assert!(pod.exit(1).ends_with("Launch(0)"), "the first restart is at once");
    pod.start("b");
    assert_eq!(
        pod.exit(3),
        "StopProbes(0)\nRemove(\"b\")\n\
         BackOff: Back-off restarting failed container user in pod hello-7_demo(u-3)"
    );
    assert_eq!(pod.summary(), "Running CrashLoopBackOff ready=false restarts=1");
    let state = pod.status().container_statuses.unwrap()[0].state.clone().unwrap();
    assert_eq!(
        state.waiting.unwrap().message.unwrap(),
        "back-off 10s restarting failed container=user pod=hello-7_demo(u-3)"
    );
    assert_eq!(pod.wait(), (10, "Launch(0)".to_owned()));
    for want in [20, 40, 80] {
        pod.start("c");
        pod.exit(1);
        assert_eq!(pod.wait().0, want);
    }
    assert_eq!(pod.summary(), "Running ContainerCreating ready=false restarts=5");
}

#[test]
fn an_oom_kill_is_named_as_the_reason() {
    let (mut pod, _) = Harness::new(pod(one(json!({}))));
    pod.start("a");
    let exit = Exit { code: 137, oom_killed: true, message: None };
    pod.step(Event::Exited { container: 0, exit });
    let status = &pod.status().container_statuses.unwrap()[0];
    let last = status.last_state.clone().unwrap().terminated.unwrap();
    assert_eq!((last.exit_code, last.reason.as_deref()), (137, Some("OOMKilled")));
}

#[test]
fn restart_policies_end_pods_as_kubernetes_says() {
    for (policy, code, want) in [
        ("Never", 0, "Succeeded Completed 0 ready=false restarts=0"),
        ("Never", 2, "Failed Error 2 ready=false restarts=0"),
        ("OnFailure", 0, "Succeeded Completed 0 ready=false restarts=0"),
        ("OnFailure", 2, "Running ContainerCreating ready=false restarts=1"),
        ("Always", 0, "Running ContainerCreating ready=false restarts=1"),
    ] {
        let mut spec = one(json!({}));
        spec["restartPolicy"] = json!(policy);
        let (mut pod, _) = Harness::new(pod(spec));
        pod.start("a");
        pod.exit(code);
        assert_eq!(pod.summary(), want, "{policy} {code}");
    }
}

#[test]
fn a_missing_image_is_pulled_and_a_failed_pull_backs_off() {
    let (mut pod, _) = Harness::new(pod(one(json!({}))));
    assert_eq!(pod.step(Event::ImageMissing(0)), "Pulling: Pulling image \"app:1\"\nPull(0)");
    let failed = || Event::PullFailed { container: 0, message: "not found".to_owned() };
    assert_eq!(
        pod.step(failed()),
        "Failed: Failed to pull image \"app:1\": not found\nFailed: Error: ErrImagePull"
    );
    assert_eq!(pod.summary(), "Pending ErrImagePull ready=false restarts=0");
    let (seconds, effects) = pod.wait();
    assert_eq!(
        (seconds, effects.as_str()),
        (2, "BackOff: Back-off pulling image \"app:1\"\nFailed: Error: ImagePullBackOff")
    );
    assert_eq!(pod.summary(), "Pending ImagePullBackOff ready=false restarts=0");
    assert_eq!(pod.wait(), (8, "Launch(0)".to_owned()), "ten seconds after the failure");
    pod.step(Event::ImageMissing(0));
    pod.step(failed());
    pod.wait();
    assert_eq!(pod.wait().0, 18);
    pod.step(Event::ImageMissing(0));
    let took = Duration::from_millis(1200);
    let effects = pod.step(Event::Pulled { container: 0, took, size: 77 });
    assert!(effects.contains("Successfully pulled image \"app:1\" in 1200ms"), "{effects}");
    assert!(effects.ends_with("Launch(0)"), "{effects}");
    assert!(!pod.start("a").contains("already present"), "it was just pulled");
    assert_eq!(pod.summary(), "Running running ready=true restarts=0");
}

#[test]
fn a_pull_policy_of_never_is_named_in_the_reason() {
    let (mut pod, _) = Harness::new(pod(one(json!({"imagePullPolicy": "Never"}))));
    assert_eq!(
        pod.step(Event::ImageMissing(0)),
        "ErrImageNeverPull: Container image \"app:1\" is not present with pull policy of Never\n\
         Failed: Error: ErrImageNeverPull"
    );
    assert_eq!(pod.summary(), "Pending ErrImageNeverPull ready=false restarts=0");
}

#[test]
fn a_missing_config_map_is_a_config_error_that_is_retried() {
    let (mut pod, _) = Harness::new(pod(one(json!({}))));
    let refused = Event::Refused {
        container: 0,
        reason: "CreateContainerConfigError",
        message: "configmap \"x\" not found".to_owned(),
    };
    assert_eq!(pod.step(refused), "Failed: Error: configmap \"x\" not found");
    assert_eq!(pod.summary(), "Pending CreateContainerConfigError ready=false restarts=0");
    assert_eq!(pod.wait().1, "Launch(0)");
    pod.start("a");
    assert_eq!(pod.summary(), "Running running ready=true restarts=0", "no restart was counted");
}

#[test]
fn a_command_that_cannot_be_started_is_a_run_container_error() {
    let (mut pod, _) = Harness::new(pod(one(json!({}))));
    let failed = || Event::StartFailed { container: 0, message: "no such file".to_owned() };
    assert_eq!(pod.step(failed()), "Failed: Error: no such file\nLaunch(0)");
    pod.step(failed());
    assert_eq!(pod.summary(), "Running RunContainerError ready=false restarts=1");
    assert_eq!(pod.wait().0, 10);
}

#[test]
fn init_containers_run_one_after_the_other_before_the_rest() {
    let spec = json!({
        "initContainers": [{"name": "first", "image": "i:1"}],
        "containers": [{"name": "user", "image": "app:1"}],
    });
    let (mut pod, effects) = Harness::new(pod(spec));
    assert_eq!(effects, "Launch(0)");
    pod.start("a");
    assert_eq!(
        pod.condition("Initialized"),
        (
            "False".to_owned(),
            Some("ContainersNotInitialized".to_owned()),
            Some("containers with incomplete status: [first]".to_owned())
        )
    );
    assert_eq!(pod.summary(), "Pending PodInitializing ready=false restarts=0");
    assert_eq!(pod.exit(0), "StopProbes(0)\nRemove(\"a\")\nLaunch(1)");
    assert_eq!(pod.condition("Initialized").0, "True");
}

/// A sidecar, an init container after it, and the container of the work.
fn with_sidecar(restart_policy: &str, probe: Value) -> Pod {
    let mut sidecar = json!({"name": "log", "image": "i:1", "restartPolicy": "Always"});
    sidecar.as_object_mut().unwrap().extend(probe.as_object().unwrap().clone());
    pod(json!({
        "restartPolicy": restart_policy,
        "initContainers": [sidecar, {"name": "init", "image": "i:1"}],
        "containers": [{"name": "user", "image": "app:1"}],
    }))
}

fn exits(container: usize, code: i32) -> Event {
    Event::Exited { container, exit: Exit { code, oom_killed: false, message: None } }
}

fn starts(container: usize, id: &str) -> Event {
    Event::Started { container, run: launched(id) }
}

#[test]
fn a_sidecar_is_started_before_what_follows_it_and_runs_on() {
    let startup = json!({"startupProbe": {"tcpSocket": {"port": 1}}});
    let (mut pod, effects) = Harness::new(with_sidecar("Always", startup));
    assert_eq!(effects, "Launch(0)");
    assert!(pod.step(starts(0, "a")).ends_with("Probe(0, Startup)"));
    assert_eq!(pod.status().phase.as_deref(), Some("Pending"));
    assert_eq!(pod.probed(ProbeKind::Startup, Verdict::Passed), "Launch(1)");
    pod.step(starts(1, "b"));
    assert!(pod.step(exits(1, 0)).ends_with("Launch(2)"));
    pod.step(starts(2, "c"));
    assert_eq!(pod.condition("Ready").0, "True");
    let listed = |statuses: Option<Vec<k8s_openapi::api::core::v1::ContainerStatus>>| {
        statuses.unwrap().into_iter().map(|status| status.name).collect::<Vec<_>>()
    };
    assert_eq!(listed(pod.status().init_container_statuses), ["log", "init"]);
    assert_eq!(listed(pod.status().container_statuses), ["user"]);
    // It is restarted, also when it succeeds; the others go on, and the pod is not ready meanwhile.
    assert_eq!(pod.step(exits(0, 0)), "StopProbes(0)\nRemove(\"a\")\nLaunch(0)");
    assert_eq!(pod.condition("Ready").0, "False");
    assert_eq!(pod.condition("Initialized").0, "True");
    assert_eq!(pod.status().phase.as_deref(), Some("Running"));
}

#[test]
fn a_sidecar_ends_after_the_others_when_its_pod_is_deleted() {
    let (mut pod, _) = Harness::new(with_sidecar("Always", json!({})));
    for (at, id) in [(0, "a"), (1, "b")] {
        pod.step(starts(at, id));
    }
    pod.step(exits(1, 0));
    pod.step(starts(2, "c"));
    let effects = pod.delete(30) + "\n" + &pod.step(Event::Drained);
    assert!(effects.ends_with("\nSignal(2, Term)"), "{effects}");
    assert_eq!(pod.step(exits(2, 0)), "StopProbes(2)\nRemove(\"c\")\nSignal(0, Term)");
    assert_eq!(pod.step(exits(0, 0)), "StopProbes(0)\nRemove(\"a\")\nFinish");
}

#[test]
fn a_sidecar_ends_with_the_work_of_a_pod_that_is_not_restarted() {
    let (mut pod, _) = Harness::new(with_sidecar("Never", json!({})));
    for (at, id) in [(0, "a"), (1, "b")] {
        pod.step(starts(at, id));
    }
    pod.step(exits(1, 0));
    pod.step(starts(2, "c"));
    assert_eq!(pod.step(exits(2, 0)), "StopProbes(2)\nRemove(\"c\")\nSignal(0, Term)");
    assert_eq!(pod.status().phase.as_deref(), Some("Running"));
    assert_eq!(pod.wait(), (30, "Signal(0, Kill)".to_owned()));
    assert_eq!(pod.step(exits(0, 137)), "StopProbes(0)\nRemove(\"a\")");
    assert_eq!(pod.status().phase.as_deref(), Some("Succeeded"));
}

#[test]
fn init_containers_run_again_with_the_next_run_of_the_platform() {
    let mut before = with_sidecar("Always", json!({}));
    let ended = json!({"terminated": {"exitCode": 0, "reason": "Completed"}});
    before.status = serde_json::from_value(json!({
        "phase": "Running",
        "initContainerStatuses": [
            {"name": "log", "image": "", "imageID": "", "ready": true, "restartCount": 0, "state": {"running": {}}},
            {"name": "init", "image": "", "imageID": "", "ready": true, "restartCount": 0, "state": ended},
        ],
    }))
    .unwrap();
    let (mut pod, effects) = Harness::new(before);
    assert_eq!(effects, "Launch(0)");
    assert_eq!(pod.step(starts(0, "a")).lines().last(), Some("Launch(1)"));
    assert_eq!(pod.status().init_container_statuses.unwrap()[1].restart_count, 1);
}

#[test]
fn hooks_that_are_not_run_are_named() {
    let hook = json!({"exec": {"command": ["x"]}});
    let (mut pod, _) =
        Harness::new(pod(one(json!({"lifecycle": {"preStop": hook, "postStart": hook}}))));
    assert!(pod.start("a").contains("FailedPostStartHook: the postStart hook is not run"));
    assert!(pod.delete(9).contains("FailedPreStopHook: the preStop hook is not run"));
}

#[test]
fn deletion_sleeps_then_terminates_then_kills_then_removes_the_object() {
    let (mut pod, _) =
        Harness::new(pod(one(json!({"lifecycle": {"preStop": {"sleep": {"seconds": 5}}}}))));
    pod.start("a");
    assert_eq!(pod.delete(20), "Drain\nKilling: Stopping container user");
    assert_eq!(pod.step(Event::Drained), "");
    assert_eq!(pod.wait(), (5, "Signal(0, Term)".to_owned()));
    assert_eq!(pod.wait(), (15, "Signal(0, Kill)".to_owned()));
    assert_eq!(pod.state.wake_at(), None);
    assert_eq!(pod.exit(137), "StopProbes(0)\nRemove(\"a\")\nFinish");
    assert_eq!(pod.summary(), "Failed Error 137 ready=false restarts=0");
}

#[test]
fn a_deleted_pod_that_ends_on_sigterm_is_gone_at_once() {
    let (mut pod, _) = Harness::new(pod(one(json!({}))));
    pod.start("a");
    assert_eq!(pod.delete(30), "Drain\nKilling: Stopping container user");
    assert_eq!(pod.step(Event::Drained), "Signal(0, Term)");
    assert_eq!(pod.exit(0), "StopProbes(0)\nRemove(\"a\")\nFinish");
    assert_eq!(pod.summary(), "Succeeded Completed 0 ready=false restarts=0");
}

#[test]
fn a_deleted_pod_keeps_its_requests_until_the_grace_is_over() {
    let (mut pod, _) = Harness::new(pod(one(json!({}))));
    pod.start("a");
    pod.delete(20);
    assert_eq!(pod.wait(), (20, "Signal(0, Term)".to_owned()));
    assert_eq!(pod.wait(), (2, "Signal(0, Kill)".to_owned()));
}

/// The wall time may be set, and goes on while the machine sleeps.
#[test]
fn a_jump_of_the_wall_time_neither_shortens_a_grace_nor_lengthens_it() {
    for hours in [-24, 24] {
        let (mut pod, _) = Harness::new(pod(one(json!({}))));
        pod.start("a");
        pod.delete(20);
        pod.now.wall += jiff::SignedDuration::from_hours(hours);
        assert_eq!(pod.after(19), "");
        assert_eq!(pod.after(1), "Signal(0, Term)");
        let ended_at = pod.now.wall;
        pod.exit(0);
        let status = &pod.status().container_statuses.unwrap()[0];
        let ended = status.state.as_ref().unwrap().terminated.as_ref().unwrap();
        assert_eq!(
            ended.finished_at.as_ref().unwrap().0,
            ended_at,
            "written times are of the wall"
        );
    }
}

#[test]
fn no_request_is_waited_for_when_the_object_or_the_platform_is_gone() {
    for event in [Event::Gone, Event::Halt] {
        let (mut pod, _) = Harness::new(pod(one(json!({}))));
        pod.start("a");
        pod.delete(20);
        assert!(pod.step(event).starts_with("Signal(0, Term)"));
    }
}

#[test]
fn a_pod_that_runs_nothing_is_removed_at_its_deletion() {
    let (mut pod, _) = Harness::new(pod(one(json!({}))));
    pod.step(Event::ImageMissing(0));
    assert_eq!(pod.delete(30), "Finish");
}

#[test]
fn a_container_that_starts_while_its_pod_is_deleted_is_stopped() {
    let (mut pod, _) = Harness::new(pod(one(json!({}))));
    assert_eq!(pod.delete(30), "Drain", "the launch is under way");
    assert!(!pod.start("a").contains("Signal"));
    assert_eq!(pod.step(Event::Drained), "Signal(0, Term)");
    assert_eq!(pod.exit(143), "StopProbes(0)\nRemove(\"a\")\nFinish");
}

#[test]
fn a_second_deletion_with_less_grace_shortens_the_first() {
    let (mut pod, _) = Harness::new(pod(one(json!({}))));
    pod.start("a");
    pod.delete(30);
    pod.step(Event::Drained);
    assert_eq!(pod.delete(1), "");
    assert_eq!(pod.wait(), (1, "Signal(0, Kill)".to_owned()));
}

#[test]
fn an_object_that_vanished_takes_its_containers_with_it() {
    let (mut pod, _) = Harness::new(pod(one(json!({}))));
    pod.start("a");
    let effects = pod.step(Event::Gone);
    assert!(effects.ends_with("Signal(0, Term)\nSignal(0, Kill)"), "{effects}");
    assert_eq!(pod.exit(137), "StopProbes(0)\nRemove(\"a\")\nForget");
}

#[test]
fn the_end_of_the_platform_leaves_the_object() {
    let (mut pod, _) = Harness::new(pod(one(json!({}))));
    pod.start("a");
    assert!(pod.step(Event::Halt).ends_with("Signal(0, Term)"));
    assert_eq!(pod.wait(), (5, "Signal(0, Kill)".to_owned()));
    assert_eq!(pod.exit(137), "StopProbes(0)\nRemove(\"a\")\nForget");
}

#[test]
fn a_pod_of_an_earlier_run_starts_again_as_a_restart() {
    let mut before = pod(one(json!({})));
    before.status = serde_json::from_value(json!({
        "phase": "Running", "startTime": "2026-01-01T00:00:00Z",
        "containerStatuses": [{
            "name": "user", "image": "app:1", "imageID": "", "ready": true, "restartCount": 2,
            "containerID": "process://1", "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}},
        }],
    }))
    .unwrap();
    let (mut pod, effects) = Harness::new(before);
    assert_eq!(effects, "Launch(0)");
    assert_eq!(pod.condition("Ready").0, "False", "what ran is gone");
    pod.start("process://2");
    assert_eq!(pod.summary(), "Running running ready=true restarts=3");
    assert_eq!(pod.status().start_time.unwrap().0.to_string(), "2026-01-01T00:00:00Z");
}

#[test]
fn a_pod_whose_work_was_done_is_left_alone_until_it_is_deleted() {
    let mut before = pod(one(json!({})));
    before.status = serde_json::from_value(json!({"phase": "Succeeded"})).unwrap();
    let (mut pod, effects) = Harness::new(before);
    assert_eq!(effects, "");
    assert_eq!(pod.delete(30), "Finish");
}

#[test]
fn a_program_that_ignores_port_is_named_in_the_condition() {
    let (mut pod, _) = Harness::new(pod(one(json!({}))));
    pod.start("a");
    let message = Some("listens on 9, not on PORT=8".to_owned());
    let event = || Event::PortIgnored { container: 0, message: message.clone() };
    assert_eq!(pod.step(event()), "PortIgnored: listens on 9, not on PORT=8");
    assert_eq!(pod.step(event()), "", "said once");
    assert_eq!(
        pod.condition("Ready"),
        (
            "False".to_owned(),
            Some("PortIgnored".to_owned()),
            Some("containers with unready status: [user]: listens on 9, not on PORT=8".to_owned())
        )
    );
    pod.step(Event::PortIgnored { container: 0, message: None });
    assert_eq!(pod.condition("Ready").0, "True");
}

#[test]
fn readiness_gates_of_others_are_kept_and_heeded() {
    let mut spec = one(json!({}));
    spec["readinessGates"] = json!([{"conditionType": "example.com/on"}]);
    let mut with = pod(spec);
    with.status = serde_json::from_value(json!({
        "conditions": [{"type": "example.com/on", "status": "False"}],
    }))
    .unwrap();
    let (mut pod, _) = Harness::new(with);
    pod.start("a");
    assert_eq!(pod.condition("ContainersReady").0, "True");
    assert_eq!(pod.condition("Ready").1.as_deref(), Some("ReadinessGatesNotReady"));
    assert_eq!(pod.condition("example.com/on").0, "False");
}

#[test]
fn quality_of_service_follows_from_the_resources() {
    for (resources, want) in [
        (json!({}), "BestEffort"),
        (json!({"requests": {"cpu": "1"}}), "Burstable"),
        (json!({"limits": {"cpu": "1", "memory": "1Gi"}}), "Guaranteed"),
        (json!({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "0.5"}}), "Burstable"),
    ] {
        let pod = pod(one(json!({"resources": resources})));
        assert_eq!(status::qos_class(&pod), want, "{resources}");
    }
}

#[test]
fn settings_that_are_not_enforced_are_a_condition_while_there_are_any() {
    let (mut pod, _) = Harness::new(pod(one(json!({}))));
    let run = Launched { not_enforced: vec!["a".to_owned(), "b".to_owned()], ..launched("1") };
    let events = pod.step(Event::Started { container: 0, run });
    assert!(events.contains("NotEnforced: a") && events.contains("NotEnforced: b"), "{events}");
    let (status, reason, message) = pod.condition("rouse.dev/Enforced");
    assert_eq!(status, "False");
    assert_eq!((reason.as_deref(), message.as_deref()), (Some("NotEnforced"), Some("a; b")));
    pod.exit(1);
    pod.start("2");
    let conditions = pod.status().conditions.unwrap();
    assert!(conditions.iter().all(|condition| condition.type_ != "rouse.dev/Enforced"));
}
