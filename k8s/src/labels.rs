//! Selection by equal labels: a Service's selector, a Pod's `nodeSelector`, `matchLabels`.

use std::collections::BTreeMap;

/// Whether `labels` hold every pair of `selector`. An empty selector selects everything; callers
/// for which it selects nothing have to check for that.
///
/// Upstream: `labels.Set.AsSelector().Matches`.
#[must_use]
pub fn selects(
    selector: &BTreeMap<String, String>,
    labels: Option<&BTreeMap<String, String>>,
) -> bool {
    selector.iter().all(|(key, value)| labels.and_then(|labels| labels.get(key)) == Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn every_pair_has_to_be_there() {
        let labels = map(&[("app", "web"), ("tier", "front")]);
        for (selector, selected) in [
            (map(&[]), true),
            (map(&[("app", "web")]), true),
            (map(&[("app", "web"), ("tier", "front")]), true),
            (map(&[("app", "db")]), false),
            (map(&[("app", "web"), ("zone", "a")]), false),
            (map(&[("zone", "")]), false),
        ] {
            assert_eq!(selects(&selector, Some(&labels)), selected, "{selector:?}");
        }
        assert!(selects(&map(&[]), None));
        assert!(!selects(&map(&[("app", "web")]), None));
    }
}
