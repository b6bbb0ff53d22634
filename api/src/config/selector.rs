//! Choice by labels: of the entries whose selector matches, the most specific one.

use std::collections::BTreeMap;

use rouse_k8s::labels;

/// The labels that choose an entry; an empty selector matches everything.
pub(super) type Selector = BTreeMap<String, String>;

/// The entry with the most labels among those that `labels` match; of equal ones the first by name.
pub(super) fn most_specific<'a>(
    entries: &'a BTreeMap<String, Selector>,
    labels: &BTreeMap<String, String>,
) -> Option<&'a str> {
    entries
        .iter()
        .filter(|(_, selector)| labels::selects(selector, Some(labels)))
        .max_by(|(a, x), (b, y)| x.len().cmp(&y.len()).then(b.cmp(a)))
        .map(|(name, _)| name.as_str())
}
