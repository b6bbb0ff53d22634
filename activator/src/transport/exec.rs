//! hyper's executor: the tasks of a connection run on the connection's thread.

use std::future::Future;
use std::rc::Rc;

use rouse_kit::{TaskKind, panics};

/// Runs hyper's own tasks on the thread that asks for them.
#[derive(Clone, Debug)]
pub(crate) struct LocalExec {
    panicked: Rc<TaskKind>,
}

impl LocalExec {
    /// `panicked` counts the tasks that panic.
    pub(crate) fn new(panicked: Rc<TaskKind>) -> Self {
        Self { panicked }
    }
}

impl<F: Future + 'static> hyper::rt::Executor<F> for LocalExec {
    fn execute(&self, future: F) {
        let panicked = Rc::clone(&self.panicked);
        #[expect(clippy::disallowed_methods, reason = "on this thread, with its panics counted")]
        tokio::task::spawn_local(async move {
            // Counted only if it panics: every request of an HTTP/2 connection is such a task, and
            // the count would be shared by all threads.
            if let Err(panic) = panics::catch_async(future).await {
                let again =
                    async { std::panic::resume_unwind(Box::new(panic.message().to_owned())) };
                panicked.watch(again).await;
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::rt::Executor;
    use rouse_kit::{Clock, Process, Shutdown};
    use tokio::task::LocalSet;

    #[tokio::test]
    async fn a_task_that_panics_is_counted_and_ends_no_other() {
        let process = Process::new(Clock::system());
        let tasks = process.component("activator", Shutdown::new()).tasks;
        let exec = LocalExec::new(Rc::new(tasks.kind("stream")));
        let (sender, other) = tokio::sync::oneshot::channel();
        let local = LocalSet::new();
        local
            .run_until(async {
                exec.execute(async { panic!("one request") });
                exec.execute(async { sender.send(()).expect("awaited") });
                other.await.expect("it ran");
            })
            .await;
        local.await;
        let report = process.ledger.report();
        assert_eq!((report[0].kind, report[0].panics, report[0].running), ("stream", 1, 0));
        assert_eq!(report[0].last_failure.as_deref(), Some("panicked: one request"));
    }
}
