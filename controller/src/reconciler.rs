//! The loop around every reconciler: look, decide, apply, and what follows from failure.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt, StreamExt};
use jiff::Timestamp;
use kube::runtime::controller::{self, Action, ReconcileRequest, applier};
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Resource, ResourceExt};
use parking_lot::Mutex;
use rouse_kit::{Applier, ApplyError, Clock, Notice, Plan, Shutdown};
use serde::Serialize;
use tokio::sync::mpsc;

use crate::lookups::Answered;

/// Objects of one kind that are worked on at a time.
const CONCURRENCY: u16 = 32;

/// One kind's way from observed facts to a plan.
pub(crate) trait Reconciler: Send + Sync + 'static {
    type Kind: Resource<DynamicType = ()> + Clone + Debug + Serialize + Send + Sync + 'static;
    type Status: Serialize + Send + Sync + 'static;
    /// Everything that the plan is made from, besides the object and the time.
    type Observed: Send + Sync;
    /// A question that a plan may have to others.
    type Lookup: Send;
    const NAME: &'static str;

    /// Gathers local copies, settings, and what lookups have answered so far.
    fn observe(&self, object: &Self::Kind) -> Self::Observed;

    /// Decides. Pure.
    fn plan(
        object: &Self::Kind,
        seen: &Self::Observed,
        now: Timestamp,
    ) -> Planned<Self::Status, Self::Lookup>;

    /// Starts a lookup that a plan asked for.
    fn look_up(&self, object: &Self::Kind, lookup: Self::Lookup) -> Answered;

    /// What the user should read after the server refused a write of the plan. Pure.
    fn refused(object: &Self::Kind, error: &ApplyError, now: Timestamp) -> Option<Self::Status>;

    /// The object is gone: whatever is remembered of it can go.
    fn forget(&self, namespace: &str, name: &str) {
        let _ = (namespace, name);
    }
}

/// A plan, and what has to be asked before a better one can be made.
pub(crate) struct Planned<S, L> {
    pub(crate) plan: Plan<S>,
    pub(crate) lookup: Option<L>,
}

/// The lookup of a reconciler that has none.
pub(crate) enum NoLookup {}

impl NoLookup {
    /// There is no such lookup to start.
    pub(crate) fn start(self) -> Answered {
        match self {}
    }
}

impl<S, L> From<Plan<S>> for Planned<S, L> {
    fn from(plan: Plan<S>) -> Self {
        Self { plan, lookup: None }
    }
}

struct Context<R: Reconciler> {
    reconciler: R,
    applier: Applier,
    clock: Clock,
    failures: Mutex<HashMap<ObjectRef<R::Kind>, u32>>,
}

/// Runs until `shutdown`, once `synced` says that all local copies are complete.
pub(crate) async fn run<R: Reconciler>(
    reconciler: R,
    applier_: Applier,
    store: Store<R::Kind>,
    queue: mpsc::Receiver<ReconcileRequest<R::Kind>>,
    synced: impl Future<Output = ()>,
    clock: Clock,
    shutdown: Shutdown,
) {
    tokio::select! {
        biased; // the end comes before the beginning
        () = shutdown.cancelled() => return,
        () = synced => {}
    }
    let failures = Mutex::new(HashMap::new());
    let context = Arc::new(Context { reconciler, applier: applier_, clock, failures });
    let queue = futures::stream::unfold(queue, async |mut queue| {
        queue.recv().await.map(|request| (Ok::<_, std::convert::Infallible>(request), queue))
    })
    .take_until(shutdown.clone().cancelled_owned());
    let config = controller::Config::default().concurrency(CONCURRENCY);
    let mut results = applier(
        |object, context| pass::<R>(object, context).boxed(),
        |object, error, context: Arc<Context<R>>| failed::<R>(&object, error, &context),
        Arc::clone(&context),
        store,
        queue,
        config,
    )
    .boxed();
    while let Some(result) = results.next().await {
        match result {
            Ok(_) => {}
            Err(controller::Error::ObjectNotFound(object)) => {
                let namespace = object.namespace.clone().unwrap_or_default();
                context.reconciler.forget(&namespace, &object.name);
                context.failures.lock().remove(&ObjectRef::new(&object.name).within(&namespace));
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

async fn pass<R: Reconciler>(
    object: Arc<R::Kind>,
    context: Arc<Context<R>>,
) -> Result<Action, ApplyError> {
    if object.meta().deletion_timestamp.is_some() {
        // We hold no finalizers: what is going, goes.
        return Ok(Action::await_change());
    }
    let plan = decide(&context.reconciler, &object, context.clock);
    let wake = plan.wake;
    if let Err(error) = context.applier.apply(&*object, plan).await {
        if let Some(status) = R::refused(&object, &error, context.clock.now()) {
            context.applier.status(&*object, &status).await?;
        }
        return Err(error);
    }
    context.failures.lock().remove(&ObjectRef::from_obj(&*object));
    Ok(wake.map_or_else(Action::await_change, Action::requeue))
}

/// The plan for what is observed now. A lookup that is answered at once is decided on at once.
fn decide<R: Reconciler>(reconciler: &R, object: &R::Kind, clock: Clock) -> Plan<R::Status> {
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

fn failed<R: Reconciler>(object: &R::Kind, error: &ApplyError, context: &Context<R>) -> Action {
    let failures = {
        let mut failures = context.failures.lock();
        let count = failures.entry(ObjectRef::from_obj(object)).or_insert(0);
        *count += 1;
        *count - 1
    };
    let after: Duration = error.retry_after(failures);
    report::<R>(object, error, after, context);
    Action::requeue(after)
}

/// The one place where a failed pass is told: a log line and, where users can help, an Event.
fn report<R: Reconciler>(
    object: &R::Kind,
    error: &ApplyError,
    after: Duration,
    context: &Context<R>,
) {
    let reconciler = R::NAME;
    let (ns, name) = (object.namespace().unwrap_or_default(), object.name_any());
    match error {
        ApplyError::Stale { .. } => {
            tracing::debug!(reconciler, ns, name, %error, "decided on an old state");
        }
        ApplyError::Refused { .. } => {
            tracing::debug!(reconciler, ns, name, %error, ?after, "a write was refused");
            context.applier.notify(object, Notice::warning("InternalError", error.to_string()));
        }
        ApplyError::Unavailable { source, .. } => {
            tracing::warn!(reconciler, ns, name, %error, %source, ?after, "a write failed");
        }
    }
}
