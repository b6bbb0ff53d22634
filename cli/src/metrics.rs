//! A reader of OpenMetrics text: samples, sums by label, rates and quantiles.
//!
//! Commands read the endpoint that Prometheus scrapes, so that both report the same.

use std::collections::BTreeMap;
use std::time::Duration;

/// One line: a name, its labels, a value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) value: f64,
}

/// All samples of one answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Scrape(Vec<Sample>);

/// The object that samples are about: its namespace and name.
pub(crate) type Key = (String, String);

impl Scrape {
    /// Lines that are no samples are left out.
    pub(crate) fn read(text: &str) -> Self {
        Self(text.lines().filter(|line| !line.starts_with('#')).filter_map(sample).collect())
    }

    pub(crate) fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Sample> {
        self.0.iter().filter(move |sample| sample.name == name)
    }

    /// The sum of a metric by the values of two labels; series without them are left out.
    pub(crate) fn sums(&self, name: &str, by: [&str; 2]) -> BTreeMap<Key, f64> {
        let mut sums = BTreeMap::new();
        for sample in self.named(name) {
            if let Some(key) = key(sample, by) {
                *sums.entry(key).or_insert(0.0) += sample.value;
            }
        }
        sums
    }

    /// The cumulative buckets of a histogram by two labels, all others summed: upper bound and
    /// count, in order.
    pub(crate) fn buckets(&self, name: &str, by: [&str; 2]) -> BTreeMap<Key, Vec<(f64, f64)>> {
        let mut all: BTreeMap<Key, Vec<(f64, f64)>> = BTreeMap::new();
        for sample in self.named(&format!("{name}_bucket")) {
            let bound = sample.labels.get("le").and_then(|le| le.parse::<f64>().ok());
            let (Some(key), Some(bound)) = (key(sample, by), bound) else { continue };
            let buckets = all.entry(key).or_default();
            match buckets.iter_mut().find(|(at, _)| at.total_cmp(&bound).is_eq()) {
                Some((_, count)) => *count += sample.value,
                None => buckets.push((bound, sample.value)),
            }
        }
        for buckets in all.values_mut() {
            buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        }
        all
    }
}

fn key(sample: &Sample, by: [&str; 2]) -> Option<Key> {
    let [a, b] = by.map(|label| sample.labels.get(label));
    Some((a?.clone(), b?.clone()))
}

/// `name{label="value",…} number`; a timestamp or exemplar after it is left out.
fn sample(line: &str) -> Option<Sample> {
    let (name, labels, rest) = match line.split_once('{') {
        None => {
            let (name, rest) = line.split_once(' ')?;
            (name, BTreeMap::new(), rest)
        }
        Some((name, rest)) => {
            let (labels, rest) = read_labels(rest)?;
            (name, labels, rest)
        }
    };
    let value = rest.split_whitespace().next()?.parse().ok()?;
    Some(Sample { name: name.to_owned(), labels, value })
}

/// The labels up to the closing brace, and what follows it.
fn read_labels(text: &str) -> Option<(BTreeMap<String, String>, &str)> {
    let mut labels = BTreeMap::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([',', ' ']);
        if let Some(after) = rest.strip_prefix('}') {
            return Some((labels, after));
        }
        let (name, quoted) = rest.split_once("=\"")?;
        let (value, after) = unquote(quoted)?;
        labels.insert(name.to_owned(), value);
        rest = after;
    }
}

/// A value up to its closing quote, without the escapes of `\`, `"` and line ends.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => match chars.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}

/// Counts per second between two readings. A counter that fell was reset.
pub(crate) fn rate(before: f64, after: f64, between: Duration) -> f64 {
    let counted = if after < before { after } else { after - before };
    let seconds = between.as_secs_f64();
    if seconds > 0.0 { counted / seconds } else { 0.0 }
}

/// The quantile `q` (0 to 1) of the observations between two readings of cumulative buckets, linear
/// within a bucket as in Prometheus' `histogram_quantile`; `None` without observations.
pub(crate) fn quantile(q: f64, before: &[(f64, f64)], after: &[(f64, f64)]) -> Option<f64> {
    let counted = |at: usize| {
        let (bound, count) = after[at];
        let earlier = before.iter().find(|(b, _)| b.total_cmp(&bound).is_eq());
        let earlier = earlier.map_or(0.0, |(_, count)| *count);
        if count < earlier { count } else { count - earlier }
    };
    let total = counted(after.len().checked_sub(1)?);
    if total <= 0.0 {
        return None;
    }
    let rank = q * total;
    let at = (0..after.len()).find(|&at| counted(at) >= rank)?;
    let (upper, reached) = (after[at].0, counted(at));
    let (lower, below) = if at == 0 { (0.0, 0.0) } else { (after[at - 1].0, counted(at - 1)) };
    if upper.is_infinite() {
        return Some(lower);
    }
    let within = if reached > below { (rank - below) / (reached - below) } else { 1.0 };
    Some(lower + (upper - lower) * within)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = concat!(
        "# HELP x Some help\n",
        "plain 3\n",
        "seen_total{ns=\"a\",name=\"b\",code=\"200\"} 10 1700000000\n",
        "seen_total{ns=\"a\",name=\"b\",code=\"500\"} 2.5\n",
        "seen_total{ns=\"a\",name=\"odd \\\"q\\\" \\\\ }\",code=\"200\"} 1\n",
        "took_bucket{ns=\"a\",name=\"b\",le=\"0.1\"} 4\n",
        "took_bucket{ns=\"a\",name=\"b\",le=\"+Inf\"} 8\n",
        "took_bucket{ns=\"a\",name=\"b\",le=\"0.2\"} 8\n",
        "broken{ns=\"a\n",
        "# EOF\n",
    );

    #[test]
    fn samples_are_read_and_summed_by_label() {
        let scrape = Scrape::read(TEXT);
        assert_eq!(scrape.named("plain").next().unwrap().value, 3.0);
        let sums = scrape.sums("seen_total", ["ns", "name"]);
        let key = |name: &str| ("a".to_owned(), name.to_owned());
        assert_eq!(sums[&key("b")], 12.5);
        assert_eq!(sums[&key("odd \"q\" \\ }")], 1.0);
        assert_eq!(sums.len(), 2);
        assert!(scrape.sums("plain", ["ns", "name"]).is_empty());
        assert_eq!(scrape.named("broken").count(), 0);
    }

    #[test]
    fn quantiles_are_those_of_observations_in_between() {
        let scrape = Scrape::read(TEXT);
        let buckets = &scrape.buckets("took", ["ns", "name"])[&("a".to_owned(), "b".to_owned())];
        assert_eq!(buckets, &[(0.1, 4.0), (0.2, 8.0), (f64::INFINITY, 8.0)]);
        let close = |a: Option<f64>, b: f64| (a.unwrap() - b).abs() < 1e-9;
        assert!(close(quantile(0.5, &[], buckets), 0.1));
        assert!(close(quantile(0.75, &[], buckets), 0.15));
        let before = [(0.1, 4.0), (0.2, 4.0), (f64::INFINITY, 4.0)];
        assert!(close(quantile(0.5, &before, buckets), 0.15), "four came, all in the second");
        assert_eq!(quantile(0.5, buckets, buckets), None, "nothing came");
        assert_eq!(quantile(0.5, &[], &[]), None);
        let beyond = [(0.1, 0.0), (f64::INFINITY, 3.0)];
        assert!(close(quantile(0.99, &[], &beyond), 0.1), "no more than the last bound is known");
    }

    #[test]
    fn a_reset_counter_is_counted_from_zero() {
        let second = Duration::from_secs(2);
        assert_eq!(rate(10.0, 30.0, second), 10.0);
        assert_eq!(rate(30.0, 4.0, second), 2.0);
        assert_eq!(rate(1.0, 2.0, Duration::ZERO), 0.0);
    }
}
