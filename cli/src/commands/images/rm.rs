//! `rouse images rm NAME…`: forgets names, and removes images that have no other.

use std::collections::BTreeSet;

use rouse_image::{Digest, Error, Reference, Store};
use serde_json::json;

use super::store::{Users, existing};
use crate::args::{Global, RmImages};
use crate::commands::down;
use crate::outcome::{Context, Failure, Result};
use crate::printer::Printer;

pub(super) async fn run(args: RmImages, global: &Global, printer: &Printer) -> Result {
    let none = || Failure::new("there is no image store yet").next("rouse images");
    let store = existing(global)?.ok_or_else(none)?;
    let users = match Users::ask(&store, global).await {
        Ok(users) => users,
        Err(_unknown) if args.force => Users::default(),
        Err(failure) => {
            return Err(failure
                .because("so it is not known which images are used")
                .next("rouse up -d; or rouse images rm --force, which removes used ones as well"));
        }
    };
    let (mut removed, mut in_docker) = (Vec::new(), Vec::new());
    for name in &args.images {
        let reference: Reference = match name.parse() {
            Ok(reference) => reference,
            Err(error) => {
                return Err(Failure::usage(format!("{name:?} is no image")).because(error));
            }
        };
        let image = find(&store, &reference)?;
        let used_by = users.of_image(&image.0);
        if !used_by.is_empty() && !args.force {
            return Err(Failure::new(format!("image {name} is used"))
                .because(format!("by {}", used_by.join(", ")))
                .next(
                    "delete those first; or rouse images rm --force, after which they cannot start",
                ));
        }
        let used = if args.force { BTreeSet::new() } else { users.used() };
        store.remove(&reference, &used).or_fail(|| format!("cannot remove image {name}"))?;
        if store.image(&image.0).is_err() {
            in_docker.push(image.1);
        }
        removed.push(name);
    }
    if printer.json() {
        printer.document(&json!({ "removed": removed }));
    } else {
        for name in removed {
            printer.line(format!("image {name} removed"));
        }
    }
    down::leave_docker(&in_docker, printer).await;
    Ok(())
}

/// The image's digest, and its tag in Docker.
fn find(store: &Store, reference: &Reference) -> Result<(Digest, String)> {
    match store.find(reference) {
        Ok(Some(image)) => Ok((image.digest.clone(), image.docker_tag())),
        Ok(None) | Err(Error::NotInStore { .. }) => {
            Err(Failure::new(format!("there is no image {reference} in the store"))
                .next("rouse images"))
        }
        Err(error) => Err(error).or_fail(|| format!("cannot read image {reference}")),
    }
}
