//! The order of a merged list: as the patch says for the items it names, as it was for the others.

use serde_json::Value;

/// Sorts `items` by `wanted`; items that it does not name keep their place relative to what was `before`.
pub(super) fn sorted(
    items: Vec<Value>,
    wanted: &[Value],
    before: &[Value],
    key: Option<&str>,
) -> Vec<Value> {
    let identity =
        |item: &Value| -> Value { key.and_then(|k| item.get(k)).unwrap_or(item).clone() };
    let position = |list: &[Value], item: &Value| {
        list.iter().position(|other| identity(other) == identity(item))
    };
    let (mut named, rest): (Vec<Value>, Vec<Value>) =
        items.into_iter().partition(|item| position(wanted, item).is_some());
    named.sort_by_cached_key(|item| position(wanted, item));
    let mut result = Vec::with_capacity(named.len() + rest.len());
    let (mut named, mut rest) = (named.into_iter().peekable(), rest.into_iter().peekable());
    loop {
        let first = match (named.peek(), rest.peek()) {
            (Some(ours), Some(theirs)) => {
                // Items that the patch does not name keep their place, or come as early as they can.
                match (position(before, ours), position(before, theirs)) {
                    (Some(a), Some(b)) => a < b,
                    (Some(_) | None, _) => false,
                }
            }
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (None, None) => return result,
        };
        result.extend(if first { named.next() } else { rest.next() });
    }
}
