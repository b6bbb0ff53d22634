//! The keys of issuers, for requests: a table, and a bounded wait for the task that fetches them.

use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::callers::keys::{Known, Source};

/// Most questions that wait for the task.
const ASKS_MAX: usize = 256;
/// Longest wait of a request.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// Whether the table is as fresh as it can be now, or why not.
pub(crate) type Answer = Result<(), String>;

/// A request's wish for fresh keys.
#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) source: Source,
    pub(crate) answer: oneshot::Sender<Answer>,
}

/// The keys for requests.
#[derive(Debug)]
pub(crate) struct Issuers {
    pub(crate) known: ArcSwap<Known>,
    asks: mpsc::Sender<Ask>,
}

impl Issuers {
    pub(crate) fn new() -> (Self, mpsc::Receiver<Ask>) {
        let (asks, asked) = mpsc::channel(ASKS_MAX);
        (Self { known: ArcSwap::default(), asks }, asked)
    }

    /// Returns once the keys were fetched, or need not or cannot be; an error says why they cannot.
    pub(crate) async fn refresh(&self, source: Source) -> Answer {
        let (answer, answered) = oneshot::channel();
        if self.asks.try_send(Ask { source, answer }).is_err() {
            return Err("too many requests wait for keys".to_owned());
        }
        match timeout(WAIT_MAX, answered).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err("the gateway ends".to_owned()),
            Err(_) => Err(format!("no answer within {} s", WAIT_MAX.as_secs())),
        }
    }
}
