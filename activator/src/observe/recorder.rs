//! The counters of one revision's requests: a shard for each data thread, so that a request writes
//! no cache line that another thread writes, merged at each scrape.
//!
//! Invariant: the values of every label come from a bounded set.

use std::time::Duration;

use http::{StatusCode, Version};
use parking_lot::Mutex;

use crate::observe::histogram::Histogram;

/// A status code as a label: those that are registered as they are, others by their class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Code(u16);

impl Code {
    /// The client was gone before there was an answer; nginx's number for it.
    pub(crate) const CLIENT_GONE: Self = Self(499);

    pub(crate) fn of(status: StatusCode) -> Self {
        let registered = status.canonical_reason().is_some();
        Self(if registered { status.as_u16() } else { status.as_u16() / 100 })
    }

    pub(crate) fn label(self) -> String {
        if self.0 < 100 { format!("{}xx", self.0) } else { self.0.to_string() }
    }
}

/// The version of HTTP that a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Protocol {
    Http10,
    Http11,
    Http2,
}

impl Protocol {
    pub(crate) fn of(version: Version) -> Self {
        match version {
            Version::HTTP_2 => Self::Http2,
            Version::HTTP_10 | Version::HTTP_09 => Self::Http10,
            _ => Self::Http11,
        }
    }

    /// As in OpenTelemetry's `network.protocol.version`.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Http10 => "1.0",
            Self::Http11 => "1.1",
            Self::Http2 => "2",
        }
    }
}

/// Why a request was sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retry {
    /// Its pod could not be reached; another one got it.
    Unreachable,
    /// The kept connection that it was sent on had closed.
    Closed,
}

impl Retry {
    pub(crate) const ALL: [Self; 2] = [Self::Unreachable, Self::Closed];

    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Closed => "closed",
        }
    }
}

/// The phases of a cold start, in order: until the Pod existed, until it had a node, until it had
/// an address, until it passed its probe.
pub(crate) const PHASES: [&str; 4] = ["wake", "bind", "start", "ready"];

/// Everything that is counted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Totals {
    /// Durations of requests by status code and protocol.
    pub(crate) requests: Vec<(Code, Protocol, Histogram)>,
    pub(crate) retries: [u64; Retry::ALL.len()],
    /// Bytes of answers' bodies.
    sent: u64,
    /// Cold starts by phase; none for most revisions most of the time.
    pub(crate) phases: Option<Box<[Histogram; PHASES.len()]>>,
}

impl Totals {
    fn of(&mut self, code: Code, protocol: Protocol) -> &mut Histogram {
        let known = self.requests.iter().position(|(c, p, _)| (*c, *p) == (code, protocol));
        let index = known.unwrap_or_else(|| {
            self.requests.push((code, protocol, Histogram::default()));
            self.requests.len() - 1
        });
        &mut self.requests[index].2
    }

    fn merge(&mut self, other: &Self) {
        for (code, protocol, histogram) in &other.requests {
            self.of(*code, *protocol).merge(histogram);
        }
        for (count, more) in self.retries.iter_mut().zip(other.retries) {
            *count += more;
        }
        self.sent = self.sent.saturating_add(other.sent);
        if let Some(phases) = &other.phases {
            let own = self.phases.get_or_insert_default();
            for (histogram, more) in own.iter_mut().zip(phases.iter()) {
                histogram.merge(more);
            }
        }
    }
}

/// Two cache lines, which processors fetch together.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard(Mutex<Totals>);

/// One revision's counters. Each thread has its own shard, whose lock it shares with scrapes alone.
#[derive(Debug)]
pub(crate) struct Recorder {
    shards: Box<[Shard]>,
}

impl Recorder {
    pub(crate) fn new(threads: usize) -> Self {
        Self { shards: (0..threads).map(|_| Shard::default()).collect() }
    }

    /// A request is over; `sent` bytes of its answer's body were sent.
    pub(crate) fn request(
        &self,
        thread: usize,
        (code, protocol): (Code, Protocol),
        took: Duration,
        sent: u64,
    ) {
        let mut totals = self.shards[thread].0.lock();
        totals.of(code, protocol).observe(took);
        totals.sent = totals.sent.saturating_add(sent);
    }

    /// Bytes of answers' bodies, over all threads.
    pub(crate) fn sent(&self) -> u64 {
        self.shards.iter().map(|shard| shard.0.lock().sent).fold(0, u64::saturating_add)
    }

    pub(crate) fn retry(&self, thread: usize, retry: Retry) {
        self.shards[thread].0.lock().retries[retry as usize] += 1;
    }

    pub(crate) fn cold_start(&self, thread: usize, phases: [Duration; PHASES.len()]) {
        let mut totals = self.shards[thread].0.lock();
        let histograms = totals.phases.get_or_insert_default();
        for (histogram, took) in histograms.iter_mut().zip(phases) {
            histogram.observe(took);
        }
    }

    /// The sums over all threads.
    pub(crate) fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for shard in &self.shards {
            totals.merge(&shard.0.lock());
        }
        totals.requests.sort_by_key(|(code, protocol, _)| (*code, *protocol));
        totals
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_a_bounded_set() {
        let label = |code| Code::of(StatusCode::from_u16(code).expect("a code")).label();
        assert_eq!([label(100), label(200), label(503)], ["100", "200", "503"]);
        assert_eq!(label(599), "5xx");
        assert_eq!((label(499), Code::CLIENT_GONE.label()), ("4xx".to_owned(), "499".to_owned()));
        let labels: std::collections::BTreeSet<_> = (100..1000).map(label).collect();
        assert!(labels.len() < 80, "{}", labels.len());
    }

    #[test]
    fn a_version_is_labelled_as_opentelemetry_does() {
        for (version, label) in [
            (Version::HTTP_09, "1.0"),
            (Version::HTTP_10, "1.0"),
            (Version::HTTP_11, "1.1"),
            (Version::HTTP_2, "2"),
        ] {
            assert_eq!(Protocol::of(version).label(), label, "{version:?}");
        }
    }

    #[test]
    fn what_threads_count_is_summed() {
        let recorder = Recorder::new(2);
        let second = Duration::from_secs(1);
        let ok = Code::of(StatusCode::OK);
        recorder.request(0, (ok, Protocol::Http11), second, 10);
        recorder.request(1, (ok, Protocol::Http11), second * 2, 5);
        recorder.request(1, (ok, Protocol::Http2), second, 0);
        recorder.request(1, (Code::CLIENT_GONE, Protocol::Http11), second, 0);
        recorder.retry(0, Retry::Closed);
        recorder.retry(1, Retry::Closed);
        recorder.cold_start(1, [second, second * 2, second * 3, second * 4]);
        let totals = recorder.totals();
        let seen: Vec<_> = totals
            .requests
            .iter()
            .map(|(code, protocol, took)| {
                (code.label(), protocol.label(), took.count(), took.sum())
            })
            .collect();
        let row = |code: &str, protocol, count, sum| (code.to_owned(), protocol, count, sum);
        let want = [row("200", "1.1", 2, 3.0), row("200", "2", 1, 1.0), row("499", "1.1", 1, 1.0)];
        assert_eq!(seen, want);
        assert_eq!(totals.retries, [0, 2]);
        assert_eq!((totals.sent, recorder.sent()), (15, 15));
        let phases = totals.phases.expect("one cold start");
        assert_eq!(phases.each_ref().map(Histogram::sum), [1.0, 2.0, 3.0, 4.0]);
    }
}
