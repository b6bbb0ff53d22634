//! Options of the commands that start and stop the platform.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::examples;

#[derive(Clone, Debug, Args)]
#[command(after_help = examples::UP)]
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
    /// Domain of the services' URLs, whose names resolve to this machine [default: localhost; with
    /// --bind, the address at sslip.io]
    #[arg(long, value_name = "NAME", value_parser = domain)]
    pub(crate) domain: Option<String>,
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
    /// Print no line for each event, such as a deployment, a wake or a crash
    #[arg(short, long)]
    pub(crate) quiet: bool,
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
#[command(after_help = examples::DOWN)]
pub(crate) struct Down {
    /// Remove the data directory's state as well, listing what goes
    #[arg(long)]
    pub(crate) purge: bool,
}

#[derive(Debug, Args)]
#[command(after_help = examples::DEMO)]
pub(crate) struct Demo {
    /// Remove everything that the demo made
    #[arg(long)]
    pub(crate) stop: bool,
    /// How pods run
    #[arg(long, value_name = "RUNTIME", default_value = "process")]
    pub(crate) runtime: Runtime,
}

/// A domain in lower case.
fn domain(text: &str) -> Result<String, String> {
    let domain = text.trim_end_matches('.').to_ascii_lowercase();
    match rouse_k8s::form::dns_1123_subdomain(&domain).into_iter().next() {
        None => Ok(domain),
        Some(_) => Err("write a domain such as models.example.com".to_owned()),
    }
}
