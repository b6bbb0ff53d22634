//! The table of types: facts about Kubernetes' API types, taken from their published Go sources.
//!
//! The sources carry everything in one place: JSON names and protobuf numbers in struct tags, pointers in the types,
//! and list, map, default and patch semantics in `+` markers. Comments are read for markers alone; no prose is kept.

mod build;
mod golang;
mod table;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

pub use table::{Field, Table, TypeRow};

/// Where each package's sources stand under the folder, its name in the table, and its name in OpenAPI.
const PACKAGES: [(&str, &str, &str); 10] = [
    ("k8s.io/api/core/v1", "core.v1", "io.k8s.api.core.v1"),
    ("k8s.io/api/apps/v1", "apps.v1", "io.k8s.api.apps.v1"),
    ("k8s.io/api/autoscaling/v1", "autoscaling.v1", "io.k8s.api.autoscaling.v1"),
    ("k8s.io/api/authentication/v1", "authentication.v1", "io.k8s.api.authentication.v1"),
    ("k8s.io/api/authorization/v1", "authorization.v1", "io.k8s.api.authorization.v1"),
    ("k8s.io/api/coordination/v1", "coordination.v1", "io.k8s.api.coordination.v1"),
    ("k8s.io/api/discovery/v1", "discovery.v1", "io.k8s.api.discovery.v1"),
    ("k8s.io/api/events/v1", "events.v1", "io.k8s.api.events.v1"),
    (
        "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1",
        "apiextensions.v1",
        "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1",
    ),
    ("k8s.io/apimachinery/pkg/apis/meta/v1", "meta.v1", "io.k8s.apimachinery.pkg.apis.meta.v1"),
];

/// Types that are served without being a resource of their own.
const MORE_ROOTS: [&str; 3] = ["autoscaling.v1.Scale", "meta.v1.Status", "meta.v1.DeleteOptions"];

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
