//! Options of the commands about services that exist.

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct Named {
    /// Name of the service
    pub(crate) name: String,
}

#[derive(Debug, Args)]
pub(crate) struct Traffic {
    /// Name of the service
    pub(crate) name: String,
    /// TARGET=PERCENT: a revision, a tag, or @latest
    #[arg(value_name = "TARGET=PERCENT")]
    pub(crate) shares: Vec<String>,
    /// Give a revision a host of its own, REVISION=TAG
    #[arg(long, value_name = "REVISION=TAG")]
    pub(crate) tag: Vec<String>,
    /// Take a tag away
    #[arg(long, value_name = "TAG")]
    pub(crate) untag: Vec<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  rouse rollback hello                    to the revision that served before
  rouse rollback hello --to hello-00001   to that one
  rouse traffic hello @latest=100         forward again, and with every later deployment")]
pub(crate) struct Rollback {
    /// Name of the service
    pub(crate) name: String,
    /// Revision to send all requests to, instead of the one that served before
    #[arg(long, value_name = "REVISION")]
    pub(crate) to: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// Names; all where there are none
    #[arg(value_name = "NAME", conflicts_with_all = ["all_namespaces", "selector"])]
    pub(crate) names: Vec<String>,
    /// Only those with these labels, as a=b,c!=d
    #[arg(short = 'l', long, value_name = "LABELS")]
    pub(crate) selector: Option<String>,
    /// Go on, and print each that changes
    #[arg(short, long)]
    pub(crate) watch: bool,
    /// Of all namespaces
    #[arg(short = 'A', long)]
    pub(crate) all_namespaces: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Top {
    /// Of all namespaces
    #[arg(short = 'A', long)]
    pub(crate) all_namespaces: bool,
    /// Print once and end; the default where stdout is no terminal
    #[arg(long)]
    pub(crate) once: bool,
    /// Seconds between two updates
    #[arg(long, value_name = "SECONDS", default_value_t = 2)]
    pub(crate) interval: u64,
}

#[derive(Debug, Args)]
pub(crate) struct Delete {
    /// Names of the services
    #[arg(required = true)]
    pub(crate) names: Vec<String>,
}
