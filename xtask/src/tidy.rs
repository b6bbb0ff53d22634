//! House rules that no compiler checks: file headers, file lengths, forbidden words.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

/// Lines a source file may have.
const LONGEST: usize = 600;
/// Lines a file of tests may have.
const LONGEST_TESTS: usize = 800;
/// Where a process is polled from outside, with a deadline, and the program whose requests ask it
/// to be slow: the places that may wait.
const WAITS: [&str; 4] =
    ["cli/src/platform/detach.rs", "tests/harness/wait.rs", "tests/server/main.rs", "tests/bench"];
/// Folders that hold nothing of ours.
const SKIPPED: [&str; 4] = ["target", ".git", ".ci", "node_modules"];

/// What breaks a rule, one line each: `path: what`.
pub fn check(root: &Path) -> Result<Vec<String>> {
    let mut files = Vec::new();
    collect(root, &mut files)?;
    files.sort();
    let mut found = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file)?;
        let shown = file.strip_prefix(root).unwrap_or(&file).display().to_string();
        found.extend(problems(&shown, &text));
    }
    Ok(found)
}

fn collect(folder: &Path, out: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        let name = entry.file_name();
        if entry.file_type()?.is_dir() {
            if !SKIPPED.iter().any(|skipped| name == *skipped) {
                collect(&path, out)?;
            }
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
    Ok(())
}

fn problems(path: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    if !text.starts_with("//! ") {
        found.push(format!("{path}: begins with no `//!` line that says what it is for"));
    }
    let is_test =
        path.starts_with("tests/") || path.contains("/tests/") || path.ends_with("tests.rs");
    let longest = if is_test { LONGEST_TESTS } else { LONGEST };
    let lines = text.lines().count();
    if lines > longest {
        found.push(format!("{path}: {lines} lines, and {longest} are the most"));
    }
    for (index, line) in text.lines().enumerate() {
        for word in forbidden() {
            let imports = line.trim() == word && !is_test && !is_within_tests(text, index);
            let waits = WAITS.iter().any(|w| path.starts_with(w)) && word.starts_with("thread");
            let written = !waits && !word.starts_with("use ") && line.contains(word.as_str());
            if imports || written {
                found.push(format!("{path}:{}: {word:?} has no place here", index + 1));
            }
        }
    }
    found
}

/// Words that do not belong in a source file. They are put together here, so that this file does not contain them.
fn forbidden() -> Vec<String> {
    let words = [
        ("use super", "::*;"),
        ("#[ign", "ore"),
        ("#![allow", "("),
        ("thread::sl", "eep"),
        ("TO", "DO"),
        ("FIX", "ME"),
        ("XX", "X"),
    ];
    words.iter().map(|(head, tail)| format!("{head}{tail}")).collect()
}

fn is_within_tests(text: &str, line: usize) -> bool {
    text.lines().take(line).any(|l| l.trim() == "#[cfg(test)]")
}

#[cfg(test)]
mod tests {
    use super::{check, problems};

    #[test]
    fn every_file_of_the_workspace_is_tidy() {
        assert_eq!(check(&crate::root()).expect("the workspace can be read"), Vec::<String>::new());
    }

    #[test]
    fn what_breaks_a_rule_is_named() {
        let long = format!("//! A file.\n{}", "\n".repeat(601));
        let cases = [
            ("a/src/x.rs", "fn main() {}\n".to_owned(), 1),
            ("a/src/x.rs", "//! A file.\n".to_owned(), 0),
            ("a/src/x.rs", long.clone(), 1),
            ("a/tests/x.rs", long, 0),
            ("a/src/x.rs", ["//! A file.\n// TO", "DO: later\n"].concat(), 1),
            ("a/src/x.rs", ["//! A file.\nuse super", "::*;\n"].concat(), 1),
            (
                "a/src/x.rs",
                ["//! A file.\n#[cfg(test)]\nmod tests {\n    use super", "::*;\n}\n"].concat(),
                0,
            ),
        ];
        for (path, text, count) in cases {
            assert_eq!(problems(path, &text).len(), count, "{path}: {text:.60}");
        }
    }
}
