//! The probe loops of a running container, which report verdicts to the pod.

use std::time::Duration;

use k8s_openapi::api::core::v1::Probe;
use tokio::sync::mpsc;

use super::metrics::Metrics;
use super::prober::{self, Target};
use crate::pod::{Check, Event, Index, ProbeKind, Timing, Tracker, Verdict};

/// A scripted container is ready when its script says so.
pub(super) async fn scripted(inbox: mpsc::Sender<Event>, at: Index, after: Duration) {
    tokio::time::sleep(after).await;
    for kind in [ProbeKind::Startup, ProbeKind::Readiness] {
        let event =
            Event::Probed { container: at, kind, verdict: Verdict::Passed, message: String::new() };
        let _ = inbox.send(event).await;
    }
}

/// Probes until it is aborted; reports changes and every failure that counts to the pod.
pub(super) async fn keep_asking(
    target: Target,
    probe: Probe,
    (at, kind): (Index, ProbeKind),
    inbox: mpsc::Sender<Event>,
    metrics: Metrics,
) {
    let mut tracker = Tracker::new(kind, Timing::of(&probe));
    let mut reported = Verdict::Nothing;
    let mut first = true;
    loop {
        let (wait, check) = tracker.next(first);
        first = false;
        tokio::time::sleep(wait).await;
        let answer = prober::ask(&target, &probe, tracker.timeout(check)).await;
        if check == Check::Periodic || answer.is_ok() {
            metrics.probed(kind, answer.is_ok());
        }
        let verdict = tracker.record(check, answer.is_ok());
        let news = match verdict {
            Verdict::Nothing => false,
            Verdict::Passed => reported != Verdict::Passed,
            Verdict::Failing | Verdict::Failed => true,
        };
        if !news {
            continue;
        }
        reported = verdict;
        let message = answer.err().unwrap_or_default();
        if inbox.send(Event::Probed { container: at, kind, verdict, message }).await.is_err() {
            return;
        }
        if kind == ProbeKind::Startup && verdict == Verdict::Passed {
            return;
        }
    }
}
