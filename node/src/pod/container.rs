//! One container of a pod: what each happening does to it.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container as Spec, ContainerStateTerminated, Pod};

use super::{CONFIG_RETRY, Effect, Index, Launched, Note, PodState};
use crate::backoff::Backoff;
use crate::probe::{ProbeKind, Verdict};
use crate::runtime::{Exit, Signal};

/// Exit code of a container whose end nobody saw, as the kubelet says it.
const UNSEEN_EXIT_CODE: i32 = 137;
/// Exit code of a container that could not be started, as container runtimes say it.
const NOT_STARTED_EXIT_CODE: i32 = 128;
/// How long a failed pull is called ErrImagePull before it is called a back-off.
const FAILURE_SHOWN: Duration = Duration::from_secs(2);

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Run {
    /// Not running. Started at `until`, or as soon as the pod may.
    Waiting {
        reason: &'static str,
        message: Option<String>,
        until: Option<Timestamp>,
    },
    Launching,
    Pulling,
    Running {
        id: String,
        since: Timestamp,
        kill_at: Option<Timestamp>,
    },
    Ended(Box<ContainerStateTerminated>),
}

#[derive(Clone, Debug)]
pub(crate) struct Container {
    pub(crate) name: String,
    pub(crate) image: String,
    pub(crate) init: bool,
    pub(crate) run: Run,
    pub(crate) restarts: i32,
    pub(crate) last: Option<Box<ContainerStateTerminated>>,
    pub(crate) id: Option<String>,
    pub(crate) image_id: String,
    /// The startup probe passed, or there is none.
    pub(crate) started: bool,
    pub(crate) ready: bool,
    /// It runs, and no probe has said yet whether it is ready.
    pub(crate) fresh: bool,
    /// Why it cannot be used though it runs.
    pub(crate) complaint: Option<String>,
    /// An image was pulled for this start, so `Pulled` was already said.
    pulled: bool,
    /// It ended, so its next launch counts as a restart.
    restart_due: bool,
    probes: Probes,
    /// There is nothing to probe: it says itself when it is ready.
    scripted: bool,
    crash: Backoff,
    pull: Backoff,
}

/// Which probes the spec has.
#[derive(Clone, Copy, Debug, Default)]
struct Probes {
    startup: bool,
    readiness: bool,
    liveness: bool,
}

/// All containers of a pod. One that ran under an earlier agent ended with it.
pub(super) fn of_pod(pod: &Pod, now: Timestamp) -> Vec<Container> {
    let Some(spec) = pod.spec.as_ref() else { return Vec::new() };
    // One that goes on beside the others (a sidecar) is one of them.
    let is_first = |spec: &Spec| spec.restart_policy.as_deref() != Some("Always");
    let init = spec.init_containers.iter().flatten().map(|spec| (spec, is_first(spec)));
    let apps = spec.containers.iter().map(|spec| (spec, false));
    init.chain(apps).map(|(spec, init)| taken_over(pod, spec, init, now)).collect()
}

fn taken_over(pod: &Pod, spec: &Spec, init: bool, now: Timestamp) -> Container {
    let mut container = Container::new(spec, init);
    let status = pod.status.as_ref();
    let statuses = status.and_then(|status| match init {
        true => status.init_container_statuses.as_ref(),
        false => status.container_statuses.as_ref(),
    });
    let Some(before) = statuses.into_iter().flatten().find(|s| s.name == spec.name) else {
        return container;
    };
    container.restarts = before.restart_count;
    container.last = before.last_state.as_ref().and_then(|s| s.terminated.clone()).map(Box::new);
    let Some(state) = &before.state else { return container };
    let unseen = state.running.as_ref().map(|running| ContainerStateTerminated {
        exit_code: UNSEEN_EXIT_CODE,
        reason: Some("ContainerStatusUnknown".to_owned()),
        message: Some("the container ended with the node agent that had started it".to_owned()),
        started_at: running.started_at.clone(),
        finished_at: Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(now)),
        container_id: before.container_id.clone(),
        ..ContainerStateTerminated::default()
    });
    if let Some(ended) = unseen.as_ref().or(state.terminated.as_ref()) {
        let policy = pod.spec.as_ref().and_then(|spec| spec.restart_policy.as_deref());
        if restarts_after(policy.unwrap_or("Always"), init, ended.exit_code) {
            container.last = Some(Box::new(ended.clone()));
            container.restarts += 1;
        } else {
            container.run = Run::Ended(Box::new(ended.clone()));
        }
    }
    container
}

fn restarts_after(policy: &str, init: bool, exit_code: i32) -> bool {
    match policy {
        "Never" => false,
        "OnFailure" => exit_code != 0,
        // Always; an init container that did its work is not done again.
        _ => !init || exit_code != 0,
    }
}

impl Container {
    fn new(spec: &Spec, init: bool) -> Self {
        Self {
            name: spec.name.clone(),
            image: spec.image.clone().unwrap_or_default(),
            init,
            run: Run::Waiting { reason: waiting_word(init), message: None, until: None },
            restarts: 0,
            last: None,
            id: None,
            image_id: String::new(),
            started: false,
            ready: false,
            fresh: false,
            complaint: None,
            pulled: false,
            restart_due: false,
            probes: Probes {
                startup: spec.startup_probe.is_some() && !init,
                readiness: spec.readiness_probe.is_some() && !init,
                liveness: spec.liveness_probe.is_some() && !init,
            },
            scripted: false,
            crash: Backoff::default(),
            pull: Backoff::default(),
        }
    }

    pub(super) fn has_succeeded(&self) -> bool {
        matches!(&self.run, Run::Ended(ended) if ended.exit_code == 0)
    }

    pub(crate) fn is_up(&self) -> bool {
        matches!(self.run, Run::Launching | Run::Running { .. })
    }

    pub(super) fn launch(&mut self, effects: &mut Vec<Effect>, at: Index) {
        if std::mem::take(&mut self.restart_due) {
            self.restarts += 1;
        }
        self.run = Run::Launching;
        effects.push(Effect::Launch(at));
    }

    pub(super) fn forget_kill(&mut self) {
        if let Run::Running { kill_at, .. } = &mut self.run {
            *kill_at = None;
        }
    }

    /// The kubelet says ErrImagePull at the failure and ImagePullBackOff while it waits.
    pub(super) fn back_off_pull(&mut self, at: Index, now: Timestamp, out: &mut Vec<Effect>) {
        let Run::Waiting { message: Some(why), .. } = &self.run else { return };
        let image = &self.image;
        let message = format!("Back-off pulling image {image:?}: ErrImagePull: {why}");
        out.push(note("BackOff", format!("Back-off pulling image {image:?}"), at));
        out.push(warning("Failed", "Error: ImagePullBackOff".to_owned(), at));
        let wait = self.pull.after_failure().saturating_sub(FAILURE_SHOWN);
        self.wait("ImagePullBackOff", Some(message), now + wait);
    }

    fn wait(&mut self, reason: &'static str, message: Option<String>, until: Timestamp) {
        self.run = Run::Waiting { reason, message, until: Some(until) };
    }
}

/// The word for a container that has not been tried yet.
fn waiting_word(init: bool) -> &'static str {
    if init { "PodInitializing" } else { "ContainerCreating" }
}

impl PodState {
    pub(super) fn image_missing(&mut self, at: Index, now: Timestamp, out: &mut Vec<Effect>) {
        if self.ending.is_some() {
            self.containers[at].wait("ContainerCreating", None, now);
            return;
        }
        let image = self.containers[at].image.clone();
        if self.pull_policy(at) == "Never" {
            let message =
                format!("Container image {image:?} is not present with pull policy of Never");
            let until = now + self.containers[at].pull.after_failure();
            out.push(warning("ErrImageNeverPull", message.clone(), at));
            out.push(warning("Failed", "Error: ErrImageNeverPull".to_owned(), at));
            self.containers[at].wait("ErrImageNeverPull", Some(message), until);
            return;
        }
        self.containers[at].run = Run::Pulling;
        out.push(note("Pulling", format!("Pulling image {image:?}"), at));
        out.push(Effect::Pull(at));
    }

    fn pull_policy(&self, at: Index) -> &str {
        self.spec_of(at).and_then(|spec| spec.image_pull_policy.as_deref()).unwrap_or("")
    }

    pub(crate) fn spec_of(&self, at: Index) -> Option<&Spec> {
        let spec = self.pod.spec.as_ref()?;
        let init = spec.init_containers.as_deref().unwrap_or_default();
        init.get(at).or_else(|| spec.containers.get(at.checked_sub(init.len())?))
    }

    pub(super) fn pulled(&mut self, at: Index, took: Duration, size: u64, out: &mut Vec<Effect>) {
        let container = &mut self.containers[at];
        container.pull = Backoff::default();
        container.pulled = true;
        let (image, took) = (&container.image, took.as_millis());
        let message = format!(
            "Successfully pulled image {image:?} in {took}ms ({took}ms including waiting). \
             Image size: {size} bytes."
        );
        out.push(note("Pulled", message, at));
        // Back through the same door: whatever else the launch needs is looked at again.
        if self.ending.is_none() {
            self.containers[at].run = Run::Launching;
            out.push(Effect::Launch(at));
        }
    }

    pub(super) fn pull_failed(
        &mut self,
        at: Index,
        why: &str,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) {
        let container = &mut self.containers[at];
        let image = &container.image;
        let message = format!("Failed to pull image {image:?}: {why}");
        out.push(warning("Failed", message, at));
        out.push(warning("Failed", "Error: ErrImagePull".to_owned(), at));
        container.wait("ErrImagePull", Some(why.to_owned()), now + FAILURE_SHOWN);
    }

    pub(super) fn refused(
        &mut self,
        at: Index,
        reason: &'static str,
        message: String,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) {
        if self.ending.is_some() {
            self.containers[at].wait("ContainerCreating", None, now);
            return;
        }
        let event = if reason == "FailedMount" { "FailedMount" } else { "Failed" };
        let text = if event == "Failed" { format!("Error: {message}") } else { message.clone() };
        out.push(warning(event, text, at));
        let container = &mut self.containers[at];
        let reason = if event == "FailedMount" { "ContainerCreating" } else { reason };
        container.wait(reason, Some(message), now + CONFIG_RETRY);
    }

    pub(super) fn started(
        &mut self,
        at: Index,
        run: Launched,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) {
        self.ip = run.ip.or(self.ip);
        self.addresses.extend(run.addresses);
        let container = &mut self.containers[at];
        let (name, image) = (&container.name, &container.image);
        if !std::mem::take(&mut container.pulled) {
            let message = format!("Container image {image:?} already present on machine");
            out.push(note("Pulled", message, at));
        }
        out.push(note("Created", format!("Created container: {name}"), at));
        out.push(note("Started", format!("Started container {name}"), at));
        let post_start =
            self.spec_of(at).and_then(|spec| spec.lifecycle.as_ref()?.post_start.as_ref());
        if post_start.is_some() {
            let message = "the postStart hook is not run: this node agent has none".to_owned();
            out.push(warning("FailedPostStartHook", message, at));
        }
        let container = &mut self.containers[at];
        let scripted = run.scripted;
        for message in run.not_enforced.into_iter().filter(|_| container.restarts == 0) {
            out.push(warning("NotEnforced", message, at));
        }
        container.id = Some(run.id.clone());
        container.image_id = run.image_id;
        container.complaint = None;
        container.run = Run::Running { id: run.id, since: now, kill_at: None };
        if self.ending.is_some() {
            // Deleted while it started: what the others already got, it gets now.
            self.term_late(at, out);
            return;
        }
        container.scripted = scripted;
        container.probes.readiness |= scripted;
        container.started = !container.probes.startup;
        container.ready = container.started && !container.probes.readiness;
        container.fresh = !container.ready;
        match (container.probes.startup, scripted) {
            (_, true) => {}
            (true, false) => out.push(Effect::Probe(at, ProbeKind::Startup)),
            (false, false) => self.probe_running(at, out),
        }
    }

    fn probe_running(&self, at: Index, out: &mut Vec<Effect>) {
        let probes = self.containers[at].probes;
        if probes.readiness {
            out.push(Effect::Probe(at, ProbeKind::Readiness));
        }
        if probes.liveness {
            out.push(Effect::Probe(at, ProbeKind::Liveness));
        }
    }

    pub(super) fn start_failed(
        &mut self,
        at: Index,
        message: String,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) {
        out.push(warning("Failed", format!("Error: {message}"), at));
        let ended = ContainerStateTerminated {
            exit_code: NOT_STARTED_EXIT_CODE,
            reason: Some("StartError".to_owned()),
            message: Some(message.clone()),
            started_at: Some(time(now)),
            finished_at: Some(time(now)),
            ..ContainerStateTerminated::default()
        };
        self.ended(at, ended, Duration::ZERO, now, out);
        if let Run::Waiting { reason, message: waiting, .. } = &mut self.containers[at].run {
            *reason = "RunContainerError";
            *waiting = Some(message);
        }
    }

    pub(super) fn exited(&mut self, at: Index, exit: Exit, now: Timestamp, out: &mut Vec<Effect>) {
        let container = &mut self.containers[at];
        let Run::Running { id, since, .. } = &container.run else { return };
        let ran = Duration::try_from(now.duration_since(*since)).unwrap_or_default();
        let reason = match (exit.oom_killed, exit.code) {
            (true, _) => "OOMKilled",
            (false, 0) => "Completed",
            (false, _) => "Error",
        };
        let ended = ContainerStateTerminated {
            container_id: Some(id.clone()),
            exit_code: exit.code,
            reason: Some(reason.to_owned()),
            message: exit.message,
            started_at: Some(time(*since)),
            finished_at: Some(time(now)),
            ..ContainerStateTerminated::default()
        };
        out.push(Effect::StopProbes(at));
        out.push(Effect::Remove(id.clone()));
        self.ended(at, ended, ran, now, out);
    }

    /// What follows from an end: a restart now, a restart later, or none.
    fn ended(
        &mut self,
        at: Index,
        ended: ContainerStateTerminated,
        ran: Duration,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) {
        let restarts =
            restarts_after(self.restart_policy(), self.containers[at].init, ended.exit_code);
        let pod = self.reference();
        let container = &mut self.containers[at];
        container.started = false;
        container.ready = false;
        container.fresh = false;
        container.complaint = None;
        if self.ending.is_some() || !restarts {
            container.run = Run::Ended(Box::new(ended));
            return;
        }
        container.last = Some(Box::new(ended));
        container.restart_due = true;
        let wait = container.crash.after_exit(ran);
        let name = &container.name;
        if wait.is_zero() {
            container.launch(out, at);
            return;
        }
        let seconds = container.crash.last();
        let seconds = go_duration(seconds);
        let message = format!("back-off {seconds} restarting failed container={name} pod={pod}");
        out.push(warning(
            "BackOff",
            format!("Back-off restarting failed container {name} in pod {pod}"),
            at,
        ));
        container.wait("CrashLoopBackOff", Some(message), now + wait);
    }

    pub(super) fn probed(
        &mut self,
        at: Index,
        (kind, verdict): (ProbeKind, Verdict),
        message: &str,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) {
        let grace = self.probe_grace(at, kind);
        let ending = self.ending.is_some();
        let container = &mut self.containers[at];
        let Run::Running { kill_at, .. } = &mut container.run else { return };
        container.fresh &= match (kind, verdict) {
            (_, Verdict::Nothing) | (ProbeKind::Liveness, Verdict::Passed) => true,
            (ProbeKind::Startup, Verdict::Passed) => container.probes.readiness,
            (ProbeKind::Readiness, Verdict::Passed) | (_, Verdict::Failing | Verdict::Failed) => {
                false
            }
        };
        if matches!(verdict, Verdict::Failing | Verdict::Failed) {
            out.push(warning("Unhealthy", format!("{} probe failed: {message}", kind.word()), at));
        }
        match (kind, verdict) {
            (_, Verdict::Nothing | Verdict::Failing) => {}
            (ProbeKind::Readiness, Verdict::Passed) => {
                container.ready = container.started;
                container.complaint = None;
            }
            (ProbeKind::Readiness, Verdict::Failed) => container.ready = false,
            (ProbeKind::Startup, Verdict::Passed) => {
                if !container.started {
                    container.started = true;
                    container.ready = !container.probes.readiness;
                    if !ending && !container.scripted {
                        self.probe_running(at, out);
                    }
                }
            }
            (ProbeKind::Liveness, Verdict::Passed) => {}
            (ProbeKind::Startup | ProbeKind::Liveness, Verdict::Failed) => {
                if kill_at.is_some() || ending {
                    return;
                }
                *kill_at = Some(now + grace);
                container.ready = false;
                let (name, word) = (&container.name, kind.word().to_lowercase());
                let message = format!("Container {name} failed {word} probe, will be restarted");
                out.push(note("Killing", message, at));
                out.push(Effect::StopProbes(at));
                out.push(Effect::Signal(at, Signal::Term));
            }
        }
    }

    /// How long a container has that its own probe condemned.
    fn probe_grace(&self, at: Index, kind: ProbeKind) -> Duration {
        let spec = self.spec_of(at);
        let probe = spec.and_then(|spec| match kind {
            ProbeKind::Startup => spec.startup_probe.as_ref(),
            ProbeKind::Liveness => spec.liveness_probe.as_ref(),
            ProbeKind::Readiness => None,
        });
        let own = probe.and_then(|probe| probe.termination_grace_period_seconds);
        own.and_then(|s| s.try_into().ok()).map_or_else(|| self.grace(), Duration::from_secs)
    }

    pub(super) fn port_ignored(
        &mut self,
        at: Index,
        message: Option<String>,
        out: &mut Vec<Effect>,
    ) {
        let container = &mut self.containers[at];
        if container.complaint == message || !container.is_up() {
            return;
        }
        if let Some(message) = &message {
            out.push(warning("PortIgnored", message.clone(), at));
        }
        // A probe over the network finds out by itself; without one it would pass for ready.
        if !container.probes.readiness {
            container.ready = message.is_none() && container.started;
        }
        container.complaint = message;
    }
}

/// `10s`, `1m20s`, `5m0s`: as Go prints it, and so as the kubelet's messages have it.
fn go_duration(duration: Duration) -> String {
    match (duration.as_secs() / 60, duration.as_secs() % 60) {
        (0, seconds) => format!("{seconds}s"),
        (minutes, seconds) => format!("{minutes}m{seconds}s"),
    }
}

pub(crate) fn time(at: Timestamp) -> k8s_openapi::apimachinery::pkg::apis::meta::v1::Time {
    k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(at)
}

pub(super) fn note(reason: &'static str, message: String, at: Index) -> Effect {
    Effect::Note(Note { warning: false, reason, message, container: Some(at) })
}

pub(super) fn warning(reason: &'static str, message: String, at: Index) -> Effect {
    Effect::Note(Note { warning: true, reason, message, container: Some(at) })
}
