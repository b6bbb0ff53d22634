//! A histogram of durations, counted by one thread and merged at each scrape.

use std::time::Duration;

/// Upper bounds of the buckets in seconds: Knative's, with some below for answers that take less
/// than its first and some above for models that take longer than its last.
pub(crate) const BOUNDS: [f64; 20] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0,
    7.5, 10.0, 30.0, 60.0, 300.0,
];

/// Counts by bucket, the last of which has no bound, and the sum of all durations.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Histogram {
    buckets: [u64; BOUNDS.len() + 1],
    sum: Duration,
}

impl Histogram {
    pub(crate) fn observe(&mut self, took: Duration) {
        let seconds = took.as_secs_f64();
        let index = BOUNDS.partition_point(|bound| *bound < seconds);
        self.buckets[index] += 1;
        self.sum = self.sum.saturating_add(took);
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        for (count, more) in self.buckets.iter_mut().zip(other.buckets) {
            *count += more;
        }
        self.sum = self.sum.saturating_add(other.sum);
    }

    pub(crate) fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// The sum of all durations, in seconds.
    pub(crate) fn sum(&self) -> f64 {
        self.sum.as_secs_f64()
    }

    /// Each bucket's bound and its own count, as the encoder wants them.
    pub(crate) fn buckets(&self) -> Vec<(f64, u64)> {
        BOUNDS.into_iter().chain([f64::INFINITY]).zip(self.buckets).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_counts_in_the_first_bucket_that_holds_it() {
        let mut histogram = Histogram::default();
        for millis in [0, 1, 2, 5, 10_000, 300_000, 300_001] {
            histogram.observe(Duration::from_millis(millis));
        }
        let counts: Vec<_> = histogram.buckets().into_iter().filter(|(_, n)| *n > 0).collect();
        let infinity = f64::INFINITY;
        let want = [(0.0005, 1), (0.001, 1), (0.0025, 1), (0.005, 1), (10.0, 1), (300.0, 1)];
        assert_eq!(counts, [want.as_slice(), &[(infinity, 1)]].concat());
        assert_eq!((histogram.count(), histogram.sum()), (7, 610.009));
    }

    #[test]
    fn merged_histograms_hold_the_observations_of_both() {
        let (mut one, mut two, mut both) =
            (Histogram::default(), Histogram::default(), Histogram::default());
        for (index, millis) in [3, 30, 3, 900].into_iter().enumerate() {
            let took = Duration::from_millis(millis);
            if index % 2 == 0 { &mut one } else { &mut two }.observe(took);
            both.observe(took);
        }
        one.merge(&two);
        assert_eq!(one, both);
    }
}
