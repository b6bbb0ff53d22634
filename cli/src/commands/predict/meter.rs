//! The use of a service while a job runs, and its price.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use rouse_api::billing::{Bill, DEFAULT_BOOKS, PriceBooks, bill};
use rouse_api::usage::{Existed, LEDGER_PERIOD, Usage, month};
use serde::Serialize;
use tokio::time::sleep;

use crate::args::BOOK;
use crate::commands::cost;
use crate::outcome::{Context, Failure, Result};
use crate::printer::Printer;
use crate::target::Target;

/// A ledger's period, and time to write it.
const LEDGER_WAIT: Duration = LEDGER_PERIOD.saturating_add(Duration::from_secs(5));
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The use of one service since a moment.
pub(super) struct Meter {
    service: String,
    month: String,
    before: BTreeMap<String, Usage>,
}

/// The price of what was used, before what a month includes.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Spent {
    amount: f64,
    currency: String,
    /// The book's title.
    book: String,
    /// Units by name, as `vCPU-s`.
    used: BTreeMap<&'static str, f64>,
}

impl fmt::Display for Spent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { amount, currency, book, used } = self;
        write!(f, "{amount:.6} {currency} by {book}, before what a month includes")?;
        for (unit, quantity) in used.iter().filter(|(_, quantity)| **quantity >= 0.05) {
            write!(f, "; {quantity:.1} {unit}")?;
        }
        Ok(())
    }
}

impl Meter {
    pub(super) async fn begin(target: &Target, service: &str) -> Result<Self> {
        let month = month(jiff::Timestamp::now());
        let before = cost::read(target, &month, Some(service)).await?;
        Ok(Self { service: service.to_owned(), month, before })
    }

    /// What was used, once the ledger has `requests` more. None if it does not have them in time.
    pub(super) async fn end(
        self,
        target: &Target,
        requests: u64,
        printer: &Printer,
    ) -> Result<Option<Spent>> {
        let began = Instant::now();
        let mut said = false;
        loop {
            let after = cost::read(target, &self.month, Some(&self.service)).await?;
            let used = since(&self.before, after);
            if used.iter().map(|row| row.served.requests).sum::<u64>() >= requests {
                return spent(&used).map(Some);
            }
            if began.elapsed() > LEDGER_WAIT {
                return Ok(None);
            }
            if !std::mem::replace(&mut said, true) {
                printer.progress(format!(
                    "waiting for the meter, which is read every {} s (--no-cost: not)",
                    LEDGER_PERIOD.as_secs()
                ));
            }
            sleep(LOOK_EVERY).await;
        }
    }
}

/// The use of each revision after `before`.
fn since(before: &BTreeMap<String, Usage>, after: BTreeMap<String, Usage>) -> Vec<Usage> {
    let more = |(revision, mut row): (String, Usage)| {
        if let Some(before) = before.get(&revision) {
            row.served = row.served.since(&before.served);
            let (now, then) = (row.existed, before.existed);
            row.existed = Existed {
                starts: now.starts.saturating_sub(then.starts),
                instance_seconds: now.instance_seconds - then.instance_seconds,
                starting_seconds: now.starting_seconds - then.starting_seconds,
            };
            row.since = before.until.clone();
        }
        row
    };
    after.into_iter().map(more).collect()
}

fn spent(used: &[Usage]) -> Result<Spent> {
    let books = PriceBooks::read(DEFAULT_BOOKS).or_fail(|| "the built-in prices".to_owned())?;
    let book = books.find(BOOK).ok_or_else(|| Failure::new("the built-in prices lack a book"))?;
    let Bill { title, lines, .. } = bill(book, used);
    Ok(Spent {
        amount: lines.iter().map(|line| line.quantity * line.price).sum(),
        currency: books.currency.clone(),
        book: title,
        used: lines.iter().map(|line| (line.what, line.quantity)).collect(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn row(requests: u64, busy: f64, starting: f64) -> Usage {
        serde_json::from_value(json!({
            "service": "hello", "since": "2026-11-01T00:00:00Z", "until": "2026-11-01T01:00:00Z",
            "instance": { "vcpu": 2, "memoryBytes": 1_u64 << 30 },
            "requests": requests, "roundedBusySeconds": busy, "startingSeconds": starting,
        }))
        .unwrap()
    }

    #[test]
    fn only_what_was_used_since_the_beginning_is_priced() {
        let before = BTreeMap::from([("a".to_owned(), row(10, 5.0, 1.0))]);
        let after = BTreeMap::from([
            ("a".to_owned(), row(14, 7.0, 1.5)),
            ("b".to_owned(), row(1, 0.5, 0.0)),
        ]);
        let used = since(&before, after);
        let spent = spent(&used).unwrap();
        assert_eq!(spent.used["requests"], 5.0);
        assert_eq!((spent.used["vCPU-s"], spent.used["GiB-s"]), (6.0, 3.0));
        let amount = 6.0 * 24e-6 + 3.0 * 2.5e-6 + 5.0 * 0.4e-6;
        assert!((spent.amount - amount).abs() < 1e-12, "{spent:?}");
        assert!(spent.to_string().contains("6.0 vCPU-s"), "{spent}");
    }
}
