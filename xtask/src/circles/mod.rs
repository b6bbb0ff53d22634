//! Modules of a crate that use one another in a circle.
//!
//! The unit is the file. The files and folders of one folder and the folder's own `mod.rs` (at the root: `lib.rs` or
//! `main.rs`) are one graph, so that a circle is reported where it can be cut: between two files of a folder, or
//! between two folders. A `mod.rs` that declares its children and re-exports them does not thereby use them. Code
//! under `#[cfg(test)]` and doc comments do not count.

mod graph;
mod read;
mod resolve;
#[cfg(test)]
mod tests;
mod tree;

use std::fmt;

use anyhow::Result;
use cargo_metadata::{MetadataCommand, TargetKind};

use self::graph::{Edge, Graph};
use self::tree::Tree;

/// Modules of one folder that use one another in a circle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Circle {
    /// The folder, from the root of the workspace: `node/src/pod`.
    pub folder: String,
    /// Names in the folder, sorted. The folder's own `mod.rs` is `mod`, and the root of a crate `lib` or `main`.
    pub members: Vec<String>,
    /// The shortest way around: each edge with the place of one use.
    pub example: Vec<Edge>,
}

impl fmt::Display for Circle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: circle of {}", self.folder, self.members.join(", "))?;
        for edge in &self.example {
            write!(f, "\n    {edge}")?;
        }
        Ok(())
    }
}

/// The graph and the circles of one library or binary.
pub struct Report {
    /// The folder of its source, from the root of the workspace.
    pub folder: String,
    pub modules: usize,
    pub edges: usize,
    /// The modules at the root, each after those that it uses, as far as there is no circle.
    pub layers: Vec<String>,
    pub circles: Vec<Circle>,
}

/// Reads every library and binary of the workspace.
pub fn survey() -> Result<Vec<Report>> {
    let root = crate::root();
    let metadata =
        MetadataCommand::new().no_deps().other_options(vec!["--offline".to_owned()]).exec()?;
    let mut reports = Vec::new();
    for package in metadata.workspace_packages() {
        for target in &package.targets {
            if target.kind.contains(&TargetKind::Lib) || target.kind.contains(&TargetKind::Bin) {
                let tree = Tree::read(&root, target.src_path.as_std_path(), &target.name)?;
                reports.push(report(&tree));
            }
        }
    }
    reports.sort_by(|a, b| a.folder.cmp(&b.folder));
    Ok(reports)
}

fn report(tree: &Tree) -> Report {
    let edges = resolve::edges(tree);
    let levels = graph::levels(tree, &edges);
    let mut circles = Vec::new();
    for (folder, graph) in &levels {
        circles.extend(graph.circles().into_iter().map(|(members, example)| Circle {
            folder: folder.clone(),
            members,
            example,
        }));
    }
    Report {
        folder: tree.folder(),
        modules: tree.files(),
        edges: levels.values().map(Graph::edges).sum(),
        layers: levels.get(&tree.folder()).map(Graph::layers).unwrap_or_default(),
        circles,
    }
}

/// Every circle of the workspace.
pub fn check() -> Result<Vec<String>> {
    let circles = survey()?.into_iter().flat_map(|report| report.circles);
    Ok(circles.map(|circle| circle.to_string()).collect())
}

/// A table of the whole workspace: its libraries and binaries, each with its layers.
pub fn table() -> Result<String> {
    use fmt::Write as _;
    let reports = survey()?;
    let mut out = String::new();
    writeln!(out, "{:<24} {:>7} {:>5} {:>7}  layers", "source", "modules", "edges", "circles")?;
    for report in &reports {
        let layers = report.layers.iter().rev().cloned().collect::<Vec<_>>().join(" > ");
        writeln!(
            out,
            "{:<24} {:>7} {:>5} {:>7}  {layers}",
            report.folder,
            report.modules,
            report.edges,
            report.circles.len()
        )?;
    }
    Ok(out)
}
