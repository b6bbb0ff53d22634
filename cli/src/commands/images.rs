//! `rouse images`: the images of the local store.

use super::build;
use crate::args::Global;
use crate::outcome::{Context, Result};
use crate::printer::Printer;

pub(crate) fn run(global: &Global, printer: &Printer) -> Result {
    let dir = build::store_dir(global)?;
    // Listing makes no store.
    let listed = if dir.exists() {
        build::open(dir)?.list().or_fail(|| "cannot list the images".to_owned())?
    } else {
        Vec::new()
    };
    if printer.json() {
        let rows: Vec<_> = listed
            .iter()
            .map(|i| serde_json::json!({ "image": i.familiar(), "digest": i.digest.to_string(), "created": i.created, "size": i.size }))
            .collect();
        printer.document(&rows);
        return Ok(());
    }
    if listed.is_empty() {
        printer.progress("no images; rouse build DIR --image NAME makes one");
        return Ok(());
    }
    let rows: Vec<Vec<String>> = listed
        .iter()
        .map(|i| {
            let digest: String = i.digest.to_string().chars().take(19).collect();
            #[expect(clippy::cast_precision_loss, reason = "for people")]
            let size = format!("{:.1} MiB", i.size as f64 / f64::from(1 << 20));
            vec![i.familiar().to_owned(), digest, size, i.created.clone()]
        })
        .collect();
    printer.table(&["IMAGE", "DIGEST", "SIZE", "CREATED"], &rows);
    Ok(())
}
