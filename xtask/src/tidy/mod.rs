//! House rules that no compiler checks: headers and lengths of files, where tests live, words, waiting in tests.

mod header;
mod layout;
mod source;
#[cfg(test)]
mod tests;
mod waits;
mod words;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use self::source::Source;

/// Folders that hold nothing of ours.
const SKIPPED: [&str; 4] = ["target", ".git", ".ci", "node_modules"];

/// Files that break a rule today. The list only ever gets shorter.
const KNOWN: &[&str] =
    &["cluster/src/builtin/scheduler.rs", "cluster/src/builtin/scheduler_tests.rs"];

/// Whatever breaks a rule, one line each: `path: problem`.
pub fn check(root: &Path) -> Result<Vec<String>> {
    let mut files = Vec::new();
    collect(root, &mut files)?;
    files.sort();
    let mut found = Vec::new();
    let mut opened = BTreeSet::new();
    let mut known: BTreeSet<&str> = KNOWN.iter().copied().collect();
    for file in files {
        let text = fs::read_to_string(&file)?;
        let path = file.strip_prefix(root).unwrap_or(&file).display().to_string();
        let source = Source::parse(&path, &text).with_context(|| path.clone())?;
        let broken = problems(&source);
        if broken.is_empty() || !known.remove(path.as_str()) {
            found.extend(broken);
        }
        opened.extend(header::question(&source));
    }
    found.extend(header::not_yet(&opened));
    found.extend(
        known.into_iter().map(|path| {
            format!("{path}: is gone or breaks no rule any more; take it out of KNOWN")
        }),
    );
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
