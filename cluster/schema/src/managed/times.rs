//! Writes that change nothing but the times of managed fields.

use serde_json::Value;

/// Whether two objects differ in the times of their managed fields at most.
#[must_use]
pub fn same_but_times(one: &Value, other: &Value) -> bool {
    let (Some(a), Some(b)) = (one.as_object(), other.as_object()) else { return one == other };
    a.len() == b.len()
        && a.iter().all(|(name, value)| match (name.as_str(), b.get(name)) {
            ("metadata", Some(other)) => metadata(value, other),
            (_, other) => other == Some(value),
        })
}

fn metadata(one: &Value, other: &Value) -> bool {
    let (Some(a), Some(b)) = (one.as_object(), other.as_object()) else { return one == other };
    a.len() == b.len()
        && a.iter().all(|(name, value)| match (name.as_str(), b.get(name)) {
            ("managedFields", Some(other)) => managers(value, other),
            (_, other) => other == Some(value),
        })
}

fn managers(one: &Value, other: &Value) -> bool {
    if one == other {
        return true;
    }
    let timeless = |list: &Value| -> Vec<Value> {
        let mut entries = list.as_array().cloned().unwrap_or_default();
        for entry in &mut entries {
            if let Some(entry) = entry.as_object_mut() {
                entry.remove("time");
            }
        }
        // The order is by time.
        entries.sort_by_cached_key(Value::to_string);
        entries
    };
    timeless(one) == timeless(other)
}
