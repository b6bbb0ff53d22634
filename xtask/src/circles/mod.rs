//! Modules of a crate that use one another in a circle.
//!
//! The unit is the file. At each level, the files and folders of one folder and the folder's own `mod.rs` (at the
//! root: `lib.rs` or `main.rs`) are held against one another, so that a circle is reported where it can be cut:
//! between two files of a folder, or between two folders. A `mod.rs` that declares its children and re-exports them
//! does not use them by that. Code under `#[cfg(test)]` and doc comments do not count.

mod graph;
mod known;
mod read;
mod resolve;
#[cfg(test)]
mod tests;
mod tree;

use std::collections::BTreeMap;
use std::fmt;

use anyhow::Result;
use cargo_metadata::{MetadataCommand, TargetKind};

use self::graph::{Edge, Graph};
use self::known::KNOWN;
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

/// What was found in one library or binary.
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

/// Circles that are not known, and known ones that are gone.
pub fn check() -> Result<Vec<String>> {
    let circles: Vec<Circle> = survey()?.into_iter().flat_map(|r| r.circles).collect();
    Ok(problems(&circles, KNOWN))
}

fn problems(circles: &[Circle], known: &[(&str, &str)]) -> Vec<String> {
    let mut listed: BTreeMap<(String, String), bool> =
        known.iter().map(|(f, m)| (((*f).to_owned(), (*m).to_owned()), false)).collect();
    let mut found = Vec::new();
    for circle in circles {
        match listed.get_mut(&(circle.folder.clone(), circle.members.join(" "))) {
            Some(seen) => *seen = true,
            None => found.push(circle.to_string()),
        }
    }
    for ((folder, members), _) in listed.iter().filter(|(_, seen)| !**seen) {
        found.push(format!(
            "{folder}: no circle of exactly {members} any more: take the line out of circles/known.rs"
        ));
    }
    found
}

/// A table of the whole workspace, and each circle with an example.
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
    for circle in reports.iter().flat_map(|r| &r.circles) {
        write!(out, "\n{circle}")?;
    }
    Ok(out)
}
