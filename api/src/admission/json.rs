//! Readers for documents of unknown shape: a field of another type counts as absent.

use serde_json::{Map, Value};

/// Looks into a JSON document.
pub(crate) trait Look {
    fn field(&self, name: &str) -> Option<&Value>;
    fn text(&self, name: &str) -> &str;
    /// A whole number; one that is too large becomes the maximum.
    fn int(&self, name: &str) -> Option<i64>;
    fn list(&self, name: &str) -> &[Value];
    fn pairs(&self, name: &str) -> impl Iterator<Item = (&String, &Value)>;

    fn has(&self, name: &str) -> bool {
        self.field(name).is_some()
    }
}

impl Look for Value {
    /// The field, unless it is null.
    fn field(&self, name: &str) -> Option<&Value> {
        self.get(name).filter(|v| !v.is_null())
    }

    /// The text of a field; empty where there is none.
    fn text(&self, name: &str) -> &str {
        self.get(name).and_then(Self::as_str).unwrap_or_default()
    }

    fn int(&self, name: &str) -> Option<i64> {
        match self.get(name)? {
            Self::Number(number) if number.is_u64() => Some(number.as_i64().unwrap_or(i64::MAX)),
            other => other.as_i64(),
        }
    }

    fn list(&self, name: &str) -> &[Value] {
        self.get(name).and_then(Self::as_array).map_or(&[], Vec::as_slice)
    }

    fn pairs(&self, name: &str) -> impl Iterator<Item = (&String, &Self)> {
        self.get(name).and_then(Self::as_object).into_iter().flatten()
    }
}

/// The strings of a map: labels and annotations.
pub(crate) fn strings(parent: &Value, name: &str) -> std::collections::BTreeMap<String, String> {
    parent
        .pairs(name)
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}

/// The object under `name`, created if there is none.
pub(crate) fn object_mut<'a>(parent: &'a mut Value, name: &str) -> &'a mut Value {
    if !parent.is_object() {
        *parent = Value::Object(Map::new());
    }
    let child = &mut parent[name];
    if !child.is_object() {
        *child = Value::Object(Map::new());
    }
    child
}

/// Equal for Kubernetes; see [`canonical`].
pub(crate) fn same(a: Option<&Value>, b: Option<&Value>) -> bool {
    a.map(canonical).unwrap_or_default() == b.map(canonical).unwrap_or_default()
}

/// A document without values that mean unset: null, an empty list or text, an empty map of strings, false or zero in
/// some fields, since a client that reads and writes typed objects leaves them out.
pub(crate) fn canonical(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| match MAPS.contains(&name.as_str()) {
                // Its keys are the user's, and an empty text is a value.
                true => (name, value.clone()),
                false => (name, canonical(value)),
            })
            .filter(|(name, value)| !is_unset(name, value))
            .map(|(name, value)| (name.clone(), value))
            .collect(),
        Value::Array(items) => items.iter().map(canonical).collect(),
        other => other.clone(),
    }
}

/// Maps of strings.
const MAPS: [&str; 5] = ["labels", "annotations", "requests", "limits", "nodeSelector"];
/// Texts that Go holds by a pointer, so that an empty one is a value.
const OPTIONAL_TEXTS: [&str; 3] = ["service", "runtimeClassName", "storageClassName"];
/// Flags and counts that Go leaves out when they are false or zero.
const FLAGS: [&str; 7] =
    ["hostNetwork", "hostPID", "hostIPC", "stdin", "stdinOnce", "tty", "readOnly"];
const COUNTS: [&str; 5] = [
    "initialDelaySeconds",
    "timeoutSeconds",
    "periodSeconds",
    "successThreshold",
    "failureThreshold",
];

fn is_unset(name: &str, value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty() && !OPTIONAL_TEXTS.contains(&name),
        Value::Array(items) => items.is_empty(),
        // An empty object elsewhere is a choice: `emptyDir: {}`.
        Value::Object(fields) => fields.is_empty() && (MAPS.contains(&name) || name == "resources"),
        Value::Bool(set) => !set && FLAGS.contains(&name),
        Value::Number(count) => count.as_i64() == Some(0) && COUNTS.contains(&name),
    }
}

/// The differences, each with path, old and new value; empty if there are none.
pub(crate) fn difference(old: &Value, new: &Value) -> String {
    let mut out = String::new();
    differ("", &canonical(old), &canonical(new), &mut out);
    out
}

fn differ(path: &str, old: &Value, new: &Value, out: &mut String) {
    use std::fmt::Write as _;
    match (old, new) {
        (Value::Object(a), Value::Object(b)) => {
            let names: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for name in names {
                let (x, y) = (a.get(name), b.get(name));
                let null = Value::Null;
                differ(&format!("{path}.{name}"), x.unwrap_or(&null), y.unwrap_or(&null), out);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (index, (x, y)) in a.iter().zip(b).enumerate() {
                differ(&format!("{path}[{index}]"), x, y, out);
            }
        }
        (a, b) if a == b => {}
        (a, b) => {
            let shown = |v: &Value| if v.is_null() { "<unset>".to_owned() } else { v.to_string() };
            // Writing to a String cannot fail.
            let _ = write!(out, "{{{path}}}:\n\t-: {}\n\t+: {}\n", shown(a), shown(b));
        }
    }
}
