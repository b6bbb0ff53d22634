//! Where the tasks of a connection run: on the thread that it belongs to.

use std::future::Future;

/// Runs hyper's own tasks on the thread that asks for them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LocalExec;

impl<F: Future + 'static> hyper::rt::Executor<F> for LocalExec {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(async move {
            let _ = future.await;
        });
    }
}
