//! Runs one reconciler: a pass over each object that it is woken for.
//!
//! A pass that panics is a failure of its object: the object gets an Event and is tried again after
//! a pause, and all others go on.

use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt, StreamExt};
use kube::Resource;
use kube::runtime::controller::{self, Action, ReconcileRequest, applier};
use kube::runtime::reflector::Store;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use rouse_k8s::ObjectKey;
use rouse_kit::panics::catch_async;
use rouse_kit::{Applier, ApplyError, Clock, Metrics, Notice, Plan, Shutdown};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::failures::{Failure, Failures};
use super::kind::{Planned, Reconciler};
use crate::lookups::Answered;
use crate::objects::meta::key;
use crate::watched::queue::Queue;

/// Objects of one kind that are worked on at a time.
const CONCURRENCY: u16 = 32;

/// Passes by reconciler and result. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Passes {
    count: Family<Labels, Counter>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    reconciler: &'static str,
    /// `ok`, or the label of a failure.
    result: &'static str,
}

impl Passes {
    pub(crate) fn registered(metrics: &Metrics) -> Self {
        let passes = Self::default();
        let help = "Passes of a reconciler over an object, by result";
        metrics.register("rouse_reconcile_count", help, passes.count.clone());
        passes
    }
}

/// What all passes of one reconciler share.
struct Context<R: Reconciler> {
    reconciler: R,
    applier: Applier,
    clock: Clock,
    queue: Queue<R::Kind>,
    passes: Passes,
    failures: Failures,
}

/// Runs until `shutdown`, once `synced` says that all local copies are complete.
pub(crate) async fn run<R: Reconciler>(
    reconciler: R,
    applier_: Applier,
    store: Store<R::Kind>,
    (queue, keys): (Queue<R::Kind>, mpsc::Receiver<ReconcileRequest<R::Kind>>),
    passes: Passes,
    synced: impl Future<Output = ()>,
    (clock, shutdown): (Clock, Shutdown),
) {
    tokio::select! {
        biased; // shutdown is checked first
        () = shutdown.cancelled() => return,
        () = synced => {}
    }
    let failures = Failures::default();
    let context =
        Arc::new(Context { reconciler, applier: applier_, clock, queue, passes, failures });
    let keys = futures::stream::unfold(keys, async |mut keys| {
        keys.recv().await.map(|request| (Ok::<_, std::convert::Infallible>(request), keys))
    })
    .take_until(shutdown.clone().cancelled_owned());
    let config = controller::Config::default().concurrency(CONCURRENCY);
    let mut results = applier(
        |object, context| watched_pass::<R>(object, context).boxed(),
        |object, failure, context: Arc<Context<R>>| failed::<R>(&object, failure, &context),
        Arc::clone(&context),
        store,
        keys,
        config,
    )
    .boxed();
    while let Some(result) = results.next().await {
        match result {
            Ok(_) => {}
            Err(controller::Error::ObjectNotFound(object)) => {
                let namespace = object.namespace.clone().unwrap_or_default();
                let key = ObjectKey::new(namespace, object.name.clone());
                context.queue.taken(&key);
                context.reconciler.forget(&key);
                context.failures.ended(&key);
            }
            // Logged where they happened.
            Err(
                controller::Error::ReconcilerFailed(..)
                | controller::Error::QueueError(_)
                | controller::Error::RunnerError(_),
            ) => {}
        }
    }
}

/// Runs and counts a pass; a panic is a failure.
async fn watched_pass<R: Reconciler>(
    object: Arc<R::Kind>,
    context: Arc<Context<R>>,
) -> Result<Action, Failure> {
    let key = key(&*object);
    context.queue.taken(&key);
    let started = Instant::now();
    let result = match catch_async(pass(&*object, &context)).await {
        Ok(result) => result.map_err(Failure::from),
        Err(panicked) => Err(Failure::from(panicked)),
    };
    context.queue.worked(started.elapsed());
    let label = result.as_ref().map_or_else(Failure::label, |_| "ok");
    let labels = Labels { reconciler: R::NAME, result: label };
    context.passes.count.get_or_create(&labels).inc();
    if result.is_ok()
        && let Some(was) = context.failures.ended(&key)
    {
        tracing::warn!(reconciler = R::NAME, object = %key, was, "a pass succeeds again");
    }
    result
}

async fn pass<R: Reconciler>(object: &R::Kind, context: &Context<R>) -> Result<Action, ApplyError> {
    if object.meta().deletion_timestamp.is_some() {
        // The controller holds no finalizers, so there is nothing to clean up.
        return Ok(Action::await_change());
    }
    let plan = decide(&context.reconciler, object, context.clock);
    let wake = plan.wake;
    if let Err(error) = context.applier.apply(object, plan).await {
        if error.is_final()
            && let Some(status) = R::refused(object, &error, context.clock.now())
        {
            context.applier.status(object, &status).await?;
        }
        return Err(error);
    }
    Ok(wake.map_or_else(Action::await_change, Action::requeue))
}

/// The plan for the present observation, with the answer of its lookup if that comes at once.
pub(crate) fn decide<R: Reconciler>(
    reconciler: &R,
    object: &R::Kind,
    clock: Clock,
) -> Plan<R::Status> {
    let plan = || R::plan(object, &reconciler.observe(object), clock.now());
    let Planned { plan: first, lookup } = plan();
    match lookup.map(|lookup| reconciler.look_up(object, lookup)) {
        None | Some(Answered::Later) => first,
        Some(Answered::AtOnce) => {
            let Planned { plan: mut second, lookup } = plan();
            if lookup.is_some() {
                // The next pass starts it.
                second.wake_after(Duration::ZERO);
            }
            second
        }
    }
}

/// The one place where a failed pass is reported: a log line and, where users can help, an Event.
fn failed<R: Reconciler>(object: &R::Kind, failure: &Failure, context: &Context<R>) -> Action {
    let key = key(object);
    let verdict = context.failures.failed(key.clone(), failure);
    let after = verdict.after;
    context.queue.retried();
    if verdict.is_news {
        let (reconciler, source) = (R::NAME, std::error::Error::source(failure));
        tracing::warn!(
            reconciler, object = %key, %failure, source, ?after,
            "a pass failed and is tried again"
        );
    } else {
        tracing::debug!(reconciler = R::NAME, object = %key, %failure, ?after, "a pass failed");
    }
    match failure {
        Failure::Panicked(_) | Failure::Apply(ApplyError::Refused { .. }) => {
            context.applier.notify(object, Notice::warning("InternalError", failure.to_string()));
        }
        Failure::Apply(ApplyError::Stale { .. } | ApplyError::Unavailable { .. }) => {}
    }
    Action::requeue(after)
}
