//! The deadline of an answer whose client does not read.
//!
//! hyper polls the body of an answer once the client has taken the bytes before. While a client
//! reads nothing, the body is not polled and cannot see that its time is over. So the connection
//! itself watches the deadline, and ends.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// After its deadline, an answer has this long to end by itself.
pub(crate) const GRACE: Duration = Duration::from_secs(1);

/// The deadline of the current answer of one HTTP/1.1 connection, while there is one.
#[derive(Debug, Default)]
pub(crate) struct Due(Cell<Option<Instant>>);

impl Due {
    /// An answer begins whose deadline is `end`.
    pub(crate) fn begin(&self, end: Instant) {
        self.0.set(end.checked_add(GRACE));
    }

    /// The answer was handed to hyper whole, or is given up.
    pub(crate) fn end(&self) {
        self.0.set(None);
    }

    /// Returns once an answer is past its deadline. To be polled after the future that begins
    /// answers.
    pub(crate) async fn passed(&self) {
        let mut timer = None;
        poll_fn(|cx| self.poll(&mut timer, cx)).await;
    }

    /// The timer is kept from answer to answer, and reset only when it fires.
    fn poll(&self, timer: &mut Option<Pin<Box<Sleep>>>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let due = self.0.get();
            let Some(sleep) = timer else {
                let Some(due) = due else { return Poll::Pending };
                *timer = Some(Box::pin(sleep_until(due)));
                continue;
            };
            ready!(sleep.as_mut().poll(cx));
            match due {
                None => *timer = None,
                Some(due) if due <= Instant::now() => return Poll::Ready(()),
                Some(due) => sleep.as_mut().reset(due),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::{advance, timeout};

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_not_taken_in_time_is_over_and_others_are_not() {
        let (due, start) = (Due::default(), Instant::now());
        let passed = due.passed();
        let mut passed = std::pin::pin!(passed);
        assert!(timeout(SECOND, passed.as_mut()).await.is_err(), "there is none");
        due.begin(start + SECOND * 10);
        assert!(timeout(SECOND * 5, passed.as_mut()).await.is_err());
        due.end();
        assert!(timeout(SECOND * 9, passed.as_mut()).await.is_err(), "it was taken");
        due.begin(start + SECOND * 30);
        advance(SECOND * 10).await;
        assert!(timeout(SECOND, passed.as_mut()).await.is_err());
        passed.await;
        assert_eq!(start.elapsed().as_secs(), 31);
    }
}
