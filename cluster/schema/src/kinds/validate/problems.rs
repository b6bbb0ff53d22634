//! A field under validation with its path, and the problems found so far.

use serde_json::Value;

use crate::structure::Invalid;

/// A value and its path.
#[derive(Clone)]
pub(super) struct Field<'a> {
    pub(super) value: &'a Value,
    pub(super) path: String,
}

static NULL: Value = Value::Null;

impl<'a> Field<'a> {
    pub(super) fn new(value: &'a Value, path: &str) -> Self {
        Self { value, path: path.to_owned() }
    }

    /// A field of it; null if there is none.
    pub(super) fn at(&self, name: &str) -> Self {
        let path =
            if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) };
        Self { value: self.value.get(name).unwrap_or(&NULL), path }
    }

    /// Its items, if it is a list.
    pub(super) fn each(&self) -> impl Iterator<Item = Self> + use<'a> {
        let path = self.path.clone();
        let items = self.value.as_array().map(Vec::as_slice).unwrap_or_default();
        items
            .iter()
            .enumerate()
            .map(move |(index, value)| Self { value, path: format!("{path}[{index}]") })
    }

    pub(super) fn is_set(&self) -> bool {
        !self.value.is_null()
    }

    /// The text, empty if there is none.
    pub(super) fn text(&self) -> &'a str {
        self.value.as_str().unwrap_or_default()
    }

    pub(super) fn number(&self) -> Option<i64> {
        self.value.as_i64()
    }

    pub(super) fn len(&self) -> usize {
        match self.value {
            Value::Array(items) => items.len(),
            Value::Object(map) => map.len(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
        }
    }
}

/// The problems found so far.
#[derive(Default)]
pub(super) struct Problems(pub(super) Vec<Invalid>);

impl Problems {
    pub(super) fn required(&mut self, field: &Field<'_>, detail: &str) {
        self.0.push(Invalid::required(field.path.clone(), detail));
    }

    pub(super) fn invalid(&mut self, field: &Field<'_>, detail: &str) {
        self.0.push(Invalid::value(field.path.clone(), field.value, detail));
    }

    pub(super) fn forbidden(&mut self, field: &Field<'_>, detail: &str) {
        self.0.push(Invalid::forbidden(field.path.clone(), detail));
    }

    pub(super) fn duplicate(&mut self, field: &Field<'_>) {
        self.0.push(Invalid::duplicate(field.path.clone(), field.value));
    }

    pub(super) fn not_found(&mut self, field: &Field<'_>) {
        self.0.push(Invalid::not_found(field.path.clone(), field.value));
    }

    pub(super) fn too_long(&mut self, field: &Field<'_>, limit: u64) {
        self.0.push(Invalid::too_long(field.path.clone(), limit));
    }

    /// Adds a problem for each complaint about a text's form.
    pub(super) fn form(&mut self, field: &Field<'_>, complaints: Vec<String>) {
        for complaint in complaints {
            self.invalid(field, &complaint);
        }
    }

    /// Requires a text of a form.
    pub(super) fn named(&mut self, field: &Field<'_>, form: fn(&str) -> Vec<String>) {
        if field.text().is_empty() {
            self.required(field, "");
        } else {
            self.form(field, form(field.text()));
        }
    }

    /// Requires one of `words`, if the field is set.
    pub(super) fn one_of(&mut self, field: &Field<'_>, words: &[&str]) {
        if field.is_set() && !words.contains(&field.text()) {
            let words: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
            self.0.push(Invalid::not_supported(field.path.clone(), field.value, &words));
        }
    }

    /// Refuses a number below zero.
    pub(super) fn not_negative(&mut self, field: &Field<'_>) {
        if field.number().is_some_and(|n| n < 0) {
            self.invalid(field, "must be greater than or equal to 0");
        }
    }

    /// A port number.
    pub(super) fn port(&mut self, field: &Field<'_>) {
        if field.number().is_some_and(|n| !(1..=65_535).contains(&n)) {
            self.invalid(field, "must be between 1 and 65535, inclusive");
        }
    }

    /// A port by number or by name.
    pub(super) fn port_or_name(&mut self, field: &Field<'_>) {
        match field.value {
            Value::String(name) => self.form(field, super::names::port_name(name)),
            Value::Null => self.required(field, ""),
            Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                self.port(field);
            }
        }
    }

    /// A field that may not change.
    pub(super) fn immutable(&mut self, new: &Field<'_>, old: &Field<'_>) {
        if new.value != old.value {
            self.invalid(new, "field is immutable");
        }
    }
}
