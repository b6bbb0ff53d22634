//! The one binary: the user's commands, and the composition of all components.

mod args;
mod complete;
mod datadir;
mod fault;
mod http;
mod identity;
mod in_use;
mod metrics;
mod outcome;
mod platform;
mod printer;
mod reach;
mod shell;
mod target;
mod warnings;
mod wording;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().collect();
    if words.get(1).is_some_and(|word| word == platform::GUARD) {
        rouse_node::runtime::run_guard(&words[2..]);
        return ExitCode::SUCCESS;
    }
    // Answers a shell that completes a line, and ends.
    clap_complete::CompleteEnv::with_factory(complete::command).complete();
    let cli = args::Cli::parse_from(args::output_is_a_file(words));
    let printer = printer::Printer::new(cli.global.output);
    match commands::run(cli, &printer) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            printer.progress(failure.to_string());
            ExitCode::from(failure.code as u8)
        }
    }
}

mod commands;
