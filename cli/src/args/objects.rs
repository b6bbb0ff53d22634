//! Options of the commands about objects of any kind: `apply` and `get`.

use std::path::PathBuf;

use clap::Args;

use super::examples;

#[derive(Debug, Args)]
#[command(after_help = examples::APPLY)]
pub(crate) struct Apply {
    /// File, folder (its .yaml, .yml and .json files), or - for stdin; repeat for more
    #[arg(short, long, required = true, value_name = "FILE")]
    pub(crate) filename: Vec<PathBuf>,
    /// Of a folder, also the files of the folders in it
    #[arg(short = 'R', long)]
    pub(crate) recursive: bool,
    /// Say what would change, after the cluster has checked it, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
#[command(after_help = examples::GET)]
pub(crate) struct Get {
    /// Kind of the objects: its name, plural or short name, with or without its group
    #[arg(value_name = "KIND", default_value = "services")]
    pub(crate) kind: String,
    /// Names; all where there are none
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// Of all namespaces
    #[arg(short = 'A', long)]
    pub(crate) all_namespaces: bool,
    /// Only those with these labels, as a=b,c!=d
    #[arg(short = 'l', long, value_name = "LABELS")]
    pub(crate) selector: Option<String>,
    /// Go on, and print each that changes
    #[arg(short, long)]
    pub(crate) watch: bool,
}
