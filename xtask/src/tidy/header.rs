//! A file begins with what it is for, in a phrase that names the thing.

use super::source::Source;

/// Openings that do not name the thing: `//! What the node knows of a pod` is "The node agent's record of one pod".
const QUESTIONS: [&str; 2] = ["What ", "Who "];

pub(super) fn problems(source: &Source<'_>) -> Vec<String> {
    let mut found = Vec::new();
    // The tests of a module need no words but their names.
    if !source.text.starts_with("//! ") && !source.is_unit_tests() {
        found.push(format!("{}: begins with no `//!` line that says what it is for", source.path));
    }
    if QUESTIONS.iter().any(|question| source.text.starts_with(&format!("//! {question}"))) {
        found.push(format!(
            "{}: the header opens with a question word; name the thing",
            source.path
        ));
    }
    found
}
