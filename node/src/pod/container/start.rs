//! From a launch to a container that runs, or the reason why it does not.

use std::time::Duration;

use k8s_openapi::api::core::v1::ContainerStateTerminated;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use rouse_k8s::condition::NOT_ENFORCED;
use rouse_k8s::time::later;

use super::state::{Container, Run};
use crate::pod::context::Context;
use crate::pod::ending::Stage;
use crate::pod::event::{Effect, Launched};
use crate::pod::probe::ProbeKind;
use crate::runtime::Signal;

/// The pause before a container with a wrong configuration is tried again. A watch of every
/// ConfigMap would be sooner; the kubelet takes up to a minute.
const CONFIG_RETRY: Duration = Duration::from_secs(2);
/// How long a failed pull is called ErrImagePull before it is called a back-off.
const FAILURE_SHOWN: Duration = Duration::from_secs(2);
/// Exit code of a container that could not be started, as container runtimes say it.
const NOT_STARTED_EXIT_CODE: i32 = 128;
/// The waiting reason between a failed pull and the back-off.
const ERR_IMAGE_PULL: &str = "ErrImagePull";

impl Container {
    pub(in crate::pod) fn image_missing(&mut self, context: Context<'_>, out: &mut Vec<Effect>) {
        let Context { at, now, .. } = context;
        if context.ending.is_some() {
            self.wait("ContainerCreating", None, now.steady);
            return;
        }
        let image = &self.image;
        let policy = context.spec().and_then(|spec| spec.image_pull_policy.as_deref());
        if policy == Some("Never") {
            let message =
                format!("Container image {image:?} is not present with pull policy of Never");
            let until = later(now.steady, self.pull.next_pause());
            out.push(Effect::warning("ErrImageNeverPull", message.clone(), at));
            out.push(Effect::warning("Failed", "Error: ErrImageNeverPull".to_owned(), at));
            self.wait("ErrImageNeverPull", Some(message), until);
            return;
        }
        out.push(Effect::note("Pulling", format!("Pulling image {image:?}"), at));
        out.push(Effect::Pull(at));
        self.run = Run::Pulling;
    }

    pub(in crate::pod) fn pulled(
        &mut self,
        (took, size): (Duration, u64),
        context: Context<'_>,
        out: &mut Vec<Effect>,
    ) {
        self.pull.reset();
        self.pulled = true;
        let (image, took) = (&self.image, took.as_millis());
        let message = format!(
            "Successfully pulled image {image:?} in {took}ms ({took}ms including waiting). \
             Image size: {size} bytes."
        );
        out.push(Effect::note("Pulled", message, context.at));
        // The launch resolves again whatever else it needs.
        if context.ending.is_none() {
            self.run = Run::Launching;
            out.push(Effect::Launch(context.at));
        }
    }

    pub(in crate::pod) fn pull_failed(
        &mut self,
        why: &str,
        Context { at, now, .. }: Context<'_>,
        out: &mut Vec<Effect>,
    ) {
        let message = format!("Failed to pull image {:?}: {why}", self.image);
        out.push(Effect::warning("Failed", message, at));
        out.push(Effect::warning("Failed", format!("Error: {ERR_IMAGE_PULL}"), at));
        self.wait(ERR_IMAGE_PULL, Some(why.to_owned()), later(now.steady, FAILURE_SHOWN));
    }

    /// Takes the steps that are due. The kubelet says ErrImagePull at the failure and
    /// ImagePullBackOff while it waits.
    pub(in crate::pod) fn advance(
        &mut self,
        Context { at, now, .. }: Context<'_>,
        out: &mut Vec<Effect>,
    ) {
        match &self.run {
            Run::Waiting { reason, message, until: Some(until) }
                if *reason == ERR_IMAGE_PULL && *until <= now.steady =>
            {
                let (image, why) = (&self.image, message.as_deref().unwrap_or_default());
                let message = format!("Back-off pulling image {image:?}: {ERR_IMAGE_PULL}: {why}");
                out.push(Effect::note("BackOff", format!("Back-off pulling image {image:?}"), at));
                out.push(Effect::warning("Failed", "Error: ImagePullBackOff".to_owned(), at));
                let wait = self.pull.next_pause().saturating_sub(FAILURE_SHOWN);
                self.wait("ImagePullBackOff", Some(message), later(now.steady, wait));
            }
            Run::Waiting { until, .. } if until.is_none_or(|until| until <= now.steady) => {
                self.launch(at, out);
            }
            Run::Running { kill_at: Some(kill_at), .. } if *kill_at <= now.steady => {
                self.forget_kill();
                out.push(Effect::Signal(at, Signal::Kill));
            }
            Run::Waiting { .. }
            | Run::Launching
            | Run::Pulling
            | Run::Running { .. }
            | Run::Ended(_) => {}
        }
    }

    pub(in crate::pod) fn refused(
        &mut self,
        reason: &'static str,
        message: String,
        context: Context<'_>,
        out: &mut Vec<Effect>,
    ) {
        let Context { at, now, .. } = context;
        if context.ending.is_some() {
            self.wait("ContainerCreating", None, now.steady);
            return;
        }
        let event = if reason == "FailedMount" { "FailedMount" } else { "Failed" };
        let text = if event == "Failed" { format!("Error: {message}") } else { message.clone() };
        out.push(Effect::warning(event, text, at));
        let reason = if event == "FailedMount" { "ContainerCreating" } else { reason };
        self.wait(reason, Some(message), later(now.steady, CONFIG_RETRY));
    }

    pub(in crate::pod) fn started(
        &mut self,
        run: Launched,
        context: Context<'_>,
        out: &mut Vec<Effect>,
    ) {
        let Context { at, now, .. } = context;
        let (name, image) = (&self.name, &self.image);
        if !std::mem::take(&mut self.pulled) {
            let message = format!("Container image {image:?} already present on machine");
            out.push(Effect::note("Pulled", message, at));
        }
        out.push(Effect::note("Created", format!("Created container: {name}"), at));
        out.push(Effect::note("Started", format!("Started container {name}"), at));
        let post_start =
            context.spec().and_then(|spec| spec.lifecycle.as_ref()?.post_start.as_ref());
        if post_start.is_some() {
            let message =
                "the postStart hook is not run: this node agent does not support it".to_owned();
            out.push(Effect::warning("FailedPostStartHook", message, at));
        }
        for message in run.not_enforced.iter().filter(|_| self.restarts == 0) {
            out.push(Effect::warning(NOT_ENFORCED, message.clone(), at));
        }
        self.not_enforced = run.not_enforced;
        self.id = Some(run.id.clone());
        self.image_id = run.image_id;
        self.complaint = None;
        self.run = Run::Running { id: run.id, since: now.wall, kill_at: None };
        if let Some(stage) = context.ending {
            // Deleted while it started: it gets the signal that the others already got.
            match stage {
                Stage::Terminating => {
                    self.signalled = true;
                    out.push(Effect::Signal(at, Signal::Term));
                }
                Stage::Killed | Stage::Over => out.push(Effect::Signal(at, Signal::Kill)),
                Stage::PreStop => {}
            }
            return;
        }
        self.scripted = run.scripted;
        self.probes.readiness |= run.scripted;
        self.started = !self.probes.startup;
        self.ready = self.started && !self.probes.readiness;
        self.fresh = !self.ready;
        match (self.probes.startup, self.scripted) {
            (_, true) => {}
            (true, false) => out.push(Effect::Probe(at, ProbeKind::Startup)),
            (false, false) => self.probe(at, out),
        }
    }

    pub(in crate::pod) fn start_failed(
        &mut self,
        message: String,
        context: Context<'_>,
        out: &mut Vec<Effect>,
    ) {
        let now = Some(Time(context.now.wall));
        out.push(Effect::warning("Failed", format!("Error: {message}"), context.at));
        let ended = ContainerStateTerminated {
            exit_code: NOT_STARTED_EXIT_CODE,
            reason: Some("StartError".to_owned()),
            message: Some(message.clone()),
            started_at: now.clone(),
            finished_at: now,
            ..ContainerStateTerminated::default()
        };
        self.ended(ended, Duration::ZERO, context, out);
        if let Run::Waiting { reason, message: waiting, .. } = &mut self.run {
            *reason = "RunContainerError";
            *waiting = Some(message);
        }
    }
}
