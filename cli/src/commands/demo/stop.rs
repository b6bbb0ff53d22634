//! `rouse demo --stop`: takes away what the demo made, and nothing else.

use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, DeleteParams, ListParams};
use rouse_api::{Revision, Service};
use rouse_image::{Error, Reference, Store};

use super::made::Made;
use super::stage::{NAMESPACE, SERVICE, detached, local};
use crate::args::{Global, Runtime};
use crate::commands::down;
use crate::commands::serving::{name_of, revisions};
use crate::datadir::DataDir;
use crate::outcome::{Context, Failure, Result, refused};
use crate::platform;
use crate::printer::Printer;
use crate::target::Target;

/// Longest until the service or the namespace is gone.
const STOP_TIMEOUT: Duration = Duration::from_secs(60);
const POLL_INTERVAL: Duration = Duration::from_millis(20);
const IMAGES: [&str; 2] = ["digits:v1", "digits:v2"];

pub(super) async fn run(global: &Global, printer: &Printer) -> Result {
    let dir = DataDir::chosen(global.data_dir.as_deref())?;
    let Some(made) = Made::read(&dir) else {
        printer.line(format!("nothing of the demo is in {}", dir.path().display()));
        return Ok(());
    };
    let ran = dir.running().is_some();
    if !ran {
        // Stored objects are listed and deleted through a running platform only.
        platform::start_detached(&detached(Runtime::Process), &dir, &printer.quiet())?;
    }
    let target = Target::connect(&local(global, &dir)).await?;
    let others = others(&target, &dir).await?;
    if made.state && others.is_empty() {
        down::stop(&dir, printer).await?;
        down::purge(&dir, printer).await?;
        return Ok(());
    }
    remove(&target, &dir, made, printer).await?;
    if others.is_empty() {
        Made::forget(&dir)?;
    } else {
        // By this record a later `--stop` removes the rest.
        Made { namespace: false, service: false, ..made }.write(&dir)?;
    }
    if !ran || (made.platform && others.is_empty()) {
        down::stop(&dir, printer).await?;
        return Ok(());
    }
    printer.line("the platform runs on: it ran before the demo, or has something of yours");
    for other in others {
        printer.line(format!("kept {other}"));
    }
    Ok(())
}

/// Services and images of the user's own.
async fn others(target: &Target, dir: &DataDir) -> Result<Vec<String>> {
    let api: Api<Service> = Api::all(target.client.clone());
    let all = api.list(&ListParams::default()).await.map_err(|e| refused(&e, "list services"))?;
    let services = all.items.iter().filter_map(|service| {
        let namespace = service.metadata.namespace.as_deref().unwrap_or_default();
        let name = name_of(service);
        ((namespace, name) != (NAMESPACE, SERVICE))
            .then(|| format!("service {name} of namespace {namespace}"))
    });
    let images = store(dir)?.list().or_fail(|| "cannot list the images".to_owned())?;
    let images = images.iter().map(|image| image.familiar().to_owned());
    let images = images.filter(|name| !IMAGES.contains(&name.as_str()));
    Ok(services.chain(images.map(|name| format!("image {name}"))).collect())
}

/// Removes what the demo made from a platform that stays.
async fn remove(target: &Target, dir: &DataDir, made: Made, printer: &Printer) -> Result {
    let services: Api<Service> = Api::namespaced(target.client.clone(), NAMESPACE);
    let mut in_docker = Vec::new();
    if made.service {
        remove_service(target, &services, printer).await?;
        in_docker = remove_images(target, dir, printer).await?;
    }
    let left = services.list(&ListParams::default()).await;
    let left = left.map_err(|e| refused(&e, "list services"))?;
    if made.namespace && left.items.is_empty() {
        remove_namespace(target, printer).await?;
    }
    down::leave_docker(&in_docker, printer).await;
    for name in ["v1", "v2", "digit.json"] {
        let path = dir.join("demo").join(name);
        if path.exists() {
            down::remove(&path).or_fail(|| format!("cannot remove {}", path.display()))?;
            printer.line(format!("removed {}", path.display()));
        }
    }
    Ok(())
}

/// Removes the demo's images, except those that the user's own services run. Returns the Docker
/// tags of the removed ones.
async fn remove_images(target: &Target, dir: &DataDir, printer: &Printer) -> Result<Vec<String>> {
    let store = store(dir)?;
    let mut in_docker = Vec::new();
    let users_own = all_revisions(target).await?;
    for name in IMAGES {
        let reference: Reference =
            name.parse().or_fail(|| format!("{name} is no name for an image"))?;
        if users_own.iter().any(|revision| uses(revision, name)) {
            printer.line(format!("kept image {name}, which a service of yours runs"));
            continue;
        }
        in_docker.extend(down::docker_tags(dir, |image| image == name));
        match store.remove(&reference, &std::collections::BTreeSet::new()) {
            Ok(_) => printer.line(format!("removed image {name}")),
            // The demo was interrupted before it made the image.
            Err(Error::NotInStore { .. }) => {}
            Err(error) => return Err(error).or_fail(|| format!("cannot remove image {name}")),
        }
    }
    Ok(in_docker)
}

/// The revisions of all services that are left.
async fn all_revisions(target: &Target) -> Result<Vec<Revision>> {
    let api: Api<Revision> = Api::all(target.client.clone());
    let all = api.list(&ListParams::default()).await.map_err(|e| refused(&e, "list revisions"))?;
    Ok(all.items)
}

fn uses(revision: &Revision, image: &str) -> bool {
    revision.spec.pod.containers.iter().any(|c| c.image.as_deref() == Some(image))
}

async fn remove_service(target: &Target, api: &Api<Service>, printer: &Printer) -> Result {
    match api.delete(SERVICE, &DeleteParams::background()).await {
        Ok(_) => {}
        Err(kube::Error::Api(status)) if status.code == 404 => return Ok(()),
        Err(error) => return Err(refused(&error, "delete the service")),
    }
    let started = Instant::now();
    while !revisions(target, SERVICE).await?.is_empty() {
        late(started, &format!("service {SERVICE}"))?;
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    printer.line(format!("removed service {SERVICE} of namespace {NAMESPACE}"));
    Ok(())
}

async fn remove_namespace(target: &Target, printer: &Printer) -> Result {
    let api: Api<Namespace> = Api::all(target.client.clone());
    let found = || async {
        let found = api.get_opt(NAMESPACE).await;
        found.map_err(|e| refused(&e, "read the namespace"))
    };
    if found().await?.is_none() {
        return Ok(());
    }
    api.delete(NAMESPACE, &DeleteParams::default())
        .await
        .map_err(|e| refused(&e, "delete the namespace"))?;
    let started = Instant::now();
    while found().await?.is_some() {
        late(started, &format!("namespace {NAMESPACE}"))?;
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    printer.line(format!("removed namespace {NAMESPACE}"));
    Ok(())
}

fn late(started: Instant, what: &str) -> Result {
    if started.elapsed() <= STOP_TIMEOUT {
        return Ok(());
    }
    Err(Failure::not_ready(format!("{what} is still ending")).next("rouse demo --stop again"))
}

fn store(dir: &DataDir) -> Result<Store> {
    Store::open(dir.images()).or_fail(|| "cannot open the image store".to_owned())
}
