//! `rouse images prune`: removes the images that nothing refers to.

use std::time::SystemTime;

use rouse_image::{Grace, Held, Rule, unneeded};
use serde_json::json;

use super::store::{Users, existing, names, short};
use crate::args::{Global, PruneImages};
use crate::commands::down;
use crate::outcome::{Context, Result};
use crate::printer::{Printer, age, size};

pub(super) async fn run(args: &PruneImages, global: &Global, printer: &Printer) -> Result {
    let Some(store) = existing(global)? else {
        return nothing(printer, 0);
    };
    let users = Users::ask(&store, global).await.map_err(|failure| {
        failure.because("so it is not known which images are used").next("rouse up -d")
    })?;
    let held = store.held().or_fail(|| "cannot list the images".to_owned())?;
    let (age_min, used) = (args.older_than.to_std(), users.used());
    let rule = Rule { unnamed_age: age_min, named_age: age_min, excess: u64::MAX };
    let now = jiff::Timestamp::now();
    let going: Vec<Held> = unneeded(&held, &used, rule, now).into_iter().cloned().collect();
    let unused = held.iter().filter(|image| !used.contains(&image.digest)).count();
    let young = unused - going.len();
    if young > 0 {
        printer.progress(format!(
            "{young} younger than {} stay; --older-than 0s takes them too",
            args.older_than
        ));
    }
    let digests: Vec<_> = going.iter().map(|image| image.digest.clone()).collect();
    let freed = store.frees(&digests).or_fail(|| "cannot read the image store".to_owned())?;
    let tags = store.docker_tags(&digests);
    if !args.dry_run {
        let grace = Grace { blobs: age_min, dependencies: age_min };
        store
            .discard(&digests, grace, SystemTime::now())
            .or_fail(|| "cannot remove the images".to_owned())?;
        down::leave_docker(&tags, printer).await;
    }
    if printer.json() {
        let rows: Vec<_> = going
            .iter()
            .map(|image| {
                json!({ "images": if image.names.is_empty() { Vec::new() } else { names(image) },
                        "digest": image.digest.to_string(), "size": image.size })
            })
            .collect();
        printer.document(&json!({ "removed": rows, "bytes": freed, "dryRun": args.dry_run }));
        return Ok(());
    }
    if going.is_empty() {
        return nothing(printer, young);
    }
    let row = |image: &Held| {
        let old = now.as_second() - image.made.as_second();
        vec![names(image).join(", "), short(&image.digest), size(image.size), age(old)]
    };
    let rows: Vec<_> = going.iter().map(row).collect();
    printer.table(&["IMAGE", "DIGEST", "SIZE", "AGE"], &rows);
    let what = if args.dry_run { "would free" } else { "freed" };
    printer.progress(format!("{what} {}", size(freed)));
    Ok(())
}

fn nothing(printer: &Printer, young: usize) -> Result {
    if printer.json() {
        printer.document(&json!({ "removed": [], "bytes": 0 }));
    } else if young > 0 {
        printer.progress("nothing to remove");
    } else {
        printer.progress("nothing to remove: something refers to each image");
    }
    Ok(())
}
