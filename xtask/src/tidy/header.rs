//! A file begins with what it is for, in a phrase that names the thing.

use std::collections::BTreeSet;

use super::source::Source;

/// Openings that make a riddle of a header: `//! What the node knows of a pod` is "the node's knowledge of a pod".
const QUESTIONS: [&str; 2] = ["What ", "Who "];

/// Folders whose headers are not mended yet. The list only ever gets shorter.
const NOT_YET: &[&str] = &["api", "autoscaler", "cluster", "controller", "image", "kit", "node"];

pub(super) fn problems(source: &Source<'_>) -> Vec<String> {
    let mut found = Vec::new();
    // The tests of a module need no words but their names.
    if !source.text.starts_with("//! ") && !source.is_unit_tests() {
        found.push(format!("{}: begins with no `//!` line that says what it is for", source.path));
    }
    if question(source).is_some_and(|folder| !NOT_YET.contains(&folder.as_str())) {
        found.push(format!(
            "{}: the header opens with a question word; name the thing",
            source.path
        ));
    }
    found
}

/// The folder of a file whose header opens with a question word.
pub(super) fn question(source: &Source<'_>) -> Option<String> {
    let header = source.text.strip_prefix("//! ")?;
    QUESTIONS.iter().find(|q| header.starts_with(**q))?;
    source.path.split('/').next().map(str::to_owned)
}

/// Folders that are listed and need not be.
pub(super) fn not_yet(opened: &BTreeSet<String>) -> Vec<String> {
    let done = NOT_YET.iter().filter(|folder| !opened.contains(**folder));
    done.map(|folder| format!("{folder}: all headers are mended; take it out of NOT_YET")).collect()
}
