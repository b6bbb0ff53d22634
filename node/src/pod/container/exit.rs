//! The end of a container: a restart now, a restart later, or none.

use std::time::Duration;

use k8s_openapi::api::core::v1::ContainerStateTerminated;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use rouse_k8s::{GoDuration, time};

use super::state::{Container, Role, Run, restarts_after};
use crate::pod::context::{Context, restart_policy};
use crate::pod::event::Effect;
use crate::runtime::Exit;
use crate::spec::PodRef;

impl Container {
    pub(in crate::pod) fn exited(
        &mut self,
        exit: Exit,
        context: Context<'_>,
        out: &mut Vec<Effect>,
    ) {
        let Context { at, now, .. } = context;
        let Run::Running { id, since, .. } = &self.run else { return };
        let ran = time::since(*since, now.wall);
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
            started_at: Some(Time(*since)),
            finished_at: Some(Time(now.wall)),
            ..ContainerStateTerminated::default()
        };
        out.push(Effect::StopProbes(at));
        out.push(Effect::Remove(id.clone()));
        self.ended(ended, ran, context, out);
    }

    pub(super) fn ended(
        &mut self,
        ended: ContainerStateTerminated,
        ran: Duration,
        context: Context<'_>,
        out: &mut Vec<Effect>,
    ) {
        let Context { at, now, pod, .. } = context;
        // A sidecar is for containers that run.
        let needed = !(self.role == Role::Sidecar && context.over);
        let restarts = needed && restarts_after(restart_policy(pod), self.role, ended.exit_code);
        self.started = false;
        self.ready = false;
        self.fresh = false;
        self.complaint = None;
        if context.ending.is_some() || !restarts {
            self.run = Run::Ended(Box::new(ended));
            return;
        }
        self.last = Some(Box::new(ended));
        self.restart_due = true;
        let wait = self.crash.after_exit(ran);
        if wait.is_zero() {
            self.launch(at, out);
            return;
        }
        let (name, pod, seconds) = (&self.name, PodRef::of(pod), GoDuration::from(wait));
        let message = format!("back-off {seconds} restarting failed container={name} pod={pod}");
        out.push(Effect::warning(
            "BackOff",
            format!("Back-off restarting failed container {name} in pod {pod}"),
            at,
        ));
        self.wait("CrashLoopBackOff", Some(message), time::later(now.steady, wait));
    }
}
