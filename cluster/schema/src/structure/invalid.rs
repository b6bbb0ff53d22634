//! One validation error of an object: a cause in a `Status`.

use std::fmt;

use serde_json::Value;

/// The reason of a status cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    NotFound,
    Required,
    Duplicate,
    Invalid,
    NotSupported,
    Forbidden,
    TooLong,
    TooMany,
    TypeInvalid,
}

impl Reason {
    /// The reason as a status has it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "FieldValueNotFound",
            Self::Required => "FieldValueRequired",
            Self::Duplicate => "FieldValueDuplicate",
            Self::Invalid => "FieldValueInvalid",
            Self::NotSupported => "FieldValueNotSupported",
            Self::Forbidden => "FieldValueForbidden",
            Self::TooLong => "FieldValueTooLong",
            Self::TooMany => "FieldValueTooMany",
            Self::TypeInvalid => "FieldValueTypeInvalid",
        }
    }
}

/// One invalid field: a cause of a 422.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// The field, as `spec.containers[0].name`; empty for the object itself.
    pub path: String,
    pub reason: Reason,
    /// The cause's message: `Invalid value: "x": must be …`.
    pub message: String,
}

impl Invalid {
    /// `Required value`, with `: detail` unless that is empty.
    #[must_use]
    pub fn required(path: impl Into<String>, detail: &str) -> Self {
        Self::new(path, Reason::Required, join("Required value".to_owned(), detail))
    }

    /// `Invalid value: "x": detail`.
    #[must_use]
    pub fn value(path: impl Into<String>, value: &Value, detail: &str) -> Self {
        Self::new(path, Reason::Invalid, join(format!("Invalid value: {}", shown(value)), detail))
    }

    /// The value has the wrong type.
    #[must_use]
    pub fn type_invalid(path: impl Into<String>, value: &Value, detail: &str) -> Self {
        Self::new(
            path,
            Reason::TypeInvalid,
            join(format!("Invalid value: {}", shown(value)), detail),
        )
    }

    /// `Unsupported value: "x": supported values: "a", "b"`.
    #[must_use]
    pub fn not_supported(path: impl Into<String>, value: &Value, supported: &[String]) -> Self {
        let quoted: Vec<String> = supported.iter().map(|s| format!("{s:?}")).collect();
        let detail = if quoted.is_empty() {
            String::new()
        } else {
            format!("supported values: {}", quoted.join(", "))
        };
        Self::new(
            path,
            Reason::NotSupported,
            join(format!("Unsupported value: {}", shown(value)), &detail),
        )
    }

    /// `Duplicate value: "x"`.
    #[must_use]
    pub fn duplicate(path: impl Into<String>, value: &Value) -> Self {
        Self::new(path, Reason::Duplicate, format!("Duplicate value: {}", shown(value)))
    }

    /// `Forbidden: detail`.
    #[must_use]
    pub fn forbidden(path: impl Into<String>, detail: &str) -> Self {
        Self::new(path, Reason::Forbidden, join("Forbidden".to_owned(), detail))
    }

    /// `Not found: "x"`.
    #[must_use]
    pub fn not_found(path: impl Into<String>, value: &Value) -> Self {
        Self::new(path, Reason::NotFound, format!("Not found: {}", shown(value)))
    }

    /// The text or list is too long; the value itself is not repeated.
    #[must_use]
    pub fn too_long(path: impl Into<String>, limit: u64) -> Self {
        Self::new(
            path,
            Reason::TooLong,
            format!(
                "Too long: may not be more than {limit} {}",
                if limit == 1 { "byte" } else { "bytes" }
            ),
        )
    }

    /// The list or map holds too many items.
    #[must_use]
    pub fn too_many(path: impl Into<String>, actual: usize, limit: u64) -> Self {
        Self::new(
            path,
            Reason::TooMany,
            format!(
                "Too many: {actual}: must have at most {limit} {}",
                if limit == 1 { "item" } else { "items" }
            ),
        )
    }

    fn new(path: impl Into<String>, reason: Reason, message: String) -> Self {
        Self { path: path.into(), reason, message }
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            write!(f, "<nil>: {}", self.message)
        } else {
            write!(f, "{}: {}", self.path, self.message)
        }
    }
}

/// The causes as one text, in brackets when there are several: the tail of `Pod "p" is invalid: …`.
#[must_use]
pub fn aggregate(problems: &[Invalid]) -> String {
    let mut texts: Vec<String> = Vec::new();
    for problem in problems {
        let text = problem.to_string();
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    if texts.len() == 1 { texts.remove(0) } else { format!("[{}]", texts.join(", ")) }
}

fn join(head: String, detail: &str) -> String {
    if detail.is_empty() { head } else { format!("{head}: {detail}") }
}

/// A value in a message: text quoted, structure as JSON.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        other => other.to_string(),
    }
}
