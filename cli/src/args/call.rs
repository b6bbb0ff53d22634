//! Options of `call`.

use std::num::NonZeroU32;

use clap::Args;

use super::examples;

#[derive(Debug, Args)]
#[command(after_help = examples::CALL)]
pub(crate) struct Call {
    /// Name of the service
    pub(crate) name: String,
    /// Path and query
    #[arg(default_value = "/")]
    pub(crate) path: String,
    /// Call the revision behind this tag
    #[arg(long, value_name = "TAG")]
    pub(crate) tag: Option<String>,
    /// Call this revision, which must have a tag or all requests
    #[arg(long, value_name = "REVISION", conflicts_with = "tag")]
    pub(crate) revision: Option<String>,
    /// Body to POST: text, or @FILE (@- is stdin)
    #[arg(short, long, visible_alias = "body", value_name = "DATA")]
    pub(crate) data: Option<String>,
    /// Request header, NAME: VALUE
    #[arg(short = 'H', long, value_name = "HEADER")]
    pub(crate) header: Vec<String>,
    /// Method, instead of GET, or of POST where there is a body
    #[arg(short = 'X', long, visible_alias = "method", value_name = "METHOD")]
    pub(crate) request: Option<http::Method>,
    /// Print the status and the headers of the answer before its body
    #[arg(short, long)]
    pub(crate) include: bool,
    /// Send the body as the data of a CloudEvent of this type (binary mode); without a body, as {}
    #[arg(long, value_name = "TYPE")]
    pub(crate) event: Option<String>,
    /// Send this many requests, and print how they were answered
    #[arg(long, short = 'c', value_name = "N", default_value = "1")]
    pub(crate) count: NonZeroU32,
    /// How many of them are in flight at a time
    #[arg(long, value_name = "N", default_value = "1")]
    pub(crate) parallel: NonZeroU32,
}
