//! The command line as clap reads it: names, help and defaults. No behaviour.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use rouse_k8s::GoDuration;

/// Knative Serving in one binary.
#[derive(Debug, Parser)]
#[command(name = "rouse", version, max_term_width = 100, propagate_version = true)]
#[command(after_help = "Start here:  rouse demo      a tour in under a minute
             rouse up        start the platform on this machine")]
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
    #[arg(long, global = true, value_name = "FILE", help_heading = "Cluster")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig
    #[arg(long, global = true, value_name = "NAME", help_heading = "Cluster")]
    pub(crate) context: Option<String>,
    /// Data directory of a local cluster: state, images, certificates, logs, kubeconfig
    /// [env: ROUSE_DATA_DIR; default: rouse under the user's data home]
    #[arg(long, global = true, value_name = "DIR", help_heading = "Cluster")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Namespace
    #[arg(short, long, global = true, value_name = "NAME", help_heading = "Cluster")]
    pub(crate) namespace: Option<String>,
    /// How results are printed
    #[arg(short, long, global = true, value_name = "FORMAT", default_value = "text")]
    pub(crate) output: Output,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people
    #[default]
    Text,
    /// One JSON document on stdout
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start the platform on this machine
    Up(Up),
    /// Stop the platform of the data directory
    Down(Down),
    /// Say whether the platform runs, where, and with what
    Status,
    /// Show what each revision does now: requests, latency, pods, CPU, memory
    Top(Top),
    /// Print shell lines that point kubectl here: eval "$(rouse env)"
    Env,
    /// Create a service, or change what the flags name
    Deploy(Box<Deploy>),
    /// Build an image from a folder: a Procfile, an executable, or a Python function
    Build(Build),
    /// Share requests between revisions: TARGET is a revision, a tag, or @latest
    Traffic(Traffic),
    /// Send all requests to the revision that served before
    Rollback(Named),
    /// Send one request to a service
    Call(Call),
    /// List services
    #[command(visible_alias = "ls")]
    List(List),
    /// Show one service: URLs, revisions, traffic, conditions
    Describe(Named),
    /// List the revisions of a service
    Revisions(Named),
    /// Print what the pods of a service wrote
    Logs(Logs),
    /// Delete a service and all its revisions
    Delete(Delete),
    /// List, import and remove the images of the local store
    #[command(visible_alias = "image", args_conflicts_with_subcommands = true)]
    Images(Images),
    /// Say why a service has the scale it has: its last scaling decisions
    Explain(Named),
    /// A tour: deploy a model, split traffic, scale to zero, wake
    Demo(Demo),
    /// Say what this machine can run, and what is missing
    Doctor,
    /// Print the completion script of a shell
    Completions {
        /// Shell
        shell: clap_complete::Shell,
    },
    /// The digits example: trains the demo's models, and serves them
    #[command(hide = true, subcommand)]
    Digits(Digits),
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Up {
    /// Keep the state in memory; nothing is left behind
    #[arg(long)]
    pub(crate) ephemeral: bool,
    /// Start from what can be read of a damaged state file, and list what is gone
    #[arg(long, conflicts_with = "ephemeral")]
    pub(crate) recover: bool,
    /// Port of the Kubernetes API; 0 picks a free one [default: 7443, or the next free one]
    #[arg(long, value_name = "PORT")]
    pub(crate) api_port: Option<u16>,
    /// Port of the gateway; 0 picks a free one [default: 7080, or the next free one]
    #[arg(long, value_name = "PORT")]
    pub(crate) http_port: Option<u16>,
    /// Port of the gateway for https; 0 picks a free one [default: the next one after that of the
    /// gateway]
    #[arg(long, value_name = "PORT")]
    pub(crate) https_port: Option<u16>,
    /// Port of /metrics, /healthz, /readyz and /debug; 0 picks a free one [default: 7090, or the next
    /// free one]
    #[arg(long, value_name = "PORT")]
    pub(crate) admin_port: Option<u16>,
    #[command(flatten)]
    pub(crate) binds: Binds,
    /// How pods run
    #[arg(long, value_name = "RUNTIME", default_value = "auto")]
    pub(crate) runtime: Runtime,
    /// Mirrors, and registries without TLS, in the form of containers' registries.conf
    #[arg(long, value_name = "FILE")]
    pub(crate) registry_config: Option<PathBuf>,
    /// Registry that may speak plain HTTP or have a certificate of its own; repeatable
    #[arg(long = "insecure-registry", value_name = "HOST[:PORT]")]
    pub(crate) insecure_registries: Vec<String>,
    /// Write {"api","http","kubeconfig"} here when everything answers
    #[arg(long, value_name = "FILE")]
    pub(crate) ready_file: Option<PathBuf>,
    /// Never remove images by itself, not even old builds that nothing refers to
    #[arg(long)]
    pub(crate) keep_images: bool,
    /// Return when everything answers, and keep running in the background
    #[arg(short, long)]
    pub(crate) detach: bool,
    /// Format of log lines; RUST_LOG selects which are written
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) log_format: LogFormat,
}

/// Listen addresses, one option for each, so that every port is opened to others explicitly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Args)]
pub(crate) struct Binds {
    /// Address of the gateway, where services answer; 0.0.0.0 is every address of this machine
    #[arg(long = "bind", value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub(crate) public: IpAddr,
    /// Address of the gateway for cluster-local services
    #[arg(long = "local-bind", value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub(crate) local: IpAddr,
    /// Address of the Kubernetes API
    #[arg(long = "api-bind", value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub(crate) api: IpAddr,
    /// Address of the admin port
    #[arg(long = "admin-bind", value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub(crate) admin: IpAddr,
}

impl Default for Binds {
    fn default() -> Self {
        let loopback = std::net::Ipv4Addr::LOCALHOST.into();
        Self { public: loopback, local: loopback, api: loopback, admin: loopback }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Runtime {
    /// Docker where an engine answers, else processes
    Auto,
    /// Containers of the Docker Engine
    Docker,
    /// Processes of this machine
    Process,
    /// Nothing runs: pods become ready by script
    Fake,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

impl LogFormat {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
        }
    }
}

impl Runtime {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Docker => "docker",
            Self::Process => "process",
            Self::Fake => "fake",
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Down {
    /// Remove the data directory's state as well, listing what goes
    #[arg(long)]
    pub(crate) purge: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Named {
    /// Name of the service
    pub(crate) name: String,
}

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
pub(crate) struct Call {
    /// Name of the service
    pub(crate) name: String,
    /// Path and query
    #[arg(default_value = "/")]
    pub(crate) path: String,
    /// Call the revision behind this tag
    #[arg(long, value_name = "TAG")]
    pub(crate) tag: Option<String>,
    /// Body to POST: text, or @FILE (@- is stdin)
    #[arg(short, long, value_name = "DATA")]
    pub(crate) data: Option<String>,
    /// Request header, NAME: VALUE
    #[arg(short = 'H', long, value_name = "HEADER")]
    pub(crate) header: Vec<String>,
    /// Method, instead of GET, or of POST where there is a body
    #[arg(short = 'X', long, value_name = "METHOD")]
    pub(crate) request: Option<http::Method>,
    /// Print the status and the headers of the answer before its body
    #[arg(short, long)]
    pub(crate) include: bool,
}

#[derive(Debug, Args)]
pub(crate) struct List {
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
pub(crate) struct Logs {
    /// Name of the service
    pub(crate) name: String,
    /// Keep printing, of pods that come later as well
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// How many of the last lines
    #[arg(long, value_name = "LINES")]
    pub(crate) tail: Option<i64>,
    /// Of this revision only
    #[arg(long, value_name = "REVISION")]
    pub(crate) revision: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Delete {
    /// Names of the services
    #[arg(required = true)]
    pub(crate) names: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Images {
    #[command(subcommand)]
    pub(crate) command: Option<ImagesCommand>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ImagesCommand {
    /// List the images, their sizes, and the Revisions that use them
    #[command(visible_alias = "ls")]
    List,
    /// Bring in the images of an archive, as docker save, podman save or skopeo write it
    #[command(visible_alias = "load")]
    Import(ImportImages),
    /// Remove images by their names
    #[command(visible_alias = "remove")]
    Rm(RmImages),
    /// Remove the images that no Revision and nothing else refers to
    Prune(PruneImages),
}

#[derive(Debug, Args)]
pub(crate) struct ImportImages {
    /// Archive, compressed or not; - is stdin
    pub(crate) file: PathBuf,
    /// Name of the image, instead of the one in the archive
    #[arg(long, short = 't', visible_alias = "tag", value_name = "NAME")]
    pub(crate) image: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct RmImages {
    /// Names of the images, or NAME@DIGEST
    #[arg(required = true, value_name = "IMAGE")]
    pub(crate) images: Vec<String>,
    /// Also those that Revisions use, which then cannot start
    #[arg(short, long)]
    pub(crate) force: bool,
}

#[derive(Debug, Args)]
pub(crate) struct PruneImages {
    /// Say what would be removed, and remove nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Only images that were made longer ago than this
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = GoDuration::parse)]
    pub(crate) older_than: GoDuration,
}

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Remove everything that the demo made
    #[arg(long)]
    pub(crate) stop: bool,
    /// How pods run
    #[arg(long, value_name = "RUNTIME", default_value = "process")]
    pub(crate) runtime: Runtime,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Digits {
    /// Train both models, each into a folder that `rouse build` takes
    Train {
        /// Where the folders v1 and v2 go
        dir: PathBuf,
    },
    /// Serve one model on $PORT
    Serve {
        /// Model file
        #[arg(long, value_name = "FILE")]
        model: PathBuf,
    },
}
