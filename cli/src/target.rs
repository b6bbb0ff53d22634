//! Choosing the cluster that a command talks to.
//!
//! `--kubeconfig`/`--context`; else `KUBECONFIG`, unless `--data-dir` is given; else the kubeconfig of
//! the data directory, if it exists; else `~/.kube/config`. A chosen cluster that does not answer is
//! an error, never a reason to try the next.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::HeaderValue;
use http::header::USER_AGENT;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

use crate::args::Global;
use crate::datadir::{DataDir, UpInfo};
use crate::outcome::{Context, Failure, Result};
use crate::printer::Printer;
use crate::warnings;

/// Name of the kubeconfig extension that holds the data directory of a local cluster.
pub(crate) const EXTENSION: &str = "rouse.dev/data-dir";

/// The chosen cluster, with a client for it.
pub(crate) struct Target {
    pub(crate) client: Client,
    pub(crate) context: String,
    pub(crate) namespace: String,
    /// Data directory that the kubeconfig names, if the cluster is a local one.
    pub(crate) data_dir: Option<PathBuf>,
    pub(crate) server: String,
}

impl Target {
    /// Chooses and reads the kubeconfig, and checks that the cluster answers.
    pub(crate) async fn connect(global: &Global) -> Result<Self> {
        let (kubeconfig, from) = choose(global)?
            .ok_or_else(|| Failure::new("there is no cluster to talk to").next("rouse up"))?;
        let target = Self::from_kubeconfig(kubeconfig, &from, global).await?;
        target.ask(&from).await?;
        Ok(target)
    }

    /// The platform that runs this cluster on this machine.
    pub(crate) fn running(&self) -> Option<UpInfo> {
        DataDir::chosen(Some(self.data_dir.as_deref()?)).ok()?.running()
    }

    async fn from_kubeconfig(kubeconfig: Kubeconfig, from: &str, global: &Global) -> Result<Self> {
        let context =
            global.context.clone().or_else(|| kubeconfig.current_context.clone()).ok_or_else(
                || Failure::usage(format!("{from} has no current context")).next("--context NAME"),
            )?;
        let data_dir = data_dir_of(&kubeconfig, &context);
        let options = KubeConfigOptions { context: Some(context.clone()), ..Default::default() };
        let mut config = Config::from_custom_kubeconfig(kubeconfig, &options)
            .await
            .or_fail(|| format!("cannot use context {context:?} of {from}"))?;
        config.connect_timeout = Some(Duration::from_secs(5));
        let agent = HeaderValue::from_static(concat!("rouse/", env!("CARGO_PKG_VERSION")));
        config.headers.push((USER_AGENT, agent));
        let namespace =
            global.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
        let server = config.cluster_url.to_string();
        let client = Client::try_from(config).or_fail(|| format!("cannot use {from}"))?;
        let client = warnings::printing(client, &namespace, Printer::new(global.output));
        Ok(Self { client, context, namespace, data_dir, server })
    }

    async fn ask(&self, from: &str) -> Result {
        let Err(error) = self.client.apiserver_version().await else { return Ok(()) };
        if let kube::Error::Api(status) = &error
            && matches!(status.code, 401 | 403)
        {
            return Err(Failure::new(format!(
                "the cluster at {} does not accept the credential of context {:?}",
                self.server, self.context
            ))
            .because(&status.message)
            .because(format!("the credential is in {from}"))
            .next("eval \"$(rouse env)\", for the local cluster; or ask who runs the cluster for a new one"));
        }
        let next = match &self.data_dir {
            Some(dir) => format!("rouse up --data-dir {}", dir.display()),
            None => "check that the cluster runs, or name another with --kubeconfig".to_owned(),
        };
        Err(Failure::new(format!("the cluster at {} does not answer", self.server))
            .because(format!("context {:?} of {from}", self.context))
            .because(short(&error))
            .next(next))
    }
}

fn short(error: &kube::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

/// The kubeconfig and where it came from; none if no cluster was named and none was ever made.
fn choose(global: &Global) -> Result<Option<(Kubeconfig, String)>> {
    if let Some(path) = &global.kubeconfig {
        return read(path).map(Some);
    }
    if let Some(names) = from_environment().filter(|_| global.data_dir.is_none()) {
        return read_all(&names).map(Some);
    }
    let local = DataDir::chosen(global.data_dir.as_deref())?.kubeconfig();
    if local.exists() || global.data_dir.is_some() {
        return read(&local).map(Some);
    }
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".kube/config"));
    home.filter(|home| home.exists()).map(|home| read(&home)).transpose()
}

/// The value of `KUBECONFIG`; an empty one counts as none.
fn from_environment() -> Option<OsString> {
    std::env::var_os("KUBECONFIG").filter(|names| !names.is_empty())
}

/// The files that `KUBECONFIG` names, merged. As for kubectl, not all of them must exist, but one
/// must.
fn read_all(names: &OsStr) -> Result<(Kubeconfig, String)> {
    let shown = names.to_string_lossy().into_owned();
    let mut merged: Option<Kubeconfig> = None;
    for path in std::env::split_paths(names).filter(|path| path.exists()) {
        let (config, _) = read(&path)?;
        let whole = match merged {
            Some(before) => {
                before.merge(config).or_fail(|| format!("cannot merge the files of {shown}"))?
            }
            None => config,
        };
        merged = Some(whole);
    }
    merged.map(|config| (config, shown.clone())).ok_or_else(|| {
        Failure::usage(format!("KUBECONFIG names {shown}, where there is no file")).next(
            "unset KUBECONFIG; or eval \"$(rouse env)\", which points it at the local cluster",
        )
    })
}

fn read(path: &Path) -> Result<(Kubeconfig, String)> {
    let shown = path.display().to_string();
    if !path.exists() {
        return Err(Failure::usage(format!("there is no kubeconfig at {shown}"))
            .next("rouse up, or name the right file with --kubeconfig"));
    }
    let config =
        Kubeconfig::read_from(path).or_fail(|| format!("cannot read the kubeconfig {shown}"))?;
    Ok((config, shown))
}

fn data_dir_of(config: &Kubeconfig, context: &str) -> Option<PathBuf> {
    let context = config.contexts.iter().find(|c| c.name == context)?.context.as_ref()?;
    let cluster = config.clusters.iter().find(|c| c.name == context.cluster)?.cluster.as_ref()?;
    let extension = cluster.extensions.as_ref()?.iter().find(|e| e.name == EXTENSION)?;
    extension.extension.get("path")?.as_str().map(PathBuf::from)
}

/// The data directory of the cluster that a command would talk to, if that is local.
///
/// # Errors
///
/// The named kubeconfig cannot be read, or its cluster is not local: another's store is not used.
pub(crate) fn local_data_dir(global: &Global) -> Result<Option<PathBuf>> {
    if global.kubeconfig.is_none() && global.data_dir.is_some() {
        // It may have no cluster yet.
        return Ok(None);
    }
    let Some((kubeconfig, from)) = choose(global)? else { return Ok(None) };
    let context = global.context.clone().or_else(|| kubeconfig.current_context.clone());
    let dir = context.as_deref().and_then(|context| data_dir_of(&kubeconfig, context));
    let named =
        global.kubeconfig.is_some() || global.context.is_some() || from_environment().is_some();
    if dir.is_none() && named {
        return Err(Failure::usage(format!(
            "{from} names a cluster that is not local, and only local ones have an image store here"
        ))
        .next("unset KUBECONFIG, or --data-dir DIR, to use a store of this machine"));
    }
    Ok(dir)
}
