//! The real kubectl, configured by its kubeconfig alone.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::Context;

/// A kubectl for one cluster.
#[derive(Clone, Debug)]
pub struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
    home: PathBuf,
}

/// The output of a run, and whether it succeeded.
#[derive(Clone, Debug)]
pub struct Ran {
    pub ok: bool,
    pub stdout: String,
    pub stderr: String,
}

impl Kubectl {
    /// `ROUSE_TEST_KUBECTL`, else the one on PATH.
    #[must_use]
    pub fn new(kubeconfig: &Path, home: &Path) -> Self {
        let program = std::env::var_os("ROUSE_TEST_KUBECTL")
            .map_or_else(|| PathBuf::from("kubectl"), PathBuf::from);
        Self { program, kubeconfig: kubeconfig.to_owned(), home: home.to_owned() }
    }

    #[must_use]
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        // A home of its own: kubectl caches discovery by host and port there.
        command.args(words).env("KUBECONFIG", &self.kubeconfig).env("HOME", &self.home);
        command
    }

    /// Runs to the end, whether it succeeds or fails.
    pub fn try_run(&self, words: &[&str], stdin: &str) -> anyhow::Result<Ran> {
        let mut child = self
            .command(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("start {}", self.program.display()))?;
        child.stdin.take().context("stdin was piped")?.write_all(stdin.as_bytes())?;
        let Output { status, stdout, stderr } = child.wait_with_output()?;
        Ok(Ran {
            ok: status.success(),
            stdout: String::from_utf8_lossy(&stdout).into_owned(),
            stderr: String::from_utf8_lossy(&stderr).into_owned(),
        })
    }

    /// Its stdout; an error if it failed.
    pub fn run(&self, line: &str) -> anyhow::Result<String> {
        self.run_with(line, "")
    }

    pub fn run_with(&self, line: &str, stdin: &str) -> anyhow::Result<String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let ran = self.try_run(&words, stdin)?;
        anyhow::ensure!(ran.ok, "kubectl {line}: {}{}", ran.stdout, ran.stderr);
        Ok(ran.stdout)
    }

    /// Its stderr; an error if it succeeded.
    pub fn fail(&self, line: &str, stdin: &str) -> anyhow::Result<String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let ran = self.try_run(&words, stdin)?;
        anyhow::ensure!(!ran.ok, "kubectl {line} succeeded: {}", ran.stdout);
        Ok(ran.stderr)
    }

    pub fn apply(&self, yaml: &str) -> anyhow::Result<String> {
        self.run_with("apply -f -", yaml)
    }

    pub fn json(&self, line: &str) -> anyhow::Result<serde_json::Value> {
        Ok(serde_json::from_str(&self.run(&format!("{line} -o json"))?)?)
    }
}
