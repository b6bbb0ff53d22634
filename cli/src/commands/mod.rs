//! The commands, one a file: each takes its arguments and the printer, and returns its outcome.

mod build;
mod call;
mod completions;
mod delete;
mod demo;
mod deploy;
mod describe;
mod digits;
mod doctor;
mod down;
mod env;
mod explain;
mod images;
mod list;
mod logs;
mod revisions;
mod rollback;
mod serving;
mod status;
mod top;
mod traffic;
mod wait;

use crate::args::{Cli, Command};
use crate::outcome::{Context, Result};
use crate::printer::Printer;

/// Runs one command to its end.
pub(crate) fn run(cli: Cli, printer: &Printer) -> Result {
    let Cli { global, command } = cli;
    match command {
        Command::Completions { shell } => completions::run(shell, printer),
        Command::Env => env::run(&global, printer),
        Command::Up(args) => crate::platform::up(&args, &global, printer),
        other => block_on(remote(other, &global, printer)),
    }
}

async fn remote(command: Command, global: &crate::args::Global, printer: &Printer) -> Result {
    match command {
        Command::Deploy(args) => deploy::run(*args, global, printer).await,
        Command::Traffic(args) => traffic::run(args, global, printer).await,
        Command::Rollback(args) => rollback::run(&args, global, printer).await,
        Command::Status => status::run(global, printer).await,
        Command::Top(args) => top::run(&args, global, printer).await,
        Command::Down(args) => down::run(&args, global, printer).await,
        Command::Call(args) => call::run(args, global, printer).await,
        Command::List(args) => list::run(&args, global, printer).await,
        Command::Describe(args) => describe::run(&args, global, printer).await,
        Command::Revisions(args) => revisions::run(&args, global, printer).await,
        Command::Logs(args) => logs::run(args, global, printer).await,
        Command::Build(args) => build::run(args, global, printer).await,
        Command::Images(args) => images::run(args, global, printer).await,
        Command::Doctor => doctor::run(global, printer),
        Command::Delete(args) => delete::run(args, global, printer).await,
        Command::Explain(args) => explain::run(&args, global, printer).await,
        Command::Demo(args) => {
            let runner: demo::Runner =
                |command, global, printer| Box::pin(remote(command, global, printer));
            Box::pin(demo::run(&args, global, printer, runner)).await
        }
        Command::Digits(args) => digits::run(&args, printer).await,
        // These need no runtime: `run` handles them.
        Command::Up(_) | Command::Env | Command::Completions { .. } => Ok(()),
    }
}

/// A user's command needs one thread.
fn block_on<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .or_fail(|| "cannot start the runtime".to_owned())?;
    runtime.block_on(future)
}
