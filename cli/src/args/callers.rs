//! Options of `invokers` and `token`: who may call.

use clap::{Args, Subcommand};

use super::examples;
use super::values::seconds;

#[derive(Clone, Debug, Args)]
pub(crate) struct Invokers {
    #[command(subcommand)]
    pub(crate) command: InvokersCommand,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum InvokersCommand {
    /// Let members call
    #[command(after_help = examples::INVOKERS_ADD)]
    Add(ChangeInvokers),
    /// Let members call no longer
    #[command(visible_alias = "rm", after_help = examples::INVOKERS_REMOVE)]
    Remove(ChangeInvokers),
    /// Show who may call, and from where
    #[command(visible_alias = "ls", after_help = examples::INVOKERS_LIST)]
    List {
        /// Name of the service
        name: String,
    },
}

#[derive(Clone, Debug, Args)]
pub(crate) struct ChangeInvokers {
    /// Name of the service
    pub(crate) name: String,
    /// allUsers, allAuthenticatedUsers, serviceAccount:NAME[@NAMESPACE], user:EMAIL, subject:SUBJECT,
    /// key:NAME (an API key, made and shown once), or cidr:RANGE, from where calls may come
    #[arg(value_name = "MEMBER")]
    pub(crate) members: Vec<String>,
    /// Issuer of identity tokens that count, an https URL
    #[arg(long, value_name = "URL")]
    pub(crate) issuer: Vec<String>,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = examples::TOKEN)]
pub(crate) struct Token {
    /// Service that the token is for
    #[arg(required_unless_present = "audience")]
    pub(crate) name: Option<String>,
    /// Audience of the token, instead of a service's
    #[arg(long, visible_alias = "audiences", value_name = "URL", conflicts_with = "name")]
    pub(crate) audience: Option<String>,
    /// Service account that the token is of [default: one that may call the service, or default]
    #[arg(long, value_name = "NAME")]
    pub(crate) service_account: Option<String>,
    /// How long it is valid: seconds, or a time such as 30m; 10m at least
    #[arg(long, value_name = "TIME", value_parser = seconds, default_value = "1h")]
    pub(crate) duration: i64,
}
