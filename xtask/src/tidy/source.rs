//! One source file, parsed for the rules.

use anyhow::Result;

pub(super) struct Source<'a> {
    /// From the root of the workspace.
    pub(super) path: &'a str,
    pub(super) text: &'a str,
    pub(super) parsed: syn::File,
}

impl<'a> Source<'a> {
    pub(super) fn parse(path: &'a str, text: &'a str) -> Result<Self> {
        Ok(Self { path, text, parsed: syn::parse_file(text)? })
    }

    /// Whether the whole file is compiled for tests alone.
    pub(super) fn is_test(&self) -> bool {
        self.path.starts_with("tests/")
            || self.path.contains("/tests/")
            || self.path.ends_with("/tests.rs")
            || self.path.ends_with("/testing.rs")
    }

    /// Whether the file holds the tests of the module beside which it stands.
    pub(super) fn is_unit_tests(&self) -> bool {
        self.path.contains("/src/") && self.path.ends_with("/tests.rs")
    }
}
