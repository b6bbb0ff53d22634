//! The command line as clap reads it: names, help, defaults, and the values that options take. Pure.

mod call;
mod callers;
mod cost;
mod deploy;
mod examples;
mod images;
mod logs;
mod objects;
mod output;
mod predict;
mod proxy;
mod services;
mod up;
mod values;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub(crate) use self::call::Call;
pub(crate) use self::callers::{ChangeInvokers, Invokers, InvokersCommand, Token};
pub(crate) use self::cost::{BOOK, Cost, CostCommand, CostOf};
pub(crate) use self::deploy::{Build, Deploy, Environment, Marks, Resources, Scaling};
pub(crate) use self::images::{Digits, Images, ImagesCommand, ImportImages, PruneImages, RmImages};
pub(crate) use self::logs::Logs;
pub(crate) use self::objects::{Apply, Get};
pub(crate) use self::output::Output;
pub(crate) use self::predict::{Instance, Predict, Protocol, RowFormat, output_is_a_file};
pub(crate) use self::proxy::Proxy;
pub(crate) use self::services::{Delete, List, Named, Rollback, Top, Traffic};
pub(crate) use self::up::{Binds, Demo, Down, LogFormat, Runtime, Up};
pub(crate) use self::values::{Port, Scale, items, quantity};

/// Knative Serving in one binary.
#[derive(Debug, Parser)]
#[command(name = "rouse", version, max_term_width = 100, propagate_version = true)]
#[command(after_help = examples::ROUSE)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Flags of every command.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Global {
    /// Kubeconfig of the cluster to talk to
    #[arg(long, global = true, value_name = "FILE", help_heading = "Global options")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig
    #[arg(long, global = true, value_name = "NAME", help_heading = "Global options")]
    pub(crate) context: Option<String>,
    /// Data directory of a local cluster: state, images, certificates, logs, kubeconfig
    /// [env: ROUSE_DATA_DIR; default: rouse under the user's data home]
    #[arg(long, global = true, value_name = "DIR", help_heading = "Global options")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Namespace
    #[arg(short, long, global = true, value_name = "NAME", help_heading = "Global options")]
    pub(crate) namespace: Option<String>,
    /// How results are printed
    #[arg(
        short,
        long,
        global = true,
        value_name = "FORMAT",
        default_value = "text",
        help_heading = "Global options"
    )]
    pub(crate) output: Output,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start the platform on this machine
    Up(Up),
    /// Stop the platform of the data directory
    Down(Down),
    /// Say whether the platform runs, where, and with what
    #[command(after_help = examples::STATUS)]
    Status,
    /// Show what each revision does now: requests, latency, pods, CPU, memory
    Top(Top),
    /// Print shell lines that point kubectl here: eval "$(rouse env)"
    #[command(after_help = examples::ENV)]
    Env,
    /// Create a service, or change what the flags name
    Deploy(Box<Deploy>),
    /// Build an image from a folder: a Procfile, an executable, or a Python function
    Build(Build),
    /// Share requests between revisions: TARGET is a revision, a tag, or @latest
    Traffic(Traffic),
    /// Send all requests to the revision that served before
    Rollback(Rollback),
    /// Send one request, an event, or many requests to a service
    Call(Call),
    /// Score the rows of a file through a service
    Predict(Box<Predict>),
    /// Give programs of this machine a plain http://127.0.0.1:PORT for one service
    Proxy(Proxy),
    /// Say who may call a service, and from where
    #[command(after_help = examples::INVOKERS)]
    Invokers(Invokers),
    /// Print an identity token, for a service that asks its callers who they are
    Token(Token),
    /// List services
    #[command(visible_alias = "ls")]
    List(List),
    /// Make objects what files say: manifests of Knative, Cloud Run, Kubernetes
    Apply(Apply),
    /// List objects of any kind, or show some: services, revisions, pods, …
    Get(Get),
    /// Show one service: URLs, revisions, traffic, conditions
    #[command(after_help = examples::DESCRIBE)]
    Describe(Named),
    /// List the revisions of a service
    #[command(after_help = examples::REVISIONS)]
    Revisions(Named),
    /// Print what the pods of a service wrote
    Logs(Logs),
    /// Delete a service and all its revisions
    Delete(Delete),
    /// List, import and remove the images of the local store
    #[command(visible_alias = "image", args_conflicts_with_subcommands = true)]
    Images(Images),
    /// Say why a service has the scale it has: its last scaling decisions
    #[command(after_help = examples::EXPLAIN)]
    Explain(Named),
    /// Show what revisions used this month, and what it costs by a price book
    #[command(args_conflicts_with_subcommands = true)]
    Cost(Cost),
    /// A tour: deploy a model, split traffic, scale to zero, wake
    Demo(Demo),
    /// Say what this machine can run, and what is missing
    #[command(after_help = examples::DOCTOR)]
    Doctor,
    /// Print the completion script of a shell
    #[command(after_help = examples::COMPLETIONS)]
    Completions {
        /// Shell
        shell: clap_complete::Shell,
    },
    /// The digits example: trains the demo's models, and serves them
    #[command(hide = true, subcommand)]
    Digits(Digits),
}

#[cfg(test)]
mod tests;
