//! Options of `deploy` and `build`, with the spellings of gcloud and kn where they mean the same.

use std::path::PathBuf;

use clap::Args;

use super::examples;
use super::values::{Port, Scale, ingress, quantity, seconds, service_name};

#[derive(Debug, Args)]
#[command(after_help = examples::DEPLOY)]
pub(crate) struct Deploy {
    /// Name of the service
    #[arg(value_parser = service_name)]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) program: Program,
    #[command(flatten)]
    pub(crate) environment: Environment,
    #[command(flatten)]
    pub(crate) resources: Resources,
    #[command(flatten)]
    pub(crate) scaling: Scaling,
    #[command(flatten)]
    pub(crate) marks: Marks,
    #[command(flatten)]
    pub(crate) release: Release,
}

/// What runs.
#[derive(Debug, Args)]
#[command(next_help_heading = "Program")]
pub(crate) struct Program {
    /// Image to run: a name in the local store, or a registry reference
    #[arg(long, value_name = "IMAGE", conflicts_with = "source")]
    pub(crate) image: Option<String>,
    /// Folder to build the image from
    #[arg(long, value_name = "DIR")]
    pub(crate) source: Option<PathBuf>,
    /// Python function or application to serve, where main.py has several
    #[arg(long, visible_alias = "entry-point", value_name = "NAME", requires = "source")]
    pub(crate) function: Option<String>,
    /// Command, instead of the image's; repeat for its words
    #[arg(long, alias = "cmd", value_name = "WORD", allow_hyphen_values = true)]
    pub(crate) command: Vec<String>,
    /// Argument; repeat for more
    #[arg(long, value_name = "WORD", allow_hyphen_values = true)]
    pub(crate) arg: Vec<String>,
    /// Arguments, separated by commas
    #[arg(long, value_name = "LIST", allow_hyphen_values = true, conflicts_with = "arg")]
    pub(crate) args: Option<String>,
    /// Port that the container listens on; h2c:PORT for HTTP/2 and gRPC
    #[arg(long, short = 'p', value_name = "PORT")]
    pub(crate) port: Option<Port>,
    /// Speak HTTP/2 without TLS to the container, as --port h2c:PORT
    #[arg(long)]
    pub(crate) use_http2: bool,
    /// Service account of the pods
    #[arg(long, value_name = "NAME")]
    pub(crate) service_account: Option<String>,
    /// Secret with the login of the image's registry
    #[arg(long, value_name = "SECRET")]
    pub(crate) pull_secret: Option<String>,
    /// User id that the program runs as
    #[arg(long, value_name = "UID")]
    pub(crate) user: Option<u32>,
}

/// Environment variables, and files of Secrets and ConfigMaps. A LIST is NAME=VALUE,NAME=VALUE,…;
/// with ^;^ before it, another separator.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Environment and files")]
pub(crate) struct Environment {
    /// Environment variable, NAME=VALUE; NAME- removes it
    #[arg(long, short = 'e', value_name = "NAME=VALUE")]
    pub(crate) env: Vec<String>,
    /// Environment variables, NAME=VALUE,…; all others are removed
    #[arg(long, value_name = "LIST")]
    pub(crate) set_env_vars: Vec<String>,
    /// Environment variables, NAME=VALUE,…; all others stay
    #[arg(long, value_name = "LIST")]
    pub(crate) update_env_vars: Vec<String>,
    /// Remove environment variables, NAME,…
    #[arg(long, value_name = "NAMES")]
    pub(crate) remove_env_vars: Vec<String>,
    /// Remove all environment variables
    #[arg(long, conflicts_with_all = ["set_env_vars", "update_env_vars", "remove_env_vars"])]
    pub(crate) clear_env_vars: bool,
    /// Variables from all keys of secret:NAME or cm:NAME (a ConfigMap); with - after it, no longer
    #[arg(long, value_name = "SOURCE")]
    pub(crate) env_from: Vec<String>,
    /// Secrets as variables, NAME=SECRET:KEY, or as files, /DIR=SECRET or /DIR/FILE=SECRET:KEY; all
    /// others are removed
    #[arg(long, value_name = "LIST")]
    pub(crate) set_secrets: Vec<String>,
    /// Secrets as variables or files; all others stay
    #[arg(long, value_name = "LIST")]
    pub(crate) update_secrets: Vec<String>,
    /// Remove secrets, by variable NAME or path, …
    #[arg(long, value_name = "NAMES")]
    pub(crate) remove_secrets: Vec<String>,
    /// Remove all secrets
    #[arg(long, conflicts_with_all = ["set_secrets", "update_secrets", "remove_secrets"])]
    pub(crate) clear_secrets: bool,
    /// Files of all keys at a folder, /DIR=secret:NAME or /DIR=cm:NAME (a ConfigMap); /DIR- removes it
    #[arg(long, value_name = "DIR=SOURCE")]
    pub(crate) mount: Vec<String>,
}

#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Resources")]
pub(crate) struct Resources {
    /// CPU limit, such as 500m or 2
    #[arg(long, value_name = "QUANTITY", value_parser = quantity)]
    pub(crate) cpu: Option<String>,
    /// Memory limit, such as 256Mi
    #[arg(long, value_name = "QUANTITY", value_parser = quantity)]
    pub(crate) memory: Option<String>,
    /// Limits, cpu=QUANTITY,memory=QUANTITY
    #[arg(long, value_name = "LIST")]
    pub(crate) limit: Vec<String>,
    /// Requests, cpu=QUANTITY,memory=QUANTITY
    #[arg(long, value_name = "LIST")]
    pub(crate) request: Vec<String>,
    /// Longest time for one request: seconds, or a time such as 5m
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    pub(crate) timeout: Option<i64>,
}

#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Scaling")]
pub(crate) struct Scaling {
    /// Most requests in one pod at a time; 0 is no limit
    #[arg(long, visible_alias = "concurrency", value_name = "N")]
    pub(crate) concurrency_limit: Option<i64>,
    /// Requests in one pod that the autoscaler aims at
    #[arg(long, visible_alias = "scale-target", value_name = "N")]
    pub(crate) concurrency_target: Option<f64>,
    /// Number of pods, N, or fewest and most, MIN..MAX
    #[arg(long, value_name = "RANGE", conflicts_with_all = ["scale_min", "scale_max"])]
    pub(crate) scale: Option<Scale>,
    /// Fewest pods
    #[arg(long, visible_aliases = ["min-instances", "min"], alias = "min-scale", value_name = "N")]
    pub(crate) scale_min: Option<u32>,
    /// Most pods; 0 is no limit
    #[arg(long, visible_aliases = ["max-instances", "max"], alias = "max-scale", value_name = "N")]
    pub(crate) scale_max: Option<u32>,
    /// Pods to begin with
    #[arg(long, value_name = "N")]
    pub(crate) scale_init: Option<u32>,
    /// Pods to wake with, where a request meets none
    #[arg(long, value_name = "N")]
    pub(crate) scale_activation: Option<u32>,
    /// What load is: concurrency, rps, cpu or memory
    #[arg(long, value_name = "METRIC")]
    pub(crate) scale_metric: Option<String>,
    /// Percentage of the target that a pod may reach
    #[arg(long, visible_alias = "concurrency-utilization", value_name = "PERCENT")]
    pub(crate) scale_utilization: Option<f64>,
    /// Time over which load is averaged, 6s to 1h
    #[arg(long, visible_alias = "autoscale-window", value_name = "DURATION")]
    pub(crate) scale_window: Option<String>,
}

/// Labels, annotations and who may call.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Labels")]
pub(crate) struct Marks {
    /// Label of the service and its revisions, NAME=VALUE; NAME- removes it
    #[arg(long, short = 'l', value_name = "NAME=VALUE")]
    pub(crate) label: Vec<String>,
    /// Labels, NAME=VALUE,…; all others stay
    #[arg(long, visible_alias = "update-labels", value_name = "LIST")]
    pub(crate) labels: Vec<String>,
    /// Remove labels, NAME,…
    #[arg(long, value_name = "NAMES")]
    pub(crate) remove_labels: Vec<String>,
    /// Annotation of the revision, NAME=VALUE; NAME- removes it
    #[arg(long, short = 'a', value_name = "NAME=VALUE")]
    pub(crate) annotation: Vec<String>,
    /// Give it no public host: pods, proxy and call reach it
    #[arg(long, overrides_with = "no_cluster_local")]
    pub(crate) cluster_local: bool,
    /// Give it a public host again
    #[arg(long)]
    pub(crate) no_cluster_local: bool,
    /// From where it is reached: all, internal, or internal-and-cloud-load-balancing (outside by
    /// domains of DomainMappings only)
    #[arg(long, visible_alias = "ingress-settings", value_name = "FROM", value_parser = ingress, conflicts_with_all = ["cluster_local", "no_cluster_local"])]
    pub(crate) ingress: Option<String>,
    /// Let anybody call, as services do unless told otherwise
    #[arg(long, overrides_with = "no_allow_unauthenticated")]
    pub(crate) allow_unauthenticated: bool,
    /// Let nobody call but the members that rouse invokers adds
    #[arg(long)]
    pub(crate) no_allow_unauthenticated: bool,
}

/// How the new revision comes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Release")]
pub(crate) struct Release {
    /// Send the new revision no requests yet
    #[arg(long)]
    pub(crate) no_traffic: bool,
    /// Give the new revision a host of its own
    #[arg(long, value_name = "TAG")]
    pub(crate) tag: Option<String>,
    /// Name of the new revision, after the service's name and a dash
    #[arg(long, value_name = "SUFFIX", conflicts_with = "revision_name")]
    pub(crate) revision_suffix: Option<String>,
    /// Name of the new revision
    #[arg(long, value_name = "NAME")]
    pub(crate) revision_name: Option<String>,
    /// Do not wait until it is ready
    #[arg(long, visible_alias = "async")]
    pub(crate) no_wait: bool,
    /// Longest time to wait until it is ready, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    pub(crate) wait_timeout: u64,
    /// Print the Service that would be sent, after the cluster has checked it, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Make the namespace if it is not there
    #[arg(long)]
    pub(crate) create_namespace: bool,
}

#[derive(Debug, Args)]
#[command(after_help = examples::BUILD)]
pub(crate) struct Build {
    /// Folder, or one executable file
    pub(crate) dir: PathBuf,
    /// Name of the image, NAME or NAME:TAG
    #[arg(long, short = 't', visible_alias = "tag", value_name = "NAME")]
    pub(crate) image: String,
    /// Image to put the result on top of
    #[arg(long, value_name = "IMAGE")]
    pub(crate) base: Option<String>,
    /// Python function or application to serve, where main.py has several
    #[arg(long, visible_alias = "entry-point", alias = "target", value_name = "NAME")]
    pub(crate) function: Option<String>,
}
