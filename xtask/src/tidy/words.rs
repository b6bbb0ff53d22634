//! Words that have no place in a source file.

use super::source::Source;

/// Files that may block a thread: they poll a process from outside, with a deadline, or serve
/// requests that ask for a slow answer.
const MAY_BLOCK: [&str; 4] =
    ["cli/src/platform/detach.rs", "tests/harness/wait.rs", "tests/server", "tests/bench"];

pub(super) fn problems(source: &Source<'_>) -> Vec<String> {
    let (path, text) = (source.path, source.text);
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for word in forbidden() {
            let imports = line.trim() == word && !source.is_test() && !is_within_tests(text, index);
            let blocks =
                MAY_BLOCK.iter().any(|b| path.starts_with(b)) && word.starts_with("thread");
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
