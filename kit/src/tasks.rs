//! A component's background tasks: named, ended together, and none dies unseen.
//!
//! A task that panics is a broken invariant. It is logged and ends the component by its shutdown
//! signal, since going on without it would be worse than starting again.

use tokio::task::JoinSet;
use tracing::Instrument;

use crate::Shutdown;

/// The tasks of one component.
#[derive(Debug)]
pub struct Tasks {
    set: JoinSet<&'static str>,
    shutdown: Shutdown,
}

impl Tasks {
    /// Tasks that end with `shutdown`, and that end it if one of them panics.
    #[must_use]
    pub fn new(shutdown: Shutdown) -> Self {
        Self { set: JoinSet::new(), shutdown }
    }

    pub fn spawn(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let span = tracing::debug_span!("task", name);
        self.set.spawn(
            async move {
                task.await;
                name
            }
            .instrument(span),
        );
    }

    /// Waits until all have ended, which they do when the shutdown signal comes.
    pub async fn finish(mut self) {
        while let Some(ended) = self.set.join_next().await {
            match ended {
                Ok(name) => tracing::debug!(name, "a task ended"),
                Err(error) if error.is_panic() => {
                    tracing::error!(%error, "a task panicked; the component stops");
                    self.shutdown.cancel();
                }
                Err(error) => tracing::debug!(%error, "a task was cancelled"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_panics_ends_the_component() {
        let shutdown = Shutdown::new();
        let mut tasks = Tasks::new(shutdown.clone());
        let other = shutdown.clone();
        tasks.spawn("steady", async move { other.cancelled().await });
        tasks.spawn("broken", async { assert_eq!(1, 2, "an invariant is broken") });
        tasks.finish().await;
        assert!(shutdown.is_cancelled());
    }
}
