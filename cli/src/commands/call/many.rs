//! Many requests, and how they were answered.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use http::StatusCode;
use serde::Serialize;

use super::request::{REVISION_HEADER, Sent};
use crate::http::Connection;
use crate::outcome::{Failure, Result};
use crate::printer::{Printer, bar};
use crate::reach::Reach;

/// Most connections at a time.
const PARALLEL_MAX: u32 = 1000;

/// How one request ended.
struct Outcome {
    took: Duration,
    answered: Option<Answered>,
}

/// What is counted of an answer.
struct Answered {
    status: StatusCode,
    revision: Option<String>,
}

/// How an answer, a status or a revision that is not there is counted.
const NONE: &str = "none";

/// All answers of a command.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    requests: usize,
    seconds: f64,
    /// Milliseconds.
    p50: f64,
    p90: f64,
    p99: f64,
    max: f64,
    by_status: BTreeMap<String, usize>,
    by_revision: BTreeMap<String, usize>,
}

/// Sends `count` requests over `parallel` connections and prints their summary.
pub(super) async fn run(
    reach: &Reach,
    sent: &Sent,
    count: u32,
    parallel: u32,
    printer: &Printer,
) -> Result {
    let parallel = parallel.min(count).min(PARALLEL_MAX);
    let started = Instant::now();
    // Each worker takes an equal part; the first ones take what is left over.
    let parts = (0..parallel).map(|n| count / parallel + u32::from(n < count % parallel));
    let mut workers: FuturesUnordered<_> = parts.map(|part| send(reach, sent, part)).collect();
    let mut outcomes = Vec::new();
    while let Some(some) = workers.next().await {
        outcomes.extend(some);
    }
    let summary = summary(&outcomes, started.elapsed());
    if printer.json() {
        printer.document(&summary);
    } else {
        print(&summary, printer);
    }
    let failed = outcomes.iter().filter(|outcome| !outcome.is_fine()).count();
    if failed > 0 {
        return Err(Failure::new(format!("{failed} of {count} requests were not answered well")));
    }
    Ok(())
}

impl Outcome {
    fn is_fine(&self) -> bool {
        self.answered.as_ref().is_some_and(|answered| answered.status.as_u16() < 400)
    }

    fn status(&self) -> &str {
        self.answered.as_ref().map_or(NONE, |answered| answered.status.as_str())
    }

    fn revision(&self) -> &str {
        let revision = self.answered.as_ref().and_then(|answered| answered.revision.as_deref());
        revision.unwrap_or(NONE)
    }
}

/// One worker's requests, on one connection for as long as it lasts.
async fn send(reach: &Reach, sent: &Sent, count: u32) -> Vec<Outcome> {
    let mut open = None;
    let mut outcomes = Vec::new();
    for _ in 0..count {
        let started = Instant::now();
        let answer = async {
            let mut connection = match open.take() {
                Some(connection) => connection,
                None => Connection::open(&reach.open, reach.at).await?,
            };
            let (path, body) = (sent.path.as_str(), sent.body.clone());
            let answer = connection.send(sent.method.clone(), path, &sent.headers, body).await?;
            Result::Ok((answer, connection))
        };
        let answered = match answer.await {
            Ok((answer, connection)) => {
                open = (!answer.closes()).then_some(connection);
                let revision = answer.headers.get(REVISION_HEADER).and_then(|v| v.to_str().ok());
                Some(Answered { status: answer.status, revision: revision.map(str::to_owned) })
            }
            Err(_) => None,
        };
        outcomes.push(Outcome { took: started.elapsed(), answered });
    }
    outcomes
}

fn summary(outcomes: &[Outcome], all: Duration) -> Summary {
    let mut times: Vec<Duration> = outcomes.iter().map(|outcome| outcome.took).collect();
    times.sort_unstable();
    // The nearest rank.
    let at = |percent: usize| {
        let rank = (times.len() * percent).div_ceil(100).max(1) - 1;
        times.get(rank).map_or(0.0, |time| time.as_secs_f64() * 1000.0)
    };
    let (mut by_status, mut by_revision) = (BTreeMap::new(), BTreeMap::new());
    for outcome in outcomes {
        *by_status.entry(outcome.status().to_owned()).or_default() += 1;
        *by_revision.entry(outcome.revision().to_owned()).or_default() += 1;
    }
    Summary {
        requests: outcomes.len(),
        seconds: all.as_secs_f64(),
        p50: at(50),
        p90: at(90),
        p99: at(99),
        max: at(100),
        by_status,
        by_revision,
    }
}

fn print(summary: &Summary, printer: &Printer) {
    for (revision, count) in &summary.by_revision {
        printer.line(share(revision, *count, summary.requests));
    }
    for (status, count) in &summary.by_status {
        printer.line(share(status, *count, summary.requests));
    }
    printer.progress(format!(
        "{} requests in {:.1} s; half were answered within {:.1} ms, 99% within {:.1} ms, the slowest took {:.1} ms",
        summary.requests, summary.seconds, summary.p50, summary.p99, summary.max
    ));
}

fn share(name: &str, count: usize, of: usize) -> String {
    #[expect(clippy::cast_precision_loss, reason = "for a bar")]
    let share = count as f64 / of.max(1) as f64;
    format!("{name:<24}  {}  {count}", bar(share, 40))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(milliseconds: u64, answer: Option<(u16, &str)>) -> Outcome {
        let answered = answer.map(|(status, revision)| Answered {
            status: StatusCode::from_u16(status).unwrap(),
            revision: Some(revision.to_owned()),
        });
        Outcome { took: Duration::from_millis(milliseconds), answered }
    }

    #[test]
    fn a_summary_counts_answers_and_ranks_their_times() {
        let answer = |n| match n {
            10 => None,
            8.. => Some((200, "b")),
            _ => Some((200, "a")),
        };
        let outcomes: Vec<Outcome> = (1..=10).map(|n| outcome(n, answer(n))).collect();
        let all = summary(&outcomes, Duration::from_secs(1));
        assert_eq!((all.requests, all.p50, all.p90, all.p99, all.max), (10, 5.0, 9.0, 10.0, 10.0));
        assert_eq!(all.by_status, [("200".to_owned(), 9), ("none".to_owned(), 1)].into());
        let by_revision = [("a".to_owned(), 7), ("b".to_owned(), 2), ("none".to_owned(), 1)];
        assert_eq!(all.by_revision, by_revision.into());
    }

    #[test]
    fn an_error_and_no_answer_are_not_fine() {
        let fine = |answer| outcome(1, answer).is_fine();
        assert!(fine(Some((200, "a"))) && fine(Some((302, "a"))));
        assert!(!fine(Some((404, "a"))) && !fine(Some((503, "a"))) && !fine(None));
    }
}
