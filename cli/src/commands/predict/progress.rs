//! The progress of a job: a bar on a terminal, now and then a line elsewhere.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::time::{Duration, Instant};

use kube::api::{Api, ListParams};
use rouse_api::{PodAutoscaler, keys};
use tokio::time::{MissedTickBehavior, interval};

use crate::printer::{Printer, bar};
use crate::target::Target;

/// How often it is shown on a terminal, and elsewhere.
const LIVE: Duration = Duration::from_millis(250);
const LINES: Duration = Duration::from_secs(10);
/// How often the pods are counted.
const COUNTED: Duration = Duration::from_secs(1);
const WIDTH: usize = 30;

pub(super) struct Progress {
    autoscalers: Api<PodAutoscaler>,
    of_service: ListParams,
    /// Of the file.
    bytes: u64,
    printer: Printer,
    began: Instant,
    state: RefCell<State>,
    pods_max: Cell<u32>,
}

#[derive(Clone, Copy, Default)]
struct State {
    /// Rows that were done when it began.
    before: u64,
    rows: u64,
    failed: u64,
    bytes: u64,
    pods: u32,
}

impl Progress {
    pub(super) fn new(target: &Target, service: &str, bytes: u64, printer: &Printer) -> Self {
        Self {
            autoscalers: Api::namespaced(target.client.clone(), &target.namespace),
            of_service: ListParams::default().labels(&format!("{}={service}", keys::SERVICE)),
            bytes,
            printer: *printer,
            began: Instant::now(),
            state: RefCell::default(),
            pods_max: Cell::default(),
        }
    }

    /// Rows were done before, up to this byte of the file.
    pub(super) fn begin(&self, rows: u64, failed: u64, bytes: u64) {
        *self.state.borrow_mut() = State { before: rows, rows, failed, bytes, pods: 0 };
    }

    /// Rows are done, up to this byte of the file.
    pub(super) fn at(&self, rows: u64, failed: u64, bytes: u64) {
        let mut state = self.state.borrow_mut();
        (state.rows, state.failed, state.bytes) = (rows, failed, bytes);
    }

    /// The most pods at a time.
    pub(super) fn pods(&self) -> u32 {
        self.pods_max.get()
    }

    /// Counts pods and shows the progress, for as long as it is polled.
    pub(super) async fn watch(&self) -> Infallible {
        let live = self.printer.interactive() && !self.printer.json();
        let mut shown = interval(if live { LIVE } else { LINES });
        let mut counted = interval(COUNTED);
        for ticks in [&mut shown, &mut counted] {
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        }
        shown.tick().await;
        loop {
            tokio::select! {
                _ = counted.tick() => self.count().await,
                _ = shown.tick() => {
                    let text = text(*self.state.borrow(), self.bytes, self.began.elapsed());
                    if live { self.printer.live(text) } else { self.printer.progress(text) }
                }
            }
        }
    }

    async fn count(&self) {
        // A count that fails is left out; the next one comes soon.
        let Ok(all) = self.autoscalers.list(&self.of_service).await else { return };
        let actual = |one: &PodAutoscaler| one.status.as_ref().and_then(|s| s.actual_scale);
        let pods: i32 = all.items.iter().filter_map(actual).sum();
        let pods = u32::try_from(pods).unwrap_or(0);
        self.state.borrow_mut().pods = pods;
        self.pods_max.set(self.pods_max.get().max(pods));
    }

    /// Ends the live line.
    pub(super) fn end(&self) {
        if self.printer.interactive() && !self.printer.json() {
            self.printer.live(text(*self.state.borrow(), self.bytes, self.began.elapsed()));
            self.printer.live_done();
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn text(state: State, bytes: u64, took: Duration) -> String {
    let share = state.bytes as f64 / bytes.max(1) as f64;
    let fresh = state.rows - state.before;
    let speed = fresh as f64 / took.as_secs_f64().max(0.001);
    let failed = match state.failed {
        0 => String::new(),
        failed => format!(", {failed} without a score"),
    };
    format!(
        "{} {:3.0} %  {} rows{failed}  {speed:.0} rows/s  {} pods",
        bar(share, WIDTH),
        share * 100.0,
        state.rows,
        state.pods
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_far_how_fast_and_with_how_many_pods() {
        let state = State { before: 100, rows: 300, failed: 2, bytes: 50, pods: 4 };
        let line = text(state, 200, Duration::from_secs(2));
        assert!(line.starts_with("████████░"), "{line}");
        assert!(line.ends_with(" 25 %  300 rows, 2 without a score  100 rows/s  4 pods"), "{line}");
        assert!(text(State::default(), 0, Duration::ZERO).ends_with("0 rows  0 rows/s  0 pods"));
    }
}
