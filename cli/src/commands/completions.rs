//! `rouse completions SHELL`.

use clap::CommandFactory;

use crate::args::Cli;
use crate::outcome::Result;
use crate::printer::Printer;

pub(crate) fn run(shell: clap_complete::Shell, printer: &Printer) -> Result {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "rouse", &mut script);
    printer.bytes(&script);
    Ok(())
}
