//! One step of a field's path, and its text in `FieldsV1`.

use std::cmp::Ordering;
use std::fmt;

use serde_json::{Map, Value};

/// A step from a value to one below it. Ordered as `FieldsV1` writes them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Element {
    /// `f:`: a field of an object.
    Field(String),
    /// `k:`: an item of a list by its keys, sorted by name.
    Key(Vec<(String, Scalar)>),
    /// `v:`: an item of a set by its value.
    Value(Scalar),
    /// `i:`: an item by its position. Not made here, and kept where it is found.
    Index(u64),
}

/// A value with a total order: numbers, texts, booleans, and then the others.
#[derive(Clone, Debug)]
pub(super) struct Scalar(pub(super) Value);

impl Scalar {
    fn rank(&self) -> u8 {
        match &self.0 {
            Value::Number(_) => 0,
            Value::String(_) => 1,
            Value::Bool(_) => 2,
            Value::Array(_) => 3,
            Value::Object(_) => 4,
            Value::Null => 5,
        }
    }

    /// A number by its size, and exactly where floats of this size are all integers.
    fn number(&self) -> (f64, i128) {
        let float = self.0.as_f64().unwrap_or_default();
        let exact = self.0.as_i64().map(i128::from).or(self.0.as_u64().map(i128::from));
        #[expect(
            clippy::cast_possible_truncation,
            reason = "`as` saturates, and only ties are compared"
        )]
        let exact = exact.unwrap_or(float as i128);
        (float, exact)
    }
}

impl Ord for Scalar {
    fn cmp(&self, other: &Self) -> Ordering {
        match (&self.0, &other.0) {
            (Value::String(a), Value::String(b)) => a.cmp(b),
            (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
            (Value::Number(_), Value::Number(_)) => {
                let ((a, exact_a), (b, exact_b)) = (self.number(), other.number());
                a.total_cmp(&b).then(exact_a.cmp(&exact_b))
            }
            (a, b) => {
                self.rank().cmp(&other.rank()).then_with(|| a.to_string().cmp(&b.to_string()))
            }
        }
    }
}

impl PartialOrd for Scalar {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Scalar {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Scalar {}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Value::String(text) => write!(f, "{text:?}"),
            other => write!(f, "{other}"),
        }
    }
}

/// The path as conflicts name it: `.spec.containers[name="c"].image`.
impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => write!(f, ".{name}"),
            Self::Key(keys) => {
                let keys: Vec<String> =
                    keys.iter().map(|(name, value)| format!("{name}={value}")).collect();
                write!(f, "[{}]", keys.join(","))
            }
            Self::Value(value) => write!(f, "[={value}]"),
            Self::Index(at) => write!(f, "[{at}]"),
        }
    }
}

impl Element {
    pub(super) fn field(name: &str) -> Self {
        Self::Field(name.to_owned())
    }

    /// The name of this step in `FieldsV1`.
    pub(super) fn encode(&self) -> String {
        match self {
            Self::Field(name) => format!("f:{name}"),
            Self::Key(keys) => {
                let keys: Vec<String> = keys
                    .iter()
                    .map(|(name, value)| {
                        format!("{}:{}", go_json(&name.clone().into()), go_json(&value.0))
                    })
                    .collect();
                format!("k:{{{}}}", keys.join(","))
            }
            Self::Value(value) => format!("v:{}", go_json(&value.0)),
            Self::Index(at) => format!("i:{at}"),
        }
    }

    /// Reads a step; `Ok(None)` for a kind of step that is not known, which upstream drops too.
    pub(super) fn decode(text: &str) -> Result<Option<Self>, Malformed> {
        let malformed = || Malformed(text.to_owned());
        let (kind, rest) = text.split_once(':').ok_or_else(malformed)?;
        let value = || serde_json::from_str::<Value>(rest).map_err(|_| malformed());
        Ok(Some(match kind {
            "f" => Self::field(rest),
            "v" => Self::Value(Scalar(value()?)),
            "k" => {
                let keys: Map<String, Value> =
                    serde_json::from_str(rest).map_err(|_| malformed())?;
                Self::keyed(keys.into_iter().map(|(name, value)| (name, Scalar(value))).collect())
            }
            "i" => Self::Index(rest.parse().map_err(|_| malformed())?),
            other if other.len() == 1 => return Ok(None),
            _ => return Err(malformed()),
        }))
    }

    pub(super) fn keyed(mut keys: Vec<(String, Scalar)>) -> Self {
        keys.sort();
        Self::Key(keys)
    }
}

/// A step that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no path element")]
pub(super) struct Malformed(String);

/// JSON as Go's encoder writes it, which escapes what HTML would read.
fn go_json(value: &Value) -> String {
    let text = value.to_string();
    if !text.contains(['<', '>', '&', '\u{2028}', '\u{2029}']) {
        return text;
    }
    text.replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
}
