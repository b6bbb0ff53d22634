//! Median and p95 of a list of measurements.

use std::time::Duration;

/// Measurements of one thing.
#[derive(Default)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    pub(crate) fn add(&mut self, value: f64) {
        self.0.push(value);
    }

    pub(crate) fn add_ms(&mut self, took: Duration) {
        self.add(took.as_secs_f64() * 1000.0);
    }

    /// The value that a `share` of the samples do not exceed.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        if sorted.is_empty() {
            return f64::NAN;
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to length")]
        let index = ((sorted.len() - 1) as f64 * share).round() as usize;
        sorted[index]
    }

    pub(crate) fn print(&self, what: &str, unit: &str) {
        println!(
            "{what:<58} median {:>9.2} {unit}   p95 {:>9.2} {unit}   ({} runs)",
            self.quantile(0.5),
            self.quantile(0.95),
            self.0.len()
        );
    }
}
