//! The commands, one a file: each takes its arguments and the printer, and returns its outcome.

mod apply;
mod build;
mod call;
mod completions;
mod cost;
mod delete;
mod demo;
mod deploy;
mod describe;
mod digits;
mod doctor;
mod down;
mod env;
mod explain;
mod get;
mod images;
mod invokers;
mod list;
mod logs;
mod predict;
mod proxy;
mod revisions;
mod rollback;
mod serving;
mod status;
mod token;
mod top;
mod traffic;
mod wait;
mod watching;

use crate::args::{Cli, Command, Output};
use crate::outcome::{Context, Failure, Result};
use crate::printer::Printer;

/// Runs one command to its end.
pub(crate) fn run(cli: Cli, printer: &Printer) -> Result {
    let Cli { global, command } = cli;
    let columns = matches!(command, Command::List(_) | Command::Get(_));
    let names = columns || matches!(command, Command::Apply(_));
    match global.output {
        Output::Wide if !columns => {
            return Err(Failure::usage("-o wide is for list and get").next("-o yaml"));
        }
        Output::Name if !names => {
            return Err(Failure::usage("-o name is for list, get and apply").next("-o yaml"));
        }
        _ => {}
    }
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
        Command::Apply(args) => apply::run(args, global, printer).await,
        Command::Get(args) => get::run(args, global, printer).await,
        Command::Invokers(args) => invokers::run(args, global, printer).await,
        Command::Token(args) => token::run(&args, global, printer).await,
        Command::Predict(args) => predict::run(*args, global, printer).await,
        Command::Proxy(args) => proxy::run(args, global, printer).await,
        Command::List(args) => list::run(&args, global, printer).await,
        Command::Describe(args) => describe::run(&args, global, printer).await,
        Command::Revisions(args) => revisions::run(&args, global, printer).await,
        Command::Logs(args) => logs::run(args, global, printer).await,
        Command::Build(args) => build::run(args, global, printer).await,
        Command::Images(args) => images::run(args, global, printer).await,
        Command::Doctor => doctor::run(global, printer),
        Command::Delete(args) => delete::run(args, global, printer).await,
        Command::Cost(args) => cost::run(args, global, printer).await,
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
