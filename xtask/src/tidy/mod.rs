//! House rules that no compiler checks: headers and lengths of files, where tests live, words, waiting in tests.

mod header;
mod layout;
mod source;
#[cfg(test)]
mod tests;
mod waits;
mod words;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use self::source::Source;

/// Folders that hold no source of Rouse's.
const SKIPPED: [&str; 4] = ["target", ".git", ".ci", "node_modules"];

/// All breaches of the rules, one line each: `path: problem`.
pub fn check(root: &Path) -> Result<Vec<String>> {
    let mut files = Vec::new();
    collect(root, &mut files)?;
    files.sort();
    let mut found = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file)?;
        let path = file.strip_prefix(root).unwrap_or(&file).display().to_string();
        let source = Source::parse(&path, &text).with_context(|| path.clone())?;
        found.extend(problems(&source));
    }
    Ok(found)
}

fn problems(source: &Source<'_>) -> Vec<String> {
    let mut found = header::problems(source);
    found.extend(layout::problems(source));
    found.extend(words::problems(source));
    found.extend(waits::problems(source));
    found
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
