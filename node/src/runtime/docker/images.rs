//! Loads images of Rouse's store into the engine, and removes them there.

use std::time::Duration;

use bollard::Docker;
use bollard::query_parameters::{ImportImageOptions, RemoveImageOptionsBuilder};
use futures::StreamExt as _;
use rouse_image::Store;
use tokio::time::Instant;

use super::engine::{connect, default_host, engine, is_code};
use super::sandbox::IMAGE;
use crate::images::LocalImage;
use crate::runtime::interface::Error;

/// An engine may read a whole image before it begins to answer.
const LOAD_MAX: Duration = Duration::from_secs(1800);

/// The total wait for images that containers still use, and the pause between attempts.
const IN_USE_MAX: Duration = Duration::from_secs(3);
const IN_USE_PAUSE: Duration = Duration::from_millis(100);

/// Loads an image into the engine, unless it has it.
pub(super) async fn load(docker: &Docker, store: &Store, image: &LocalImage) -> Result<(), Error> {
    if let Some(program) = image.image.needs_host() {
        return Err(Error::Unsupported(format!(
            "image {} uses {program} of the machine that built it and cannot run in a \
             container; build it with --base IMAGE, or use --runtime process",
            image.reference
        )));
    }
    let tag = image.image.docker_tag();
    match docker.inspect_image(&tag).await {
        Ok(_) => return Ok(()),
        Err(error) if is_code(&error, 404) => {}
        Err(error) => return Err(engine("cannot ask Docker for an image")(error)),
    }
    let archive = store
        .docker_archive(&image.image.digest)
        .map_err(|error| Error::Engine { what: "cannot read the image", why: error.to_string() })?;
    let chunks = futures::stream::unfold(archive, |mut archive| async {
        Some((archive.recv().await?, archive))
    });
    let docker = docker.clone().with_timeout(LOAD_MAX);
    let load = docker.import_image_stream(ImportImageOptions::default(), chunks, None);
    let mut load = std::pin::pin!(load);
    while let Some(step) = load.next().await {
        step.map_err(engine("cannot load the image into Docker"))?;
    }
    Ok(())
}

/// Removes images that were loaded for pods from the engine, except those that a container still
/// uses; returns how many were removed. An engine that does not answer counts as having none.
pub async fn forget_images(tags: &[String]) -> usize {
    if tags.is_empty() {
        return 0;
    }
    let Ok(docker) = connect(&default_host()).await else { return 0 };
    let until = Instant::now() + IN_USE_MAX;
    let mut count = 0;
    for tag in tags {
        count += usize::from(forget(&docker, tag, until).await);
    }
    count
}

/// Removes the image of the containers that hold the network of pods, unless another platform uses it.
pub async fn forget_sandbox() {
    if let Ok(docker) = connect(&default_host()).await {
        let _removed = forget(&docker, IMAGE, Instant::now()).await;
    }
}

/// Whether an image was removed. One that is in use is tried again until `until`: the last
/// containers of a platform that has just ended may still be ending.
async fn forget(docker: &Docker, tag: &str, until: Instant) -> bool {
    loop {
        let options = RemoveImageOptionsBuilder::default().build();
        match docker.remove_image(tag, Some(options), None).await {
            Ok(_) => return true,
            Err(error) if is_code(&error, 409) && Instant::now() < until => {
                tokio::time::sleep(IN_USE_PAUSE).await;
            }
            // It does not exist, or is in use.
            Err(error) if is_code(&error, 404) || is_code(&error, 409) => return false,
            Err(error) => {
                tracing::warn!(%error, tag, "cannot remove an image from Docker");
                return false;
            }
        }
    }
}
