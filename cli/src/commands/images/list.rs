//! `rouse images`: every image, its size, and the Revisions that use it.

use rouse_image::Held;
use rouse_k8s::time::rfc3339;
use serde_json::json;

use super::store::{Users, existing, names, short};
use crate::args::Global;
use crate::outcome::{Context, Result};
use crate::printer::{Printer, age, size};

/// Names shown of those who use an image.
const SHOWN: usize = 3;

pub(super) async fn run(global: &Global, printer: &Printer) -> Result {
    let store = existing(global)?;
    let held = match &store {
        Some(store) => store.held().or_fail(|| "cannot list the images".to_owned())?,
        None => Vec::new(),
    };
    // Without a running platform the images are listed all the same.
    let users = match &store {
        Some(store) if !held.is_empty() => Users::ask(store, global).await.ok(),
        _ => None,
    };
    let of = |image: &Held| users.as_ref().map(|users| users.of_image(&image.digest));
    if printer.json() {
        let rows: Vec<_> = held
            .iter()
            .flat_map(|image| names(image).into_iter().map(move |name| (image, name)))
            .map(|(image, name)| {
                json!({
                    "image": if image.names.is_empty() { None } else { Some(name) },
                    "digest": image.digest.to_string(),
                    "created": rfc3339(image.made),
                    "size": image.size, "origin": image.origin.map(rouse_image::Origin::word),
                    "usedBy": of(image)
                })
            })
            .collect();
        printer.document(&rows);
        return Ok(());
    }
    if held.is_empty() {
        printer.progress("no images; rouse build DIR --image NAME makes one");
        return Ok(());
    }
    let now = jiff::Timestamp::now().as_second();
    let mut rows = Vec::new();
    for image in &held {
        for name in names(image) {
            rows.push(vec![
                name,
                short(&image.digest),
                size(image.size),
                age(now - image.made.as_second()),
                image.origin.map_or("", rouse_image::Origin::word).to_owned(),
                of(image).map_or_else(|| "?".to_owned(), |users| shown(&users)),
            ]);
        }
    }
    printer.table(&["IMAGE", "DIGEST", "SIZE", "AGE", "FROM", "USED BY"], &rows);
    if let Some(users) = users {
        let used = users.used();
        let unused = held.iter().filter(|image| !used.contains(&image.digest)).count();
        if unused > 0 {
            printer.progress(format!(
                "nothing refers to {unused} of {}; rouse images prune removes them",
                held.len()
            ));
        }
    }
    Ok(())
}

/// `a/one, a/two, +3`; objects of the namespace `default` without it.
fn shown(users: &[String]) -> String {
    let short = |user: &String| user.strip_prefix("default/").unwrap_or(user).to_owned();
    let mut shown: Vec<String> = users.iter().take(SHOWN).map(short).collect();
    if users.len() > SHOWN {
        shown.push(format!("+{}", users.len() - SHOWN));
    }
    shown.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_users_are_named_and_the_rest_counted() {
        let users = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        assert_eq!(shown(&users(&[])), "");
        assert_eq!(shown(&users(&["default/a", "demo/b"])), "a, demo/b");
        assert_eq!(shown(&users(&["x/a", "x/b", "x/c", "x/d", "x/e"])), "x/a, x/b, x/c, +2");
    }
}
