//! The choice of a runtime for this machine, with its reason.

use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;

use rouse_kit::Component;

use super::docker::DockerRuntime;
use super::fake::{FakeRuntime, Script};
use super::interface::{ContainerRuntime, Error};
use super::process::ProcessRuntime;

/// The user's choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Wanted {
    /// Docker where it runs, else processes.
    #[default]
    Auto,
    Docker,
    Process,
    Fake,
}

/// A runtime and a sentence that says why it is this one.
#[derive(Clone)]
pub struct Chosen {
    pub runtime: Arc<dyn ContainerRuntime>,
    pub why: String,
}

/// Chooses and opens a runtime. `guard` is the command line that runs `run_guard`.
/// `component` lives as long as there are pods: it ends after the node.
///
/// # Errors
/// If the requested runtime cannot be used; with `Auto`, if the directory for processes cannot.
pub async fn choose(
    wanted: Wanted,
    data_dir: &Path,
    store: &rouse_image::Store,
    guard: Option<&[OsString]>,
    component: &Component,
) -> Result<Chosen, Error> {
    match wanted {
        Wanted::Docker => docker(data_dir, store, guard, component).await,
        Wanted::Process => process(data_dir, guard, component, "it was asked for".to_owned()),
        Wanted::Fake => Ok(Chosen {
            runtime: Arc::new(FakeRuntime::new(Script::default())),
            why: "it was asked for".to_owned(),
        }),
        Wanted::Auto => match docker(data_dir, store, guard, component).await {
            Ok(chosen) => Ok(chosen),
            Err(error) => process(data_dir, guard, component, format!("no Docker: {error}")),
        },
    }
}

async fn docker(
    data_dir: &Path,
    store: &rouse_image::Store,
    guard: Option<&[OsString]>,
    component: &Component,
) -> Result<Chosen, Error> {
    let docker = DockerRuntime::connect(None, data_dir, store.clone(), guard, component).await?;
    Ok(Chosen { why: docker.describe(), runtime: Arc::new(docker) })
}

fn process(
    data_dir: &Path,
    guard: Option<&[OsString]>,
    component: &Component,
    why: String,
) -> Result<Chosen, Error> {
    let runtime = ProcessRuntime::open(data_dir, guard, component)?;
    Ok(Chosen { runtime: Arc::new(runtime), why })
}
