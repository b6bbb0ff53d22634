//! The table of types: facts about Kubernetes' API types, taken from their published Go sources.
//!
//! The sources carry everything in one place: JSON names and protobuf numbers in struct tags, pointers in the types,
//! and list, map, default and patch semantics in `+` markers. Comments are read for markers alone; no prose is kept.

mod build;
mod golang;
mod packages;
mod table;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use self::packages::PACKAGES;
pub use self::table::{Field, Table, TypeRow};

/// Types that are served without being a resource of their own.
const MORE_ROOTS: [&str; 5] = [
    "authentication.v1.TokenRequest",
    "autoscaling.v1.Scale",
    "core.v1.Binding",
    "meta.v1.Status",
    "meta.v1.DeleteOptions",
];

/// Writes `cluster/schema/kinds/types.json` from the sources under `directory`.
pub fn generate(directory: &Path) -> Result<()> {
    let mut sources = golang::Sources::default();
    for (path, name, _) in PACKAGES {
        read_package(&mut sources, &directory.join(path), path, name)?;
    }
    let kinds = crate::root().join("cluster/schema/kinds");
    let table = build::table(&sources, &roots(&kinds.join("resources.json"))?, &PACKAGES)?;
    let target = kinds.join("types.json");
    fs::write(&target, table.to_text()?).with_context(|| format!("write {}", target.display()))
}

/// The committed table.
pub fn read() -> Result<Table> {
    let path = crate::root().join("cluster/schema/kinds/types.json");
    let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    Table::from_text(&text)
}

fn read_package(
    sources: &mut golang::Sources,
    folder: &Path,
    path: &str,
    name: &str,
) -> Result<()> {
    let entries = fs::read_dir(folder).with_context(|| {
        format!("{}: give the folder that holds {path}, such as a vendor folder", folder.display())
    })?;
    let mut files: Vec<_> =
        entries.collect::<std::io::Result<Vec<_>>>()?.into_iter().map(|e| e.path()).collect();
    files.sort();
    for file in files {
        let named = file.file_name().and_then(|n| n.to_str()).unwrap_or_default().to_owned();
        if named.starts_with("types") && named.ends_with(".go") && !named.contains("swagger") {
            sources.add(name, &fs::read_to_string(&file)?);
        }
    }
    Ok(())
}

fn roots(resources: &Path) -> Result<Vec<String>> {
    let rows: Vec<Value> = serde_json::from_slice(&fs::read(resources)?)?;
    let served = rows.iter().filter_map(|row| row["type"].as_str().map(str::to_owned));
    Ok(served.chain(MORE_ROOTS.map(str::to_owned)).collect())
}
