//! `rouse build DIR --image NAME`: an image in the store of the local cluster.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use rouse_image::build::{BuildOptions, Built};
use rouse_image::{Progress, ProgressFn, Reference, Store};

use crate::args::{Build, Global};
use crate::datadir::DataDir;
use crate::outcome::{Context, Failure, Result};
use crate::printer::Printer;
use crate::target::{self, Target};

pub(crate) async fn run(args: Build, global: &Global, printer: &Printer) -> Result {
    let started = Instant::now();
    let store = open(store_dir(global)?)?;
    let mut options = options(&args.image)?;
    options.base = args
        .base
        .as_deref()
        .map(|base| base.parse::<Reference>())
        .transpose()
        .or_fail(|| "--base names no image".to_owned())?;
    options.function = args.function;
    let built = build(&store, &args.dir, options, printer).await?;
    if printer.json() {
        printer.document(&document(&built));
    } else {
        printer.line(format!("{}@{}", familiar(&built.reference), built.digest));
        printer.progress(format!("built in {:.1} s", started.elapsed().as_secs_f64()));
    }
    if let Some(program) = &built.needs_host {
        printer.progress(format!(
            "note: it runs with {program} of this machine; --base IMAGE makes it independent"
        ));
    }
    Ok(())
}

/// Builds the folder of a `deploy --source` and gives the image by its digest, so that a changed
/// folder is a changed image.
pub(crate) async fn for_deploy(
    source: &Path,
    name: &str,
    function: Option<&str>,
    target: &Target,
    printer: &Printer,
) -> Result<String> {
    let Some(dir) = &target.data_dir else {
        return Err(Failure::usage(
            "--source builds into a local cluster's image store, and this cluster is not local",
        )
        .because(format!("context {:?} at {}", target.context, target.server))
        .next(
            "push the image to a registry that the cluster can pull from, and name it with --image",
        ));
    };
    let store = open(dir.join("images"))?;
    let mut options = options(&image_for(name))?;
    options.function = function.map(str::to_owned);
    let built = build(&store, source, options, printer).await?;
    Ok(format!("{}@{}", familiar(&built.reference), built.digest))
}

/// The image name of a service that is built from a folder. Image names have two letters or more.
pub(crate) fn image_for(service: &str) -> String {
    if service.len() > 1 { service.to_owned() } else { format!("{service}-image") }
}

fn options(image: &str) -> Result<BuildOptions> {
    BuildOptions::new(image, None).or_fail(|| format!("{image:?} is no name for an image"))
}

async fn build(
    store: &Store,
    source: &Path,
    options: BuildOptions,
    printer: &Printer,
) -> Result<Built> {
    let printer = *printer;
    let progress: ProgressFn = Arc::new(move |step| match step {
        Progress::Step(text) => printer.progress(format!("  {text}")),
        Progress::Reused { what, .. } => {
            printer.progress(format!("  {what}: unchanged, used again"));
        }
        Progress::Layer { .. } => {}
    });
    store
        .build(source, options, &progress)
        .await
        .or_fail(|| format!("{} cannot be built", source.display()))
}

/// The store of the cluster that a command talks to: by its kubeconfig, else by the data directory.
pub(crate) fn store_dir(global: &Global) -> Result<PathBuf> {
    let dir = match target::local_data_dir(global)? {
        Some(dir) => dir,
        None => DataDir::chosen(global.data_dir.as_deref())?.path().to_owned(),
    };
    Ok(dir.join("images"))
}

pub(crate) fn open(dir: PathBuf) -> Result<Store> {
    Store::open(&dir).or_fail(|| format!("cannot open the image store {}", dir.display()))
}

fn familiar(reference: &Reference) -> String {
    rouse_image::familiar(reference.written()).to_owned()
}

fn document(built: &Built) -> serde_json::Value {
    let layers: Vec<_> = built
        .layers
        .iter()
        .map(|l| serde_json::json!({ "what": l.what, "digest": l.digest.to_string(), "size": l.size, "reused": l.reused }))
        .collect();
    serde_json::json!({
        "image": familiar(&built.reference), "digest": built.digest.to_string(), "layers": layers,
        "needsHost": built.needs_host
    })
}
