//! `rouse completions SHELL`: a script by which the shell asks this binary for completions.

use std::path::Path;

use clap_complete::env::Shells;

use crate::outcome::{Context, Failure, Result};
use crate::printer::Printer;

/// The variable by which the script asks; `CompleteEnv` reads it.
const VARIABLE: &str = "COMPLETE";
const NAME: &str = "rouse";

pub(crate) fn run(shell: clap_complete::Shell, printer: &Printer) -> Result {
    let shell = shell.to_string();
    let shells = Shells::builtins();
    let completer =
        shells.completer(&shell).ok_or_else(|| Failure::usage(format!("no shell {shell}")))?;
    let mut script = Vec::new();
    completer
        .write_registration(VARIABLE, NAME, NAME, &program(), &mut script)
        .or_fail(|| "cannot write the script".to_owned())?;
    printer.bytes(&script);
    Ok(())
}

/// This program as the user called it: found on PATH, or its path.
fn program() -> String {
    let called = std::env::args().next().unwrap_or_else(|| NAME.to_owned());
    if !called.contains('/') {
        return called;
    }
    std::fs::canonicalize(Path::new(&called)).map_or(called, |path| path.display().to_string())
}
