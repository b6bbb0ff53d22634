//! Tables that the server makes of objects, in the columns that it gives them.

use serde_json::Value;

use super::resource::Resource;
use crate::args::Output;
use crate::printer::{Columns, Printer};

/// What is printed of tables.
pub(super) struct View<'a> {
    /// A column names the namespace.
    namespaced: bool,
    resource: &'a Resource,
    /// The columns of the first table.
    columns: Option<Columns>,
    printer: &'a Printer,
}

impl<'a> View<'a> {
    pub(super) fn new(resource: &'a Resource, namespaced: bool, printer: &'a Printer) -> Self {
        Self { namespaced, resource, columns: None, printer }
    }

    /// Whether no object was printed.
    pub(super) fn is_empty(&self) -> bool {
        self.columns.is_none()
    }

    pub(super) fn print(&mut self, table: &Value) {
        let rows = rows(table, self.namespaced, self.printer.output == Output::Wide);
        if self.printer.output == Output::Name {
            for name in names(table) {
                self.printer.line(self.resource.shown(name));
            }
            self.columns.get_or_insert_default();
            return;
        }
        if rows.is_empty() {
            return;
        }
        let columns = self.columns.get_or_insert_with(|| {
            let headings = headings(table, self.namespaced, self.printer.output == Output::Wide);
            let headings: Vec<&str> = headings.iter().map(String::as_str).collect();
            let columns = Columns::of(&headings, &rows);
            self.printer.line(columns.line(&headings));
            columns
        });
        for row in &rows {
            self.printer.line(columns.line(row));
        }
    }
}

/// The columns that are shown: those of priority 0, or all.
fn shown(table: &Value, wide: bool) -> Vec<(usize, &Value)> {
    let all = table["columnDefinitions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let is_shown = |column: &Value| wide || column["priority"].as_i64().unwrap_or(0) == 0;
    all.iter().enumerate().filter(|(_, column)| is_shown(column)).collect()
}

fn headings(table: &Value, namespaced: bool, wide: bool) -> Vec<String> {
    let of_table = shown(table, wide).into_iter();
    let named = of_table.map(|(_, c)| c["name"].as_str().unwrap_or_default().to_uppercase());
    namespaced.then(|| "NAMESPACE".to_owned()).into_iter().chain(named).collect()
}

fn rows(table: &Value, namespaced: bool, wide: bool) -> Vec<Vec<String>> {
    let columns = shown(table, wide);
    let rows = table["rows"].as_array().map(Vec::as_slice).unwrap_or_default();
    rows.iter()
        .map(|row| {
            let namespace = row.pointer("/object/metadata/namespace").and_then(Value::as_str);
            let first = namespaced.then(|| namespace.unwrap_or_default().to_owned());
            let cells = columns.iter().map(|(index, _)| cell(&row["cells"][*index]));
            first.into_iter().chain(cells).collect()
        })
        .collect()
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn names(table: &Value) -> Vec<&str> {
    let rows = table["rows"].as_array().map(Vec::as_slice).unwrap_or_default();
    rows.iter().filter_map(|row| row.pointer("/object/metadata/name")?.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_table_is_shown_in_its_columns_of_priority_zero_or_all() {
        let table = json!({
            "columnDefinitions": [{ "name": "Name", "priority": 0 }, { "name": "Node", "priority": 1 }, { "name": "Age" }],
            "rows": [{ "cells": ["a", "local", 3], "object": { "metadata": { "name": "a", "namespace": "shop" } } }]
        });
        assert_eq!(headings(&table, true, false), ["NAMESPACE", "NAME", "AGE"]);
        assert_eq!(rows(&table, true, false), [["shop", "a", "3"]]);
        assert_eq!(rows(&table, false, true), [["a", "local", "3"]]);
        assert_eq!(names(&table), ["a"]);
    }
}
