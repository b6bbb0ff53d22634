//! The ledgers in memory, and what of them is still to be written.
//!
//! A ledger that an earlier autoscaler wrote is read before it is written the first time; what was
//! used meanwhile is added to it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use rouse_api::usage::{Existed, Instance, Served, Usage, month};
use rouse_k8s::ObjectKey;

/// Months that are kept in memory after they ended, for what comes in late.
const KEPT: usize = 2;

/// Names a ledger.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LedgerKey {
    pub(crate) month: String,
    pub(crate) namespace: String,
}

/// Rows by revision.
pub(crate) type Rows = BTreeMap<String, Usage>;

/// What is to be added to one revision's row.
#[derive(Clone, Debug, Default)]
pub(crate) struct Addition {
    pub(crate) served: Served,
    pub(crate) existed: Existed,
    /// The Service and the size of one pod, where they are known.
    pub(crate) of: Option<(String, Instance)>,
}

/// A ledger to write.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Due {
    pub(crate) key: LedgerKey,
    /// Whether its stored rows are still unknown: they are to be given to [`Ledgers::found`] first.
    pub(crate) unread: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Ledgers {
    ledgers: BTreeMap<LedgerKey, Ledger>,
}

#[derive(Debug, Default)]
struct Ledger {
    rows: Rows,
    changed: BTreeSet<String>,
    read: bool,
}

impl Ledgers {
    /// Adds what a revision used up to `now`, in wall time.
    pub(crate) fn add(&mut self, revision: &ObjectKey, addition: &Addition, now: Timestamp) {
        let Addition { served, existed, of } = addition;
        if served.is_nothing() && existed.is_nothing() {
            return;
        }
        let key = LedgerKey { month: month(now), namespace: revision.namespace.clone() };
        let ledger = self.ledgers.entry(key).or_default();
        let row = ledger.rows.entry(revision.name.clone()).or_insert_with(|| Usage {
            service: String::new(),
            since: Time(now),
            until: Time(now),
            instance: Instance::default(),
            served: Served::default(),
            existed: Existed::default(),
        });
        row.served.add(served);
        row.existed.add(existed);
        row.until = Time(row.until.0.max(now));
        if let Some((service, instance)) = of {
            row.service.clone_from(service);
            row.instance = instance.clone();
        }
        ledger.changed.insert(revision.name.clone());
    }

    /// The ledgers that have changed.
    pub(crate) fn due(&self) -> Vec<Due> {
        let changed = self.ledgers.iter().filter(|(_, ledger)| !ledger.changed.is_empty());
        changed.map(|(key, ledger)| Due { key: key.clone(), unread: !ledger.read }).collect()
    }

    /// The rows that were stored when this autoscaler began; they come before its own.
    pub(crate) fn found(&mut self, key: &LedgerKey, stored: Rows) {
        let ledger = self.ledgers.entry(key.clone()).or_default();
        if std::mem::replace(&mut ledger.read, true) {
            return;
        }
        for (revision, mut row) in stored {
            if let Some(own) = ledger.rows.get(&revision) {
                row.served.add(&own.served);
                row.existed.add(&own.existed);
                row.until = Time(row.until.0.max(own.until.0));
                if !own.service.is_empty() {
                    row.service.clone_from(&own.service);
                    row.instance = own.instance.clone();
                }
            }
            ledger.rows.insert(revision, row);
        }
    }

    /// The changed rows, which count as written from here on.
    pub(crate) fn take(&mut self, key: &LedgerKey) -> Rows {
        let Some(ledger) = self.ledgers.get_mut(key) else { return Rows::new() };
        let changed = std::mem::take(&mut ledger.changed);
        let rows = changed.into_iter().filter_map(|name| {
            let row = ledger.rows.get(&name)?.clone();
            Some((name, row))
        });
        let rows = rows.collect();
        self.forget_old();
        rows
    }

    /// They were not written after all.
    pub(crate) fn not_written(&mut self, key: &LedgerKey, rows: &Rows) {
        if let Some(ledger) = self.ledgers.get_mut(key) {
            ledger.changed.extend(rows.keys().cloned());
        }
    }

    fn forget_old(&mut self) {
        let months: BTreeSet<&String> = self.ledgers.keys().map(|key| &key.month).collect();
        let Some(oldest) = months.into_iter().rev().nth(KEPT - 1).cloned() else { return };
        self.ledgers.retain(|key, ledger| key.month >= oldest || !ledger.changed.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn served(requests: u64) -> Addition {
        Addition { served: Served { requests, ..Served::default() }, ..Addition::default() }
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn requests(rows: &Rows) -> Vec<(&str, u64)> {
        rows.iter().map(|(name, row)| (name.as_str(), row.served.requests)).collect()
    }

    #[test]
    fn what_was_stored_before_is_added_to_once() {
        let mut ledgers = Ledgers::default();
        let hello = ObjectKey::new("shop", "hello-00001");
        let now = at("2026-11-05T00:00:00Z");
        ledgers.add(&hello, &served(2), now);
        let [due] = &ledgers.due()[..] else { panic!("one is due") };
        assert!(due.unread);
        let mut before = Ledgers::default();
        before.add(&hello, &served(10), at("2026-11-01T00:00:00Z"));
        before.add(&ObjectKey::new("shop", "gone-00001"), &served(7), at("2026-11-01T00:00:00Z"));
        let stored = before.take(&due.key);
        for _ in 0..2 {
            ledgers.found(&due.key, stored.clone());
        }
        assert!(!ledgers.due()[0].unread);
        let written = ledgers.take(&due.key);
        assert_eq!(requests(&written), [("hello-00001", 12)]);
        let row = &written["hello-00001"];
        assert_eq!((row.since.0, row.until.0), (at("2026-11-01T00:00:00Z"), now));
        assert!(ledgers.due().is_empty());
        ledgers.not_written(&due.key, &written);
        assert_eq!(requests(&ledgers.take(&due.key)), [("hello-00001", 12)]);
    }

    #[test]
    fn a_month_has_its_own_ledger_and_an_idle_hour_changes_none() {
        let mut ledgers = Ledgers::default();
        let hello = ObjectKey::new("shop", "hello-00001");
        for (requests, time) in
            [(1, "2026-11-30T23:59:59Z"), (2, "2026-12-01T00:00:00Z"), (0, "2026-12-01T01:00:00Z")]
        {
            ledgers.add(&hello, &served(requests), at(time));
        }
        let due = ledgers.due();
        let taken = due.iter().map(|due| {
            let rows = ledgers.take(&due.key);
            (due.key.month.as_str(), rows["hello-00001"].served.requests)
        });
        assert_eq!(taken.collect::<Vec<_>>(), [("2026-11", 1), ("2026-12", 2)]);
        ledgers.add(&hello, &Addition::default(), at("2026-12-31T00:00:00Z"));
        assert!(ledgers.due().is_empty());
    }

    #[test]
    fn months_that_are_long_over_are_let_go_once_they_are_written() {
        let mut ledgers = Ledgers::default();
        let hello = ObjectKey::new("shop", "hello-00001");
        for month in 1..=9 {
            ledgers.add(&hello, &served(1), at(&format!("2026-0{month}-01T00:00:00Z")));
        }
        let due = ledgers.due();
        assert_eq!(due.len(), 9);
        for due in &due {
            assert_eq!(ledgers.take(&due.key).len(), 1, "{due:?}");
        }
        assert_eq!(ledgers.ledgers.len(), KEPT);
    }

    #[test]
    fn a_row_says_whose_it_is_as_soon_as_that_is_known() {
        let mut ledgers = Ledgers::default();
        let hello = ObjectKey::new("shop", "hello-00001");
        let now = at("2026-11-05T00:00:00Z");
        ledgers.add(&hello, &served(1), now);
        let instance = Instance { vcpu: Some(2.0), ..Instance::default() };
        let known = Addition {
            existed: Existed { starts: 1, ..Existed::default() },
            of: Some(("hello".to_owned(), instance.clone())),
            ..Addition::default()
        };
        ledgers.add(&hello, &known, now);
        ledgers.add(&hello, &served(1), now);
        let key = ledgers.due()[0].key.clone();
        let row = ledgers.take(&key).remove("hello-00001").unwrap();
        assert_eq!((row.service.as_str(), &row.instance), ("hello", &instance));
        assert_eq!((row.served.requests, row.existed.starts), (2, 1));
    }
}
