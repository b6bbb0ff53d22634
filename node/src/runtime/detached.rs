//! Waiting for a container's end in a task of its own.

use futures::future::BoxFuture;

use super::interface::Exit;

/// Runs `future` in a task of its own, so that it goes on whoever waits for it.
pub(super) fn detached(
    future: impl Future<Output = Exit> + Send + 'static,
) -> BoxFuture<'static, Exit> {
    let task = tokio::spawn(future);
    Box::pin(async move {
        task.await.unwrap_or_else(|error| Exit {
            code: 255,
            oom_killed: false,
            message: Some(format!("waiting for it failed: {error}")),
        })
    })
}
