//! Waiting for a container's end in a task of its own.

use futures::future::BoxFuture;
use rouse_kit::Tasks;
use tokio::sync::oneshot;

use super::interface::Exit;

/// Runs `future` in a task of its own, so that it goes on even if the caller is dropped.
pub(super) fn detached(
    tasks: &Tasks,
    future: impl Future<Output = Exit> + Send + 'static,
) -> BoxFuture<'static, Exit> {
    let (ended, exit) = oneshot::channel();
    tasks.detached("container", async move {
        // The caller may be gone.
        let _ = ended.send(future.await);
    });
    Box::pin(async move {
        exit.await.unwrap_or_else(|_| {
            Exit::unknown("the wait for its end failed; see the log of the platform".to_owned())
        })
    })
}
