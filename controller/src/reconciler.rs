//! The loop around every reconciler: look, decide, apply, and what follows from failure.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt, StreamExt};
use kube::runtime::controller::{self, Action, ReconcileRequest, applier};
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Resource, ResourceExt};
use parking_lot::Mutex;
use rouse_kit::{Applier, ApplyError, Notice, Plan, Shutdown};
use serde::Serialize;
use tokio::sync::mpsc;

/// Objects of one kind that are worked on at a time.
const CONCURRENCY: u16 = 32;

/// One kind's way from observed facts to a plan.
pub(crate) trait Reconciler: Send + Sync + 'static {
    type Kind: Resource<DynamicType = ()> + Clone + Debug + Serialize + Send + Sync + 'static;
    type Status: Serialize + Send + Sync + 'static;
    const NAME: &'static str;

    /// Reads local copies only, and decides.
    fn plan(&self, object: &Self::Kind) -> Plan<Self::Status>;

    /// What the user should read after the server refused a write of the plan.
    fn refused(&self, object: &Self::Kind, error: &ApplyError) -> Option<Self::Status>;

    /// The object is gone: whatever is remembered of it can go.
    fn forget(&self, namespace: &str, name: &str) {
        let _ = (namespace, name);
    }
}

struct Context<R: Reconciler> {
    reconciler: R,
    applier: Applier,
    failures: Mutex<HashMap<ObjectRef<R::Kind>, u32>>,
}

/// Runs until `shutdown`, once `synced` says that all local copies are complete.
pub(crate) async fn run<R: Reconciler>(
    reconciler: R,
    applier_: Applier,
    store: Store<R::Kind>,
    queue: mpsc::Receiver<ReconcileRequest<R::Kind>>,
    synced: impl Future<Output = ()>,
    shutdown: Shutdown,
) {
    tokio::select! {
        biased; // the end comes before the beginning
        () = shutdown.cancelled() => return,
        () = synced => {}
    }
    let context =
        Arc::new(Context { reconciler, applier: applier_, failures: Mutex::new(HashMap::new()) });
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
    let plan = context.reconciler.plan(&object);
    let wake = plan.wake;
    if let Err(error) = context.applier.apply(&*object, plan).await {
        if let Some(status) = context.reconciler.refused(&object, &error) {
            context.applier.status(&*object, &status).await?;
        }
        return Err(error);
    }
    context.failures.lock().remove(&ObjectRef::from_obj(&*object));
    Ok(wake.map_or_else(Action::await_change, Action::requeue))
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
