//! READMEs as bash is given them: their blocks, and what stands for a reader's programs and builds.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use rouse_tests::platform;

/// The folder that a reader's commands start from.
pub(crate) fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// cargo's target folder: `target/`, unless the user sets another.
pub(crate) fn target() -> anyhow::Result<PathBuf> {
    let tmp = Path::new(env!("CARGO_TARGET_TMPDIR"));
    Ok(tmp.parent().context("a folder in the target folder")?.to_owned())
}

/// A fenced block of a README.
#[derive(Debug, PartialEq)]
pub(crate) enum Block {
    Commands(String),
    Output(String),
}

pub(crate) fn blocks(readme: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut lines = readme.lines();
    while let Some(line) = lines.next() {
        let Some(language) = line.strip_prefix("```") else { continue };
        let text: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        let text = text.join("\n");
        found.push(if language == "sh" { Block::Commands(text) } else { Block::Output(text) });
    }
    found
}

/// The commands with the debug build, which is there, instead of the release build.
pub(crate) fn with_debug_build(commands: &str) -> anyhow::Result<String> {
    let (target, manifest) = (target()?, workspace().join("Cargo.toml"));
    let cargo = format!(
        "cargo build --locked --quiet --manifest-path {manifest:?} --target-dir {target:?}"
    );
    Ok(commands
        .replace("cargo build --release", &cargo)
        .replace("target/release/", &format!("{}/debug/", target.display())))
}

/// Writes `rouse` and `kubectl` to a folder for PATH: those of the test. `OLD_PATH` has to hold the PATH without it.
pub(crate) fn wrap_programs(bin: &Path, kubectl_cache: &Path) -> anyhow::Result<()> {
    let kubectl = std::env::var("ROUSE_TEST_KUBECTL").unwrap_or_else(|_| "kubectl".to_owned());
    wrap(&bin.join("rouse"), &format!("exec {:?} \"$@\"", platform::binary()))?;
    // With the old PATH, or the wrapper would find itself.
    let kubectl = format!("PATH=$OLD_PATH exec {kubectl} --cache-dir {kubectl_cache:?} \"$@\"");
    wrap(&bin.join("kubectl"), &kubectl)
}

/// Writes a shell script that runs `line`.
fn wrap(path: &Path, line: &str) -> anyhow::Result<()> {
    std::fs::write(path, format!("#!/bin/sh\n{line}\n"))?;
    Ok(std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))?)
}

#[test]
fn a_readme_is_read_as_commands_and_what_they_print() {
    let text = "Do\n\n```sh\na\nb\n```\nand it says\n```\nc\n```\n";
    let expected = [Block::Commands("a\nb".to_owned()), Block::Output("c".to_owned())];
    assert_eq!(blocks(text), expected);
}
