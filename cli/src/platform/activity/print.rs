//! The thread that prints lines, and the limit of lines.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use rouse_kit::Component;
use rouse_node::logs::{LogOptions, of_last_pod};

use super::tell::Line;
use crate::fault;
use crate::printer::Printer;

/// Lines that wait for a slow terminal; more are counted only.
const LINES_WAITING_MAX: usize = 256;
/// Lines of one second; more are counted only.
const LINES_A_SECOND: u32 = 20;
/// Lines of a crashed container's log in which the fault is looked for.
const LOG_LINES: usize = 200;
/// Letters of a last line that names no fault.
const LETTERS_MAX: usize = 120;

/// Hands lines to the thread, and never waits for it.
#[derive(Clone)]
pub(super) struct Sink {
    lines: SyncSender<Line>,
    dropped: Arc<AtomicU64>,
}

impl Sink {
    pub(super) fn send(&self, line: Line) {
        if self.lines.try_send(line).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Starts the thread. `logs` is the folder of the containers' logs.
pub(super) fn start(
    printer: Printer,
    logs: PathBuf,
    component: &Component,
) -> std::io::Result<Sink> {
    let (lines, waiting) = sync_channel(LINES_WAITING_MAX);
    let dropped = Arc::new(AtomicU64::new(0));
    let sink = Sink { lines, dropped: Arc::clone(&dropped) };
    let body = move || print(&waiting, &dropped, printer, &logs);
    component.tasks.thread("activity printer", "activity".to_owned(), body)?;
    Ok(sink)
}

fn print(waiting: &Receiver<Line>, dropped: &AtomicU64, printer: Printer, logs: &std::path::Path) {
    let mut budget = Budget::new(Instant::now());
    while let Ok(line) = waiting.recv() {
        let missed = dropped.swap(0, Ordering::Relaxed);
        let Some(left_out) = budget.take(Instant::now(), missed) else { continue };
        if left_out > 0 {
            printer.line(printer.dim(&format!("          … and {left_out} more events")));
        }
        printer.line(text(&line, printer, logs));
    }
}

fn text(line: &Line, printer: Printer, logs: &std::path::Path) -> String {
    let time = line.time.strftime("%H:%M:%SZ").to_string();
    let mut text = line.text.clone();
    if let Some(crash) = &line.crash {
        let options = LogOptions { tail_lines: Some(LOG_LINES), ..LogOptions::default() };
        let (is_ours, container) = (|pod: &str| pod == crash.pod, Some(crash.container.as_str()));
        let log = of_last_pod(logs, &crash.namespace, is_ours, container, &options);
        let log = log.first().map(|log| log.text.as_str()).unwrap_or_default();
        let last = || {
            let line = log.lines().rfind(|line| !line.trim().is_empty())?;
            Some(fault::readable(line).chars().take(LETTERS_MAX).collect())
        };
        if let Some(why) = fault::find(log).map(|fault| fault.to_string()).or_else(last) {
            text.push_str(&format!(": {why}"));
        }
    }
    format!("{} {} {text}", printer.dim(&time), printer.bold(&line.about))
}

/// How many more lines may be printed in this second.
struct Budget {
    since: Instant,
    printed: u32,
    left_out: u64,
}

impl Budget {
    fn new(now: Instant) -> Self {
        Self { since: now, printed: 0, left_out: 0 }
    }

    /// Whether a line may be printed; if so, how many were left out before it, with those that were
    /// `missed` on the way.
    fn take(&mut self, now: Instant, missed: u64) -> Option<u64> {
        self.left_out = self.left_out.saturating_add(missed);
        if now.duration_since(self.since) >= Duration::from_secs(1) {
            (self.since, self.printed) = (now, 0);
        }
        if self.printed >= LINES_A_SECOND {
            self.left_out = self.left_out.saturating_add(1);
            return None;
        }
        self.printed += 1;
        Some(std::mem::take(&mut self.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_cut_and_the_next_line_says_how_many_are_missing() {
        let start = Instant::now();
        let mut budget = Budget::new(start);
        for _ in 0..LINES_A_SECOND {
            assert_eq!(budget.take(start, 0), Some(0));
        }
        for _ in 0..5 {
            assert_eq!(budget.take(start, 0), None);
        }
        let later = start + Duration::from_secs(1);
        assert_eq!(budget.take(later, 2), Some(7));
        assert_eq!(budget.take(later, 0), Some(0));
    }
}
