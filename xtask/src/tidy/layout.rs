//! The length of files, and the place of tests: inline when short, else in `tests.rs` in the folder of their module.

use super::source::Source;

/// Lines a source file may have.
const LONGEST: usize = 600;
/// Lines a file of tests may have.
const LONGEST_TESTS: usize = 800;
/// Lines that tests within the file of their module may have.
const LONGEST_INLINE: usize = 100;

pub(super) fn problems(source: &Source<'_>) -> Vec<String> {
    let path = source.path;
    let mut found = Vec::new();
    let longest = if source.is_test() { LONGEST_TESTS } else { LONGEST };
    let lines = source.text.lines().count();
    if lines > longest {
        found.push(format!("{path}: {lines} lines, and {longest} are the most"));
    }
    if path.ends_with("_tests.rs") || path.ends_with("_test.rs") {
        found.push(format!("{path}: the tests of foo.rs stand in foo/tests.rs"));
    }
    if path.contains("/src/tests/") {
        found.push(format!("{path}: tests stand beside their module, or in the crate's tests/"));
    }
    for item in &source.parsed.items {
        let syn::Item::Mod(module) = item else { continue };
        if module.attrs.iter().any(|a| a.path().is_ident("path")) {
            found.push(format!("{path}: `{}` stands elsewhere than its name says", module.ident));
        }
        let Some((braces, _)) = module.content.as_ref().filter(|_| module.ident == "tests") else {
            continue;
        };
        let long = braces.span.close().start().line - braces.span.open().start().line;
        if long > LONGEST_INLINE {
            found.push(format!(
                "{path}: {long} lines of tests; more than {LONGEST_INLINE} are a tests.rs"
            ));
        }
    }
    found
}
