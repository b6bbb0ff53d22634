//! Removing containers: one, those of a run of a platform, those of a data directory.

use std::collections::HashMap;

use bollard::Docker;
use bollard::query_parameters::{ListContainersOptionsBuilder, RemoveContainerOptionsBuilder};

use super::container::label_of_instance;
use super::engine::{connect, engine, is_code};
use crate::runtime::interface::Error;

/// Removes the containers of one run of a platform.
pub(in crate::runtime) async fn end_instance(host: &str, instance: &str) -> Result<usize, Error> {
    end_labelled(&connect(host).await?, label_of_instance(instance)).await
}

/// Removes the containers with this label.
pub(super) async fn end_labelled(docker: &Docker, label: String) -> Result<usize, Error> {
    let ids = labelled(docker, label).await?;
    futures::future::join_all(ids.iter().map(|id| remove_container(docker, id))).await;
    Ok(ids.len())
}

/// The containers with this label, running or not.
pub(super) async fn labelled(docker: &Docker, label: String) -> Result<Vec<String>, Error> {
    let filters = HashMap::from([("label".to_owned(), vec![label])]);
    let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
    let what = "cannot list Docker's containers";
    let left = docker.list_containers(Some(options)).await.map_err(engine(what))?;
    Ok(left.into_iter().filter_map(|container| container.id).collect())
}

pub(super) async fn remove_container(docker: &Docker, id: &str) {
    let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
    match docker.remove_container(id, Some(options)).await {
        Ok(()) => {}
        // Gone, or being removed.
        Err(error) if is_code(&error, 404) || is_code(&error, 409) => {}
        Err(error) => tracing::warn!(%error, id, "cannot remove a container"),
    }
}
