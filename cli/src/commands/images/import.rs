//! `rouse images import FILE`: images from an archive.

use std::fs::File;
use std::io::Read;
use std::sync::Arc;

use rouse_image::{Progress, ProgressFn, Reference};
use serde_json::json;

use crate::args::{Global, ImportImages};
use crate::commands::build;
use crate::outcome::{Context, Failure, Result};
use crate::printer::Printer;

pub(super) async fn run(args: ImportImages, global: &Global, printer: &Printer) -> Result {
    let name = args.image.as_deref().map(str::parse::<Reference>).transpose();
    let name = name.or_fail(|| "--image is no name for an image".to_owned())?;
    if name.as_ref().is_some_and(|name| name.digest().is_some()) {
        return Err(Failure::usage("--image is a name with a tag, and no digest"));
    }
    let from = args.file.display().to_string();
    let archive: Box<dyn Read + Send> = if from == "-" {
        Box::new(std::io::stdin())
    } else {
        Box::new(File::open(&args.file).or_fail(|| format!("cannot open {from}"))?)
    };
    let store = build::open(build::store_dir(global)?)?;
    let said = *printer;
    let progress: ProgressFn = Arc::new(move |step| {
        if let Progress::Step(text) = step {
            said.progress(format!("  {text}"));
        }
    });
    #[expect(clippy::disallowed_methods, reason = "awaited here")]
    let importing =
        tokio::task::spawn_blocking(move || store.import(archive, name.as_ref(), &progress));
    let imported = importing.await.or_fail(|| format!("cannot import {from}"))?;
    let imported = imported.or_fail(|| format!("cannot import {from}"))?;
    let names = imported
        .iter()
        .flat_map(|image| image.references.iter().map(move |name| (name, &image.digest)));
    if printer.json() {
        let rows: Vec<_> = names
            .map(
                |(name, digest)| json!({ "image": name.to_string(), "digest": digest.to_string() }),
            )
            .collect();
        printer.document(&rows);
        return Ok(());
    }
    for (name, digest) in names {
        printer.line(format!("{name}@{digest}"));
    }
    Ok(())
}
