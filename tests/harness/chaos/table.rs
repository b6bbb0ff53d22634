//! The report of a run: changes by kind, the requests that overlapped them, and their outcomes.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::change::Change;
use super::clients::{Outcome, Request};
use super::transitions::{Cost, Kind};

/// How long after its command a change may still affect requests.
const AFTEREFFECT: Duration = Duration::from_secs(2);

/// One kind of change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    pub changes: usize,
    /// Requests that were under way while such a change was.
    pub requests: usize,
    /// Those for which no server listened.
    pub unconnected: usize,
    /// Those answered that there is no such Service.
    pub away: usize,
    pub failed: usize,
}

/// The table of a run. Displayed, it includes the seed.
#[derive(Clone, Debug)]
pub struct Report {
    pub seed: u64,
    pub requests: usize,
    pub rows: BTreeMap<Kind, Row>,
    /// Requests that were lost though no change that they overlapped may lose any.
    pub lost: Vec<String>,
}

impl Report {
    pub(super) fn new(seed: u64, changes: &[Change], requests: &[Request]) -> Self {
        let mut rows: BTreeMap<Kind, Row> = BTreeMap::new();
        for change in changes {
            rows.entry(change.kind).or_default().changes += 1;
        }
        let mut lost = Vec::new();
        for request in requests {
            let met: Vec<&Change> = changes.iter().filter(|change| met(change, request)).collect();
            let mut kinds: Vec<Kind> = met.iter().map(|change| change.kind).collect();
            kinds.sort_unstable();
            kinds.dedup();
            // A loss counts for the overlapping changes that may cost it; if none may, for all.
            let explained = kinds.iter().any(|kind| kind.cost().covers(&request.outcome));
            for kind in &kinds {
                let row = rows.entry(*kind).or_default();
                row.requests += 1;
                if explained && !kind.cost().covers(&request.outcome) {
                    continue;
                }
                match &request.outcome {
                    Outcome::Answered => {}
                    Outcome::NoConnection => row.unconnected += 1,
                    Outcome::Away => row.away += 1,
                    Outcome::Failed(_) => row.failed += 1,
                }
            }
            if !explained {
                let what = match &request.outcome {
                    Outcome::Answered => continue,
                    Outcome::NoConnection => "no connection".to_owned(),
                    Outcome::Away => "no such Service".to_owned(),
                    Outcome::Failed(why) => why.clone(),
                };
                lost.push(format!("service {} during {kinds:?}: {what}", request.service));
            }
        }
        Self { seed, requests: requests.len(), rows, lost }
    }
}

fn met(change: &Change, request: &Request) -> bool {
    change.service.is_none_or(|service| service == request.service)
        && change.began <= request.ended
        && request.began <= change.ended + AFTEREFFECT
}

impl Cost {
    fn covers(self, outcome: &Outcome) -> bool {
        match self {
            Self::Nothing => false,
            Self::Away => *outcome == Outcome::Away,
            Self::Restart => *outcome == Outcome::NoConnection,
            Self::InFlight => matches!(outcome, Outcome::Failed(_)),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let changes: usize = self.rows.values().map(|row| row.changes).sum();
        writeln!(f, "seed {}: {changes} changes, {} requests", self.seed, self.requests)?;
        writeln!(f, "| change | times | requests | no connection | away | failed | may cost |")?;
        writeln!(f, "|---|---:|---:|---:|---:|---:|---|")?;
        for (kind, row) in &self.rows {
            let Row { changes, requests, unconnected, away, failed } = row;
            let (what, cost) = (kind.what(), kind.cost().words());
            writeln!(
                f,
                "| {what} | {changes} | {requests} | {unconnected} | {away} | {failed} | {cost} |"
            )?;
        }
        write!(f, "lost: {}", self.lost.len())
    }
}
