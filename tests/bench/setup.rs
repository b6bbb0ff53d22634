//! A run of benchmarks: its arguments, and the platform, program and Service that they share.

use std::path::PathBuf;

use anyhow::Context;
use rouse_tests::Platform;

/// The arguments of a run.
pub(crate) struct Wanted {
    pub(crate) runs: usize,
    names: Vec<String>,
}

impl Wanted {
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> anyhow::Result<Self> {
        let mut wanted = Self { runs: 30, names: Vec::new() };
        while let Some(word) = words.next() {
            if word == "--runs" {
                wanted.runs = words.next().context("--runs needs a number")?.parse()?;
            } else {
                wanted.names.push(word);
            }
        }
        Ok(wanted)
    }

    pub(crate) fn includes(&self, name: &str) -> bool {
        let group = name.split('-').next();
        self.names.is_empty() || self.names.iter().any(|n| n == name || Some(n.as_str()) == group)
    }
}

/// The test server's executable, beside this one.
pub(crate) fn server() -> anyhow::Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name("test-server");
    anyhow::ensure!(
        path.exists(),
        "{} is missing: cargo build --release -p rouse-tests",
        path.display()
    );
    Ok(path)
}

/// A platform with the test server's image.
pub(crate) fn platform() -> anyhow::Result<Platform> {
    platform_with("process")
}

/// The same, with another runtime.
pub(crate) fn platform_with(runtime: &str) -> anyhow::Result<Platform> {
    let platform = Platform::start_with(runtime)?;
    platform.build_server(&server()?)?;
    Ok(platform)
}

/// A Service of the test server.
pub(crate) fn service(name: &str, annotations: &str) -> String {
    format!(
        "apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {{name: {name}}}\nspec:\n  template:\n    metadata:\n      annotations: {{{annotations}}}\n    spec:\n      containers:\n      - image: test-server\n---\n"
    )
}
