//! Options of `proxy`.

use clap::Args;

use super::examples;

#[derive(Debug, Args)]
#[command(after_help = examples::PROXY)]
pub(crate) struct Proxy {
    /// Name of the service
    pub(crate) name: String,
    /// Port of 127.0.0.1; 0 picks a free one [default: 8080, or the next free one]
    #[arg(short, long, value_name = "PORT")]
    pub(crate) port: Option<u16>,
    /// The revision behind this tag
    #[arg(long, value_name = "TAG")]
    pub(crate) tag: Option<String>,
    /// This revision, which must have a tag or all requests
    #[arg(long, value_name = "REVISION", conflicts_with = "tag")]
    pub(crate) revision: Option<String>,
    /// Token that requests without an Authorization header carry; @FILE reads it from a file
    #[arg(long, value_name = "TOKEN")]
    pub(crate) token: Option<String>,
}
