//! How long a revision's pods exist, for bills. Pure.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rouse_api::usage::Existed;
use rouse_k8s::time::since;

/// The pods that have started, and the time that they took since it was last asked for.
#[derive(Debug)]
pub(super) struct Instances {
    /// Whether each has been ready, by name.
    pods: BTreeMap<String, bool>,
    existed: Existed,
    /// In steady time.
    at: Timestamp,
}

impl Instances {
    pub(super) fn new(now: Timestamp) -> Self {
        Self { pods: BTreeMap::new(), existed: Existed::default(), at: now }
    }

    /// Counts the time up to `now`, from which on `pods` exist: name, and whether it is ready.
    pub(super) fn advance<'a>(
        &mut self,
        pods: impl Iterator<Item = (&'a str, bool)>,
        now: Timestamp,
    ) {
        let mut pods = pods.peekable();
        if self.pods.is_empty() && pods.peek().is_none() {
            self.at = self.at.max(now);
            return;
        }
        let past = since(self.at, now).as_secs_f64();
        let starting = self.pods.values().filter(|was_ready| !**was_ready).count();
        self.existed.instance_seconds += past * count(self.pods.len());
        self.existed.starting_seconds += past * count(starting);
        self.at = self.at.max(now);
        let mut next = BTreeMap::new();
        for (name, ready) in pods {
            let before = self.pods.get(name).copied();
            self.existed.starts += u64::from(before.is_none());
            next.insert(name.to_owned(), before == Some(true) || ready);
        }
        self.pods = next;
    }

    /// What was counted since the last call.
    pub(super) fn take(&mut self) -> Existed {
        std::mem::take(&mut self.existed)
    }
}

#[expect(clippy::cast_precision_loss, reason = "a number of pods")]
fn count(pods: usize) -> f64 {
    pods as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_are_counted_from_their_start_to_their_end_and_apart_until_they_are_ready() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let mut instances = Instances::new(at(0));
        instances.advance([("a", false)].into_iter(), at(10));
        instances.advance([("a", true), ("b", false)].into_iter(), at(12));
        // A pod that is not ready any more is no new one.
        instances.advance([("a", false), ("b", true)].into_iter(), at(15));
        instances.advance([("b", true)].into_iter(), at(20));
        instances.advance([].into_iter(), at(30));
        instances.advance([].into_iter(), at(1000));
        let want =
            Existed { starts: 2, instance_seconds: 10.0 + 18.0, starting_seconds: 2.0 + 3.0 };
        assert_eq!(instances.take(), want);
        assert!(instances.take().is_nothing(), "an idle hour adds nothing");
    }
}
