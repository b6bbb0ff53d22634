//! The command line of this host for a container, and its volumes.

use std::io;
use std::path::PathBuf;

use rouse_image::{InPlace, Overrides, command_in_place};

use super::layers::Way;
use super::wire::{self, MountView};
use crate::runtime::interface::{ContainerSpec, Error, NO_MOUNTS};
use crate::spec::Mount;

/// The command line for this host, or why there is none.
pub(super) fn plan(spec: &ContainerSpec) -> Result<InPlace, Error> {
    let overrides = Overrides {
        command: &spec.command,
        args: &spec.args,
        env: &spec.env,
        working_dir: spec.working_dir.as_deref(),
    };
    command_in_place(&spec.image.image, &spec.image.rootfs, &overrides)
        .map_err(|error| Error::Start(error.to_string()))
}

/// The volumes of a container; or why it can have none.
pub(super) fn mounts(spec: &ContainerSpec, way: Way) -> Result<Vec<MountView>, Error> {
    if matches!(way, Way::ReadOnly | Way::Shared) {
        let Some(mount) = spec.mounts.iter().find(|mount| !mount.optional) else {
            for Mount { path, .. } in &spec.mounts {
                let pod = &spec.pod;
                tracing::debug!(%pod, path, "nothing can be mounted here; a pod does without it");
            }
            return Ok(Vec::new());
        };
        return Err(Error::Unsupported(format!(
            "volume {:?} cannot be mounted at {}: {NO_MOUNTS}",
            mount.volume, mount.path
        )));
    }
    let view = |mount: &Mount| MountView {
        source: mount.host_path.clone().into(),
        target: mount.path.clone().into(),
        read_only: mount.read_only,
    };
    Ok(spec.mounts.iter().map(view).collect())
}

/// The error of a failed start, with the user's own words: the command line may begin with a
/// loader, and a missing working directory looks like a missing program.
pub(super) fn not_started(spec: &ContainerSpec, plan: &InPlace, error: &io::Error) -> Error {
    let argv = spec.image.image.argv(&spec.command, &spec.args);
    let program = argv.first().map_or("", String::as_str);
    if plan.working_dir.is_dir() {
        return Error::Start(format!("failed to start {program:?}: {error}"));
    }
    let wanted = spec.working_dir.as_deref().filter(|dir| !dir.is_empty());
    let wanted = wanted.unwrap_or(&spec.image.image.working_dir);
    Error::Start(format!(
        "failed to start {program:?}: the working directory {wanted:?} is not in the image; make it \
         when the image is built, or name another as workingDir"
    ))
}

/// The request, without the fields that only a container's own program has.
pub(super) fn request(
    plan: &InPlace,
    env: Vec<(String, String)>,
    working_dir: PathBuf,
    view: wire::View,
) -> wire::Request {
    wire::Request {
        program: plan.program.clone().into(),
        args: plan.args.clone(),
        env,
        working_dir: working_dir.into(),
        view,
        ..wire::Request::default()
    }
}
