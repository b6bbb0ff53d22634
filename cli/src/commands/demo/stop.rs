//! `rouse demo --stop`: takes away what the demo made, and nothing else.

use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, DeleteParams, ListParams};
use rouse_api::Revision;

use super::NAMESPACE;
use super::stage::{MARK, local};
use crate::args::Global;
use crate::commands::down;
use crate::datadir::DataDir;
use crate::outcome::{Context, Failure, Result, refused};
use crate::printer::Printer;
use crate::target::Target;

/// Longest until the namespace is gone.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) async fn run(global: &Global, printer: &Printer) -> Result {
    let dir = DataDir::chosen(global.data_dir.as_deref())?;
    let ours = dir.join("demo").join(MARK).exists();
    if dir.running().is_some() {
        let target = Target::connect(&local(global, &dir)).await?;
        remove_namespace(&target, printer).await?;
        let left = revisions(&target).await?;
        if ours && left.is_empty() {
            down::stop(&dir, printer).await?;
            down::purge(&dir, printer)?;
            return Ok(());
        }
        remove_files(&dir, &left, printer)?;
        printer.line("the platform runs on: it has services of yours, or ran before the demo");
        return Ok(());
    }
    if ours {
        down::purge(&dir, printer)?;
        return Ok(());
    }
    printer.line(format!("nothing of the demo is in {}", dir.path().display()));
    Ok(())
}

async fn remove_namespace(target: &Target, printer: &Printer) -> Result {
    let api: Api<Namespace> = Api::all(target.client.clone());
    if api.get_opt(NAMESPACE).await.map_err(|e| refused(&e, "read the namespace"))?.is_none() {
        return Ok(());
    }
    api.delete(NAMESPACE, &DeleteParams::default())
        .await
        .map_err(|e| refused(&e, "delete the namespace"))?;
    let started = Instant::now();
    while api.get_opt(NAMESPACE).await.map_err(|e| refused(&e, "read the namespace"))?.is_some() {
        if started.elapsed() > PATIENCE {
            return Err(Failure::not_ready(format!("namespace {NAMESPACE} is still ending"))
                .next(format!("kubectl describe namespace {NAMESPACE}")));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    printer.line(format!("removed namespace {NAMESPACE} and all in it"));
    Ok(())
}

/// What the user runs here by now.
async fn revisions(target: &Target) -> Result<Vec<Revision>> {
    let api: Api<Revision> = Api::all(target.client.clone());
    let all = api.list(&ListParams::default()).await.map_err(|e| refused(&e, "list revisions"))?;
    Ok(all.items)
}

fn uses(revision: &Revision, image: &str) -> bool {
    revision.spec.pod.containers.iter().any(|c| c.image.as_deref() == Some(image))
}

/// The models and their images, except those that the user's own revisions run.
fn remove_files(dir: &DataDir, left: &[Revision], printer: &Printer) -> Result {
    let store = rouse_image::Store::open(dir.images())
        .or_fail(|| "cannot open the image store".to_owned())?;
    for name in ["digits:v1", "digits:v2"] {
        let reference = name.parse().or_fail(|| format!("{name} is no name for an image"))?;
        if left.iter().any(|revision| uses(revision, name)) {
            printer.line(format!("kept image {name}, which a service of yours runs"));
        } else if store.remove(&reference).is_ok() {
            printer.line(format!("removed image {name}"));
        }
    }
    for name in ["v1", "v2", "digit.json"] {
        let path = dir.join("demo").join(name);
        if path.exists() {
            down::remove(&path).or_fail(|| format!("cannot remove {}", path.display()))?;
            printer.line(format!("removed {}", path.display()));
        }
    }
    // It stays while it holds the mark, by which a later stop removes the rest.
    let _kept = std::fs::remove_dir(dir.join("demo"));
    Ok(())
}
