//! The crates' dependencies on one another, checked against the table in the design.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use cargo_metadata::{DependencyKind, MetadataCommand, Package};

/// Which of the workspace's crates each crate may use, both by folder. A new edge is a change of the design, and so
/// of this table.
const MAY_USE: &[(&str, &[&str])] = &[
    ("k8s", &[]),
    ("api", &["k8s"]),
    ("kit", &["k8s"]),
    ("image", &[]),
    ("controller", &["api", "k8s", "kit", "image"]),
    ("autoscaler", &["api", "k8s", "kit"]),
    ("activator", &["api", "k8s", "kit"]),
    ("cluster/store", &["k8s"]),
    ("cluster/schema", &["k8s"]),
    ("cluster/apiserver", &["cluster/store", "cluster/schema", "k8s", "kit"]),
    ("cluster/controllers", &["cluster/apiserver", "cluster/schema", "k8s", "kit"]),
    ("node", &["k8s", "kit", "image"]),
    ("cli", &[ANY]),
];

/// Any crate: for the one that composes them all.
const ANY: &str = "*";

/// Foreign crates that a crate must not use: folder, forbidden dependencies.
const FORBIDDEN: &[(&str, &[&str])] = &[
    ("k8s", &["tokio", "futures", "hyper", "http", "kube", "rustix"]),
    ("api", &["tokio", "futures", "hyper", "http", "rustix"]),
    ("image", &["kube", "k8s-openapi"]),
    ("cluster/store", &["hyper", "http", "kube", "k8s-openapi"]),
    ("cluster/schema", &["tokio", "futures", "hyper", "redb", "rustix"]),
];

/// Folders whose crates are not part of the product, and may use all of it.
const NOT_PRODUCT: &[&str] = &["tests", "xtask", "examples/"];

/// The workspace's crates by folder, each with the folders and the foreign crates that it uses.
type Uses = BTreeMap<String, BTreeSet<String>>;

/// Edges that the table does not have.
pub fn check() -> Result<Vec<String>> {
    let root = crate::root();
    let metadata =
        MetadataCommand::new().no_deps().other_options(vec!["--offline".to_owned()]).exec()?;
    let folder = |package: &Package| {
        let manifest = package.manifest_path.as_std_path().parent();
        let folder = manifest.and_then(|m| m.strip_prefix(&root).ok());
        folder.map(|f| f.display().to_string()).unwrap_or_default()
    };
    let folders: BTreeMap<String, String> =
        metadata.workspace_packages().iter().map(|p| (p.name.to_string(), folder(p))).collect();
    let mut uses = Uses::new();
    for package in metadata.workspace_packages() {
        let normal = package.dependencies.iter().filter(|d| d.kind == DependencyKind::Normal);
        let named = normal.map(|d| folders.get(&d.name).unwrap_or(&d.name).clone());
        uses.insert(folder(package), named.collect());
    }
    Ok(problems(&uses))
}

fn problems(uses: &Uses) -> Vec<String> {
    let table: BTreeMap<&str, &[&str]> = MAY_USE.iter().copied().collect();
    let mut found = Vec::new();
    for name in table.keys().filter(|name| !uses.contains_key(**name)) {
        found.push(format!("{name}: the table of edges has it and the workspace does not"));
    }
    for (name, dependencies) in uses {
        if NOT_PRODUCT.iter().any(|beside| name.starts_with(beside)) {
            continue;
        }
        let Some(allowed) = table.get(name.as_str()) else {
            found.push(format!("{name}: the workspace has it and the table of edges does not"));
            continue;
        };
        let ours = dependencies.iter().filter(|d| uses.contains_key(*d));
        for dependency in ours.filter(|d| !allowed.contains(&ANY) && !allowed.contains(&d.as_str()))
        {
            found.push(format!("{name} may not use {dependency}: the design has no such edge"));
        }
        for (_, forbidden) in FORBIDDEN.iter().filter(|(crate_name, _)| crate_name == name) {
            for dependency in forbidden.iter().filter(|d| dependencies.contains(**d)) {
                found.push(format!("{name} must be free of {dependency}"));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{BTreeSet, MAY_USE, Uses, check, problems};

    /// A workspace of the crates of the table, some of which use others.
    fn workspace(edges: &[(&str, &str)]) -> Uses {
        let mut uses: Uses =
            MAY_USE.iter().map(|(name, _)| ((*name).to_owned(), BTreeSet::new())).collect();
        uses.insert("tests".to_owned(), BTreeSet::from(["cli".to_owned(), "node".to_owned()]));
        for (from, to) in edges {
            uses.entry((*from).to_owned()).or_default().insert((*to).to_owned());
        }
        uses
    }

    #[test]
    fn the_workspace_has_only_the_edges_of_the_design() {
        assert_eq!(check().expect("cargo metadata answers"), Vec::<String>::new());
    }

    #[test]
    fn edges_of_the_table_and_foreign_crates_are_allowed() {
        let uses = workspace(&[
            ("controller", "api"),
            ("cluster/apiserver", "cluster/store"),
            ("cli", "node"),
            ("kit", "tokio"),
        ]);
        assert_eq!(problems(&uses), Vec::<String>::new());
    }

    #[test]
    fn an_edge_that_the_design_lacks_is_named() {
        let cases = [
            (("node", "api"), "node may not use api: the design has no such edge"),
            (
                ("cluster/store", "kit"),
                "cluster/store may not use kit: the design has no such edge",
            ),
            (("image", "kube"), "image must be free of kube"),
            (("store", "k8s"), "store: the workspace has it and the table of edges does not"),
        ];
        for (edge, told) in cases {
            assert_eq!(problems(&workspace(&[edge])), [told]);
        }
        let mut uses = workspace(&[]);
        uses.remove("kit");
        assert_eq!(problems(&uses), ["kit: the table of edges has it and the workspace does not"]);
    }
}
