//! The three timeouts of a request, all of which start when it arrives.
//!
//! | timeout        | ends a request                                        |
//! |----------------|-------------------------------------------------------|
//! | total          | always                                                |
//! | response start | if nothing of the answer was written                  |
//! | idle           | if nothing was written for that long, or since arrival |
//!
//! Before the first byte of the answer the end is 504; after it, the body ends cleanly.
//! Upstream: pkg/http/handler/timeout.go.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::time::{Instant, Sleep, sleep_until};

use crate::state::settings::Limits;

/// Which of the three ended a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    Total,
    ResponseStart,
    Idle,
}

/// The progress of a request against its limits.
#[derive(Clone, Copy, Debug)]
struct Progress {
    limits: Limits,
    arrived: Instant,
    /// The last byte of the answer, or the arrival.
    wrote: Instant,
    started: bool,
}

impl Progress {
    /// The timeout that comes next if nothing happens, and when.
    fn next(&self) -> (Instant, Which) {
        let mut next = (self.arrived + self.limits.total, Which::Total);
        let start = self.limits.response_start.filter(|_| !self.started);
        if let Some(start) = start.map(|limit| self.arrived + limit).filter(|at| *at < next.0) {
            next = (start, Which::ResponseStart);
        }
        if let Some(idle) = self.limits.idle.map(|limit| self.wrote + limit)
            && idle < next.0
        {
            next = (idle, Which::Idle);
        }
        next
    }
}

/// A request's one timer, reset only when it fires too early.
#[derive(Debug)]
pub(crate) struct Timer {
    progress: Progress,
    sleep: Pin<Box<Sleep>>,
}

impl Timer {
    pub(crate) fn new(limits: Limits, arrived: Instant) -> Self {
        let progress = Progress { limits, arrived, wrote: arrived, started: false };
        Self { progress, sleep: Box::pin(sleep_until(progress.next().0)) }
    }

    /// The end of the total timeout.
    pub(crate) fn end(&self) -> Instant {
        self.progress.arrived + self.progress.limits.total
    }

    pub(crate) fn arrived(&self) -> Instant {
        self.progress.arrived
    }

    /// The head of the answer is sent.
    pub(crate) fn started(&mut self) {
        self.answered();
        self.wrote();
    }

    /// The answer has begun; the response start timeout no longer applies.
    pub(crate) fn answered(&mut self) {
        self.progress.started = true;
    }

    /// A part of the answer is sent. Costs nothing without an idle timeout.
    pub(crate) fn wrote(&mut self) {
        if self.progress.limits.idle.is_some() {
            self.progress.wrote = Instant::now();
        }
    }

    /// Bytes passed at `at`; true if that is later than the last write that the timer knows.
    pub(crate) fn wrote_at(&mut self, at: Instant) -> bool {
        let news = at > self.progress.wrote;
        self.progress.wrote = self.progress.wrote.max(at);
        news
    }

    /// `future`'s outcome, unless a timeout comes first. It is pinned by the caller, since large
    /// futures are costly to move.
    pub(crate) fn run<F: Future>(
        &mut self,
        mut future: Pin<&mut F>,
    ) -> impl Future<Output = Result<F::Output, Which>> {
        std::future::poll_fn(move |cx| match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Ok(output)),
            Poll::Pending => self.poll(cx).map(Err),
        })
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Which> {
        loop {
            ready!(self.sleep.as_mut().poll(cx));
            let (at, which) = self.progress.next();
            if at <= Instant::now() {
                return Poll::Ready(which);
            }
            self.sleep.as_mut().reset(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;
    use std::time::Duration;

    const SECOND: Duration = Duration::from_secs(1);

    fn timer(total: u32, start: Option<u32>, idle: Option<u32>) -> Timer {
        let limits = Limits {
            total: SECOND * total,
            response_start: start.map(|s| SECOND * s),
            idle: idle.map(|s| SECOND * s),
        };
        Timer::new(limits, Instant::now())
    }

    /// Which timeout came, and after how many seconds.
    async fn end(timer: &mut Timer) -> (Which, u64) {
        let which =
            timer.run(pin!(std::future::pending::<()>())).await.expect_err("never ends itself");
        (which, timer.arrived().elapsed().as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn the_earliest_timeout_ends_a_silent_request() {
        let mut total = timer(9, None, None);
        assert_eq!(end(&mut total).await, (Which::Total, 9));
        assert_eq!(total.end(), Instant::now());
        assert_eq!(end(&mut timer(9, Some(4), Some(5))).await, (Which::ResponseStart, 4));
        assert_eq!(end(&mut timer(9, Some(6), Some(5))).await, (Which::Idle, 5));
        assert_eq!(end(&mut timer(4, Some(4), Some(4))).await, (Which::Total, 4));
        assert_eq!(end(&mut timer(9, Some(4), Some(4))).await, (Which::ResponseStart, 4));
    }

    #[tokio::test(start_paused = true)]
    async fn the_start_timeout_is_over_once_the_answer_began() {
        let mut timer = timer(9, Some(4), None);
        timer.started();
        assert_eq!(end(&mut timer).await, (Which::Total, 9));
    }

    #[tokio::test(start_paused = true)]
    async fn each_write_moves_the_idle_timeout_but_never_the_total() {
        let mut timer = timer(9, None, Some(4));
        timer.run(pin!(tokio::time::sleep(SECOND * 3))).await.expect("in time");
        timer.started();
        timer.run(pin!(tokio::time::sleep(SECOND * 3))).await.expect("in time");
        timer.wrote();
        assert_eq!(end(&mut timer).await, (Which::Total, 9));
    }
}
