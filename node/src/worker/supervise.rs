//! Supervision of a pod's worker: one that panics is restarted after a pause, and all others go on.

use std::sync::Arc;
use std::time::Duration;

use rouse_k8s::{Backoff, object};
use rouse_kit::{Notice, TaskError, events};
use tokio::sync::watch;
use tokio::time::Instant;

use super::effects::forget;
use super::run::{Seen, run};
use super::shared::Shared;
use crate::spec::PodRef;

/// The same as for containers that end again and again.
const BACKOFF: Backoff = Backoff::doubling(Duration::from_secs(10), Duration::from_secs(300));
/// A worker that ran this long begins again with the first pause.
const STEADY: Duration = Duration::from_secs(600);
/// The Event's reason for a panic of the agent.
const INTERNAL_ERROR: &str = "InternalError";

/// Follows one pod until nothing of it is left here.
pub(crate) async fn supervise(shared: Arc<Shared>, seen: watch::Receiver<Seen>) {
    supervise_with(shared, seen, run).await;
}

async fn supervise_with<F, R>(shared: Arc<Shared>, mut seen: watch::Receiver<Seen>, run: R)
where
    F: Future<Output = ()> + Send + 'static,
    R: Fn(Arc<Shared>, watch::Receiver<Seen>) -> F,
{
    let mut backoff = BACKOFF;
    loop {
        let began = Instant::now();
        let worker = run(Arc::clone(&shared), seen.clone());
        let panicked = match shared.tasks.attached("pod", worker).await {
            Ok(()) | Err(TaskError::Cancelled) => return,
            Err(TaskError::Panicked(panicked)) => panicked,
        };
        if began.elapsed() >= STEADY {
            backoff.reset();
        }
        let pause = backoff.next_pause();
        let now = seen.borrow_and_update().clone();
        let pod = PodRef::of(&now.pod);
        let message = format!(
            "the worker of this pod {panicked}; its containers are ended, and it starts again in \
             {pause:?}"
        );
        let notice = Notice::warning(INTERNAL_ERROR, message);
        shared.events.publish(events::reference(&*now.pod), notice);
        // The next worker does not track them.
        if let Err(error) = shared.runtime.end_pod(&pod).await {
            tracing::warn!(%error, %pod, "cannot end the containers of a pod");
        }
        let ends = now.gone || object::is_terminating(&now.pod.metadata);
        tokio::select! {
            biased; // the end of the platform is checked first
            () = shared.halting.cancelled() => break,
            // A deletion since then is tried at once.
            () = until_ending(&mut seen), if !ends => {}
            () = tokio::time::sleep(pause) => {}
        }
        if seen.borrow().gone {
            break;
        }
    }
    let pod = PodRef::of(&seen.borrow().pod);
    forget(&shared, &pod);
}

/// Completes when the pod is being deleted, or gone.
async fn until_ending(seen: &mut watch::Receiver<Seen>) {
    let ends = |seen: &Seen| seen.gone || object::is_terminating(&seen.pod.metadata);
    if seen.wait_for(ends).await.is_err() {
        // The agent has ended; `halting` is cancelled too.
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests;
