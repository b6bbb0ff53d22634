//! Options of `deploy` and `build`.

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct Deploy {
    /// Name of the service
    pub(crate) name: String,
    /// Image to run: a name in the local store, or a registry reference
    #[arg(long, value_name = "IMAGE", conflicts_with = "source")]
    pub(crate) image: Option<String>,
    /// Folder to build the image from
    #[arg(long, value_name = "DIR")]
    pub(crate) source: Option<PathBuf>,
    /// Python function or application to serve, where main.py has several
    #[arg(long, visible_alias = "entry-point", value_name = "NAME", requires = "source")]
    pub(crate) function: Option<String>,
    /// Environment variable, NAME=VALUE; NAME- removes it
    #[arg(long, short = 'e', value_name = "NAME=VALUE")]
    pub(crate) env: Vec<String>,
    /// Environment variables, NAME=VALUE,…; all others are removed
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub(crate) set_env_vars: Vec<String>,
    /// Environment variables, NAME=VALUE,…; all others stay
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub(crate) update_env_vars: Vec<String>,
    /// Port that the container listens on; h2c:PORT for HTTP/2 and gRPC
    #[arg(long, short = 'p', value_name = "PORT")]
    pub(crate) port: Option<Port>,
    /// Label of the service and its revisions, NAME=VALUE; NAME- removes it
    #[arg(long, short = 'l', value_name = "NAME=VALUE")]
    pub(crate) label: Vec<String>,
    /// Annotation of the revision, NAME=VALUE; NAME- removes it
    #[arg(long, short = 'a', value_name = "NAME=VALUE")]
    pub(crate) annotation: Vec<String>,
    /// Service account of the pods
    #[arg(long, value_name = "NAME")]
    pub(crate) service_account: Option<String>,
    /// Accepted as gcloud's flag; every service here allows it
    #[arg(long, hide = true)]
    pub(crate) allow_unauthenticated: bool,
    /// Command, instead of the image's; repeat for its words
    #[arg(long, alias = "cmd", value_name = "WORD", allow_hyphen_values = true)]
    pub(crate) command: Vec<String>,
    /// Argument; repeat for more
    #[arg(long, value_name = "WORD", allow_hyphen_values = true)]
    pub(crate) arg: Vec<String>,
    /// CPU limit, such as 500m or 2
    #[arg(long, value_name = "QUANTITY")]
    pub(crate) cpu: Option<String>,
    /// Memory limit, such as 256Mi
    #[arg(long, value_name = "QUANTITY")]
    pub(crate) memory: Option<String>,
    /// Longest time for one request, in seconds
    #[arg(long, value_name = "SECONDS")]
    pub(crate) timeout: Option<i64>,
    /// Most requests in one pod at a time; 0 is no limit
    #[arg(long, visible_alias = "concurrency", value_name = "N")]
    pub(crate) concurrency_limit: Option<i64>,
    /// Requests in one pod that the autoscaler aims at
    #[arg(long, alias = "scale-target", value_name = "N")]
    pub(crate) concurrency_target: Option<f64>,
    /// Fewest pods
    #[arg(long, visible_alias = "min-instances", alias = "min-scale", value_name = "N")]
    pub(crate) scale_min: Option<u32>,
    /// Most pods; 0 is no limit
    #[arg(long, visible_alias = "max-instances", alias = "max-scale", value_name = "N")]
    pub(crate) scale_max: Option<u32>,
    /// Time over which load is averaged, 6s to 1h
    #[arg(long, value_name = "DURATION")]
    pub(crate) scale_window: Option<String>,
    /// Send the new revision no requests yet
    #[arg(long)]
    pub(crate) no_traffic: bool,
    /// Give the new revision a host of its own
    #[arg(long, value_name = "TAG")]
    pub(crate) tag: Option<String>,
    /// Do not wait until it is ready
    #[arg(long)]
    pub(crate) no_wait: bool,
    /// Print the Service that would be sent, after the cluster has checked it, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Make the namespace if it is not there
    #[arg(long)]
    pub(crate) create_namespace: bool,
    /// Longest time to wait until it is ready, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    pub(crate) wait_timeout: u64,
}

/// A port, and the name that says its protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Port {
    pub(crate) number: u16,
    pub(crate) name: Option<String>,
}

impl std::str::FromStr for Port {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, number) = match text.split_once(':') {
            Some((name @ ("h2c" | "http1"), number)) => (Some(name.to_owned()), number),
            Some((name, _)) => return Err(format!("{name:?} is neither h2c nor http1")),
            None => (None, text),
        };
        match number.parse() {
            Ok(number) if number > 0 => Ok(Self { number, name }),
            _ => Err(format!("{number:?} is no port: write a number of 1 to 65535")),
        }
    }
}

#[derive(Debug, Args)]
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
