//! `rouse images`: the images of the local store, who uses them, and how they come and go.

mod import;
mod list;
mod prune;
mod rm;
mod store;

use crate::args::{Global, Images, ImagesCommand};
use crate::outcome::Result;
use crate::printer::Printer;

pub(crate) async fn run(args: Images, global: &Global, printer: &Printer) -> Result {
    match args.command.unwrap_or(ImagesCommand::List) {
        ImagesCommand::List => list::run(global, printer).await,
        ImagesCommand::Import(args) => import::run(args, global, printer).await,
        ImagesCommand::Rm(args) => rm::run(args, global, printer).await,
        ImagesCommand::Prune(args) => prune::run(&args, global, printer).await,
    }
}
