//! Problems of a document, each with the paths of the fields that it concerns.
//!
//! Validation collects; it does not stop at the first. Rendered as Knative does, byte for byte:
//! `message: path, path`, a details line where there is one, equal messages merged, all sorted.
//!
//! Upstream: `vendor/knative.dev/pkg/apis/field_error.go`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The path of the value itself.
pub const CURRENT_FIELD: &str = "";
/// The details of a refused field that Knative has and Rouse does not act on.
pub const NOT_HANDLED: &str = "not handled by Rouse yet";

/// Whether a problem refuses the document or is only a warning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    #[default]
    Error,
    Warning,
}

/// One problem.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldError {
    pub message: String,
    pub paths: Vec<String>,
    pub details: String,
    pub level: Level,
}

/// All problems found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldErrors(Vec<FieldError>);

impl FieldError {
    #[must_use]
    pub fn new(message: impl Into<String>, path: &str) -> Self {
        Self { message: message.into(), paths: vec![path.to_owned()], ..Self::default() }
    }

    #[must_use]
    pub fn missing(path: &str) -> Self {
        Self::new("missing field(s)", path)
    }

    #[must_use]
    pub fn disallowed(path: &str) -> Self {
        Self::new("must not set the field(s)", path)
    }

    /// A field that Knative has and Rouse does not act on.
    #[must_use]
    pub fn not_handled(path: &str) -> Self {
        Self::disallowed(path).with_details(NOT_HANDLED)
    }

    #[must_use]
    pub fn invalid(value: impl fmt::Display, path: &str) -> Self {
        Self::new(format!("invalid value: {value}"), path)
    }

    #[must_use]
    pub fn invalid_key(key: &str, path: &str) -> Self {
        Self::new(format!("invalid key name {key:?}"), path)
    }

    #[must_use]
    pub fn out_of_bounds(
        value: impl fmt::Display,
        lower: impl fmt::Display,
        upper: impl fmt::Display,
        path: &str,
    ) -> Self {
        Self::new(format!("expected {lower} <= {value} <= {upper}"), path)
    }

    #[must_use]
    pub fn missing_one_of(paths: &[&str]) -> Self {
        Self::about("expected exactly one, got neither", paths)
    }

    #[must_use]
    pub fn multiple_one_of(paths: &[&str]) -> Self {
        Self::about("expected exactly one, got both", paths)
    }

    /// A problem of several fields together.
    #[must_use]
    pub fn about(message: impl Into<String>, paths: &[&str]) -> Self {
        let paths = paths.iter().map(|p| (*p).to_owned()).collect();
        Self { message: message.into(), paths, ..Self::default() }
    }

    #[must_use]
    pub fn with_details(mut self, details: impl Into<String>) -> Self {
        self.details = details.into();
        self
    }

    #[must_use]
    pub fn as_warning(mut self) -> Self {
        self.level = Level::Warning;
        self
    }
}

impl From<FieldError> for FieldErrors {
    fn from(error: FieldError) -> Self {
        Self(vec![error])
    }
}

impl FieldErrors {
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn push(&mut self, error: FieldError) {
        self.0.push(error);
    }

    /// Adds problems found inside `field`.
    pub fn within(&mut self, field: &str, found: impl Into<Self>) {
        self.0.extend(found.into().via_field(field).0);
    }

    /// Adds problems found in an element of the list `field`.
    pub fn within_index(&mut self, field: &str, index: usize, found: impl Into<Self>) {
        self.0.extend(found.into().via_field(&format!("[{index}]")).via_field(field).0);
    }

    pub fn extend(&mut self, other: impl Into<Self>) {
        self.0.extend(other.into().0);
    }

    /// The same problems seen from one level further out. `[0]` is an element, and joins the name
    /// before it without a dot.
    #[must_use]
    pub fn via_field(mut self, prefix: &str) -> Self {
        for path in self.0.iter_mut().flat_map(|error| &mut error.paths) {
            *path = join(prefix, path);
        }
        self
    }

    /// The errors, which refuse the document, and the warnings.
    #[must_use]
    pub fn split(self) -> (Self, Self) {
        let (errors, warnings) = self.0.into_iter().partition(|e| e.level == Level::Error);
        (Self(errors), Self(warnings))
    }

    /// Merged and sorted: one entry per level, message and details.
    #[must_use]
    pub fn merged(&self) -> Vec<FieldError> {
        let mut merged: BTreeMap<(&str, &str, Level), BTreeSet<&str>> = BTreeMap::new();
        for error in &self.0 {
            let key = (error.message.as_str(), error.details.as_str(), error.level);
            merged.entry(key).or_default().extend(error.paths.iter().map(String::as_str));
        }
        merged
            .into_iter()
            .map(|((message, details, level), paths)| FieldError {
                message: message.to_owned(),
                details: details.to_owned(),
                paths: paths.into_iter().map(str::to_owned).collect(),
                level,
            })
            .collect()
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.message, self.paths.join(", "))?;
        if self.details.is_empty() { Ok(()) } else { write!(f, "\n{}", self.details) }
    }
}

impl fmt::Display for FieldErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.merged().iter().map(ToString::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

/// Problems as Go prints a list of strings: `[a b]`.
pub(crate) fn go_list(problems: &[String]) -> String {
    format!("[{}]", problems.join(" "))
}

fn join(prefix: &str, path: &str) -> String {
    if prefix.is_empty() || path.is_empty() {
        return format!("{prefix}{path}");
    }
    // `[0]` and `[1][2].x` join without a dot; a key in brackets that holds dots does not, as in Go.
    let first = path.split('.').next().unwrap_or_default();
    let index = first.starts_with('[') && first.ends_with(']')
        || first.starts_with('[') && first.contains("][");
    let dot = if index { "" } else { "." };
    format!("{prefix}{dot}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_grow_from_the_inside() {
        let mut errors = FieldErrors::none();
        errors.within_index("containers", 0, FieldError::missing("image"));
        let errors = errors.via_field("spec").via_field("template").via_field("spec");
        assert_eq!(errors.to_string(), "missing field(s): spec.template.spec.containers[0].image");
        let current = FieldErrors::from(FieldError::invalid(7, CURRENT_FIELD));
        assert_eq!(
            current.via_field("[2]").via_field("[1]").via_field("a").to_string(),
            "invalid value: 7: a[1][2]"
        );
        let key = FieldErrors::from(FieldError::invalid("x", "[a.b/c]"));
        assert_eq!(
            key.via_field("annotations").to_string(),
            "invalid value: x: annotations.[a.b/c]"
        );
    }

    #[test]
    fn equal_messages_are_merged_and_all_are_sorted() {
        let mut errors = FieldErrors::none();
        errors.push(FieldError::missing("b"));
        errors.push(FieldError::disallowed("z").with_details("why"));
        errors.push(FieldError::missing("a"));
        errors.push(FieldError::missing("b"));
        errors.push(FieldError::out_of_bounds(7, 0, 5, "n"));
        assert_eq!(
            errors.to_string(),
            "expected 0 <= 7 <= 5: n\nmissing field(s): a, b\nmust not set the field(s): z\nwhy"
        );
    }

    #[test]
    fn warnings_are_kept_apart() {
        let mut all = FieldErrors::none();
        all.push(FieldError::missing("a"));
        all.push(FieldError::missing("b").as_warning());
        let (errors, warnings) = all.split();
        assert_eq!(errors.to_string(), "missing field(s): a");
        assert_eq!(warnings.to_string(), "missing field(s): b");
    }
}
