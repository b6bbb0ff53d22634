//! Words that have no place in a source file.

use super::source::Source;

/// Where a process is polled from outside, with a deadline, and the program whose requests ask it
/// to be slow: the places that may block a thread.
const BLOCKS: [&str; 4] =
    ["cli/src/platform/detach.rs", "tests/harness/wait.rs", "tests/server/main.rs", "tests/bench"];

pub(super) fn problems(source: &Source<'_>) -> Vec<String> {
    let (path, text) = (source.path, source.text);
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for word in forbidden() {
            let imports = line.trim() == word && !source.is_test() && !is_within_tests(text, index);
            let blocks = BLOCKS.iter().any(|b| path.starts_with(b)) && word.starts_with("thread");
            let written = !blocks && !word.starts_with("use ") && line.contains(word.as_str());
            if imports || written {
                found.push(format!("{path}:{}: {word:?} has no place here", index + 1));
            }
        }
    }
    found
}

/// The words are put together here, so that this file does not contain them.
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
