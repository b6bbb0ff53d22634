//! The crates' dependencies on one another, held against the table in the design.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use cargo_metadata::{DependencyKind, MetadataCommand};

/// Which of our crates each crate may use. A new edge is a change of the design, and so of this table.
const MAY_USE: [(&str, &[&str]); 13] = [
    ("k8s", &[]),
    ("api", &["k8s"]),
    ("kit", &["k8s"]),
    ("image", &[]),
    ("controller", &["api", "k8s", "kit", "image"]),
    ("autoscaler", &["api", "k8s", "kit"]),
    ("activator", &["api", "k8s", "kit"]),
    ("store", &[]),
    ("schema", &["k8s"]),
    ("apiserver", &["store", "schema", "k8s", "kit"]),
    ("controllers", &["apiserver", "schema", "k8s", "kit"]),
    ("node", &["k8s", "kit", "image"]),
    (
        "cli",
        &[
            "api",
            "k8s",
            "kit",
            "image",
            "controller",
            "autoscaler",
            "activator",
            "apiserver",
            "controllers",
            "node",
            "digits",
        ],
    ),
];

/// Crates that are free of what would make them more than they are: crate, forbidden dependency.
const FREE_OF: [(&str, &[&str]); 7] = [
    ("k8s", &["kube", "rouse-api", "tokio"]),
    ("api", &["tokio", "hyper", "reqwest", "kube-runtime"]),
    ("image", &["kube", "k8s-openapi"]),
    ("store", &["rouse-api", "kube", "k8s-openapi", "hyper"]),
    ("schema", &["rouse-api", "tokio", "futures"]),
    ("apiserver", &["rouse-api"]),
    ("controllers", &["rouse-api"]),
];

/// Edges that the table does not have.
pub fn check() -> Result<Vec<String>> {
    let metadata =
        MetadataCommand::new().no_deps().other_options(vec!["--offline".to_owned()]).exec()?;
    let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in metadata.workspace_packages() {
        let normal = package.dependencies.iter().filter(|d| d.kind == DependencyKind::Normal);
        uses.insert(package.name.to_string(), normal.map(|d| d.name.clone()).collect());
    }
    Ok(problems(&uses))
}

fn problems(uses: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let mut found = Vec::new();
    for (name, allowed) in MAY_USE {
        // The one binary has the project's own name.
        let package = if name == "cli" { "rouse".to_owned() } else { format!("rouse-{name}") };
        let Some(dependencies) = uses.get(&package) else {
            found.push(format!(
                "{package}: no such crate in the workspace; is the table of edges out of date?"
            ));
            continue;
        };
        for dependency in dependencies.iter().filter_map(|d| d.strip_prefix("rouse-")) {
            if !allowed.contains(&dependency) {
                found.push(format!("{name} may not use {dependency}: the design has no such edge"));
            }
        }
        for (_, forbidden) in FREE_OF.iter().filter(|(crate_name, _)| *crate_name == name) {
            for dependency in forbidden.iter().filter(|d| dependencies.contains(**d)) {
                found.push(format!("{name} must be free of {dependency}"));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{BTreeMap, BTreeSet, check, problems};

    #[test]
    fn the_workspace_has_only_the_edges_of_the_design() {
        assert_eq!(check().expect("cargo metadata answers"), Vec::<String>::new());
    }

    #[test]
    fn an_edge_that_the_design_lacks_is_named() {
        let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for name in [
            "rouse-k8s",
            "rouse-api",
            "rouse-kit",
            "rouse-image",
            "rouse-controller",
            "rouse-autoscaler",
            "rouse-activator",
            "rouse-store",
            "rouse-schema",
            "rouse-apiserver",
            "rouse-controllers",
            "rouse-node",
            "rouse",
        ] {
            uses.insert(name.to_owned(), BTreeSet::new());
        }
        assert_eq!(problems(&uses), Vec::<String>::new());
        uses.insert("rouse-apiserver".to_owned(), BTreeSet::from(["rouse-api".to_owned()]));
        assert_eq!(
            problems(&uses),
            [
                "apiserver may not use api: the design has no such edge",
                "apiserver must be free of rouse-api"
            ]
        );
    }
}
