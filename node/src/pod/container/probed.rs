//! Probes of a container: which of them run, and the changes that their verdicts make.

use std::time::Duration;

use rouse_k8s::time::{later, seconds};

use super::state::{Container, Run};
use crate::pod::context::{Context, grace};
use crate::pod::event::{Effect, Index};
use crate::pod::probe::{ProbeKind, Verdict};
use crate::runtime::Signal;

impl Container {
    /// Asks for the probes of a container that has started.
    pub(super) fn probe(&self, at: Index, out: &mut Vec<Effect>) {
        if self.probes.readiness {
            out.push(Effect::Probe(at, ProbeKind::Readiness));
        }
        if self.probes.liveness {
            out.push(Effect::Probe(at, ProbeKind::Liveness));
        }
    }

    pub(in crate::pod) fn probed(
        &mut self,
        (kind, verdict): (ProbeKind, Verdict),
        message: &str,
        context: Context<'_>,
        out: &mut Vec<Effect>,
    ) {
        let Context { at, now, .. } = context;
        let Run::Running { kill_at, .. } = &mut self.run else { return };
        self.fresh &= match (kind, verdict) {
            (_, Verdict::Nothing) | (ProbeKind::Liveness, Verdict::Passed) => true,
            (ProbeKind::Startup, Verdict::Passed) => self.probes.readiness,
            (ProbeKind::Readiness, Verdict::Passed) | (_, Verdict::Failing | Verdict::Failed) => {
                false
            }
        };
        if matches!(verdict, Verdict::Failing | Verdict::Failed) {
            let message = format!("{} probe failed: {message}", kind.word());
            out.push(Effect::warning("Unhealthy", message, at));
        }
        match (kind, verdict) {
            (_, Verdict::Nothing | Verdict::Failing) => {}
            (ProbeKind::Readiness, Verdict::Passed) => {
                self.ready = self.started;
                self.complaint = None;
            }
            (ProbeKind::Readiness, Verdict::Failed) => self.ready = false,
            (ProbeKind::Startup, Verdict::Passed) => {
                if !self.started {
                    self.started = true;
                    self.ready = !self.probes.readiness;
                    if context.ending.is_none() && !self.scripted {
                        self.probe(at, out);
                    }
                }
            }
            (ProbeKind::Liveness, Verdict::Passed) => {}
            (ProbeKind::Startup | ProbeKind::Liveness, Verdict::Failed) => {
                if kill_at.is_some() || context.ending.is_some() {
                    return;
                }
                *kill_at = Some(later(now.steady, kill_grace(context, kind)));
                self.ready = false;
                let (name, word) = (&self.name, kind.word().to_lowercase());
                let message = format!("Container {name} failed {word} probe, will be restarted");
                out.push(Effect::note("Killing", message, at));
                out.push(Effect::StopProbes(at));
                out.push(Effect::Signal(at, Signal::Term));
            }
        }
    }

    /// The program does not listen on `PORT` (with a message), or does after all.
    pub(in crate::pod) fn port_ignored(
        &mut self,
        message: Option<String>,
        Context { at, .. }: Context<'_>,
        out: &mut Vec<Effect>,
    ) {
        if self.complaint == message || !self.is_up() {
            return;
        }
        if let Some(message) = &message {
            out.push(Effect::warning("PortIgnored", message.clone(), at));
        }
        // A readiness probe notices by itself; a container without one would count as ready.
        if !self.probes.readiness {
            self.ready = message.is_none() && self.started;
        }
        self.complaint = message;
    }
}

/// The time between SIGTERM and SIGKILL of a container that failed its own probe.
fn kill_grace(context: Context<'_>, kind: ProbeKind) -> Duration {
    let probe = context.spec().and_then(|spec| match kind {
        ProbeKind::Startup => spec.startup_probe.as_ref(),
        ProbeKind::Liveness => spec.liveness_probe.as_ref(),
        ProbeKind::Readiness => None,
    });
    let own = probe.and_then(|probe| probe.termination_grace_period_seconds);
    own.map_or_else(|| grace(context.pod), seconds)
}
