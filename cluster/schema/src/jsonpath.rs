//! The JSONPath of columns and selectable fields: fields, indexes, wildcards and equality filters.
//!
//! CRDs use paths like `.status.conditions[?(@.type=="Ready")].status`; a cell shows the first match.

use serde_json::Value;

/// The maximum number of steps of one path; no object is nested deeper.
const MAX_STEPS: usize = 128;

/// A parsed path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path(Vec<Step>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Field(String),
    Index(i64),
    Every,
    /// Items whose value at a path equals (or not) a literal.
    Where {
        path: Vec<String>,
        equal: bool,
        literal: Value,
    },
}

impl Path {
    /// Parses a path; `None` if it is malformed.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let inner = text.trim();
        let inner = inner.strip_prefix('{').and_then(|t| t.strip_suffix('}')).unwrap_or(inner);
        let mut rest = inner.strip_prefix('$').unwrap_or(inner);
        let mut steps = Vec::new();
        while !rest.is_empty() {
            let (step, after) = if let Some(after) = rest.strip_prefix('[') {
                bracket(after)?
            } else {
                dotted(rest)?
            };
            steps.extend(step);
            if steps.len() > MAX_STEPS {
                return None;
            }
            rest = after;
        }
        Some(Self(steps))
    }

    /// All values that the path matches.
    #[must_use]
    pub fn find<'a>(&self, root: &'a Value) -> Vec<&'a Value> {
        let mut found = vec![root];
        for step in &self.0 {
            found = found.into_iter().flat_map(|value| step.apply(value)).collect();
        }
        found
    }

    /// The first value that the path matches.
    #[must_use]
    pub fn first<'a>(&self, root: &'a Value) -> Option<&'a Value> {
        self.find(root).into_iter().next()
    }
}

impl Step {
    fn apply<'a>(&self, value: &'a Value) -> Vec<&'a Value> {
        match self {
            Self::Field(name) => value.get(name).into_iter().collect(),
            Self::Index(index) => {
                let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
                let behind = || {
                    let back = usize::try_from(index.unsigned_abs()).ok()?;
                    items.len().checked_sub(back)
                };
                let at = if *index < 0 { behind() } else { usize::try_from(*index).ok() };
                at.and_then(|at| items.get(at)).into_iter().collect()
            }
            Self::Every => match value {
                Value::Array(items) => items.iter().collect(),
                Value::Object(map) => map.values().collect(),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
            },
            Self::Where { path, equal, literal } => {
                let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
                let matches = |item: &&Value| {
                    let got = path.iter().try_fold(*item, |v, name| v.get(name));
                    got.is_some_and(|got| (got == literal) == *equal)
                };
                items.iter().filter(matches).collect()
            }
        }
    }
}

/// `.name`, `.name\.with\.dots` or `.*`.
fn dotted(text: &str) -> Option<(Option<Step>, &str)> {
    let text = text.strip_prefix('.').unwrap_or(text);
    let mut name = String::new();
    let mut characters = text.char_indices();
    let mut end = text.len();
    while let Some((at, c)) = characters.next() {
        match c {
            '\\' => name.push(characters.next()?.1),
            '.' | '[' => {
                end = at;
                break;
            }
            other => name.push(other),
        }
    }
    let rest = &text[end..];
    let step = match name.as_str() {
        "" => None,
        "*" => Some(Step::Every),
        _ => Some(Step::Field(name)),
    };
    // Only the root may have an empty name: recursive descent (`..`) is not supported.
    if step.is_none() && !rest.starts_with('[') && !rest.is_empty() {
        return None;
    }
    Some((step, rest))
}

/// A step between brackets.
fn bracket(text: &str) -> Option<(Option<Step>, &str)> {
    if let Some(filter) = text.strip_prefix("?(") {
        let end = filter.find(")]")?;
        return Some((Some(condition(&filter[..end])?), &filter[end + 2..]));
    }
    let end = text.find(']')?;
    let (inside, rest) = (text[..end].trim(), &text[end + 1..]);
    let step = match unquote(inside) {
        Some(name) => Step::Field(name),
        None if inside == "*" => Step::Every,
        None => Step::Index(inside.parse().ok()?),
    };
    Some((Some(step), rest))
}

fn condition(text: &str) -> Option<Step> {
    let (left, right, equal) = match text.split_once("==") {
        Some((left, right)) => (left, right, true),
        None => text.split_once("!=").map(|(left, right)| (left, right, false))?,
    };
    let path = left.trim().strip_prefix("@.")?.split('.').map(str::to_owned).collect();
    let right = right.trim();
    let literal = match unquote(right) {
        Some(text) => Value::String(text),
        None => serde_json::from_str(right).ok()?,
    };
    Some(Step::Where { path, equal, literal })
}

/// The text between quotes; a backslash stands for the character after it, as Knative's columns
/// write the dots of a label's key.
fn unquote(text: &str) -> Option<String> {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let inside = text.strip_prefix(quote)?.strip_suffix(quote)?;
    let mut plain = String::with_capacity(inside.len());
    let mut characters = inside.chars();
    while let Some(c) = characters.next() {
        plain.push(if c == '\\' { characters.next()? } else { c });
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Path;

    #[test]
    fn paths_find_what_columns_ask_for() {
        let object = json!({
            "metadata": {"name": "n", "labels": {"a.b/c": "v"}},
            "spec": {"ports": [{"port": 1}, {"port": 2}]},
            "status": {"conditions": [{"type": "Other", "status": "False"}, {"type": "Ready", "status": "True"}]},
        });
        let cases = [
            (".metadata.name", json!(["n"])),
            ("{.metadata.name}", json!(["n"])),
            ("$.metadata.name", json!(["n"])),
            ("metadata.name", json!(["n"])),
            (r".metadata.labels.a\.b/c", json!(["v"])),
            (".metadata.labels['a.b/c']", json!(["v"])),
            (r".metadata.labels['a\.b/c']", json!(["v"])),
            (".spec.ports[*].port", json!([1, 2])),
            (".spec.ports[1].port", json!([2])),
            (".spec.ports[-1].port", json!([2])),
            (".spec.ports[-3].port", json!([])),
            (".spec.ports[-9223372036854775808].port", json!([])),
            (r#".status.conditions[?(@.type=="Ready")].status"#, json!(["True"])),
            (r".status.conditions[?(@.type=='Ready')].status", json!(["True"])),
            (r#".status.conditions[?(@.type!="Ready")].status"#, json!(["False"])),
            (".nothing.here", json!([])),
        ];
        for (path, want) in cases {
            let found = Path::parse(path).map(|p| json!(p.find(&object)));
            assert_eq!(found, Some(want), "{path}");
        }
    }

    #[test]
    fn a_broken_path_is_refused() {
        for path in [".a[", ".a[x]", ".a[?(@.b)]", ".a..b"] {
            assert_eq!(Path::parse(path), None, "{path}");
        }
        let deep = |steps| "[*]".repeat(steps);
        assert!(Path::parse(&deep(super::MAX_STEPS)).is_some());
        assert_eq!(Path::parse(&deep(super::MAX_STEPS + 1)), None);
    }
}
