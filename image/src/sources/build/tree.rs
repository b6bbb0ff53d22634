//! The files of a folder that go into a layer, and those that stay out: one walk, which everything about a source reads.

use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};

use super::ignored::{Ignored, RULES};
use crate::formats::error::Error;

/// Never part of a source: history, caches, and environments made for another path.
const SKIPPED: &[&str] = &[".git", "__pycache__", ".venv", ".DS_Store"];
/// The file by which a virtual environment is known.
const ENVIRONMENT: &str = "pyvenv.cfg";
/// Paths that are told by name.
const NAMED: usize = 5;

/// A folder after the walk.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    pub(crate) packed: Vec<Found>,
    left_out: Vec<LeftOut>,
}

/// A file, link or folder that is packed.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) path: PathBuf,
    /// Below the folder.
    pub(crate) relative: PathBuf,
    /// Of itself, not of what it links to.
    pub(crate) metadata: Metadata,
}

#[derive(Debug)]
struct LeftOut {
    relative: PathBuf,
    is_dir: bool,
    /// The file with the rule.
    by: &'static str,
}

impl Tree {
    /// A source, without what its own rules leave out, [`SKIPPED`] names and virtual environments.
    pub(crate) fn of_source(dir: &Path) -> Result<Self, Error> {
        Self::walked(dir, Some(&Ignored::of(dir)?))
    }

    /// All files of a folder but virtual environments.
    pub(crate) fn whole(dir: &Path) -> Result<Self, Error> {
        Self::walked(dir, None)
    }

    fn walked(root: &Path, ignored: Option<&Ignored>) -> Result<Self, Error> {
        let mut tree = Self::default();
        let mut dirs = vec![root.to_owned()];
        while let Some(dir) = dirs.pop() {
            for entry in fs::read_dir(&dir).map_err(Error::io("read", &dir))? {
                let entry = entry.map_err(Error::io("read", &dir))?;
                let (name, path) = (entry.file_name(), entry.path());
                let skipped = ignored.is_some() && SKIPPED.iter().any(|skipped| name == *skipped);
                if skipped || path.join(ENVIRONMENT).exists() {
                    continue;
                }
                let metadata = fs::symlink_metadata(&path).map_err(Error::io("read", &path))?;
                let is_dir = metadata.is_dir();
                let by = ignored.and_then(|rules| Some((rules, rules.by(&path, is_dir)?)));
                let pruned = by.is_some_and(|(rules, by)| rules.prunes(by));
                if is_dir && !pruned {
                    dirs.push(path.clone());
                }
                let relative = path.strip_prefix(root).unwrap_or(&path).to_owned();
                match by {
                    None => tree.packed.push(Found { path, relative, metadata }),
                    // Something in a folder may stay in.
                    Some(_) if is_dir && !pruned => {}
                    Some((_, by)) => tree.left_out.push(LeftOut { relative, is_dir, by }),
                }
            }
        }
        Ok(tree)
    }

    /// The file whose rule keeps a path below the folder out.
    pub(crate) fn left_out_by(&self, relative: &Path) -> Option<&'static str> {
        let out = self.left_out.iter().find(|out| relative.starts_with(&out.relative));
        out.map(|out| out.by)
    }

    /// A line that says what stays out, if anything does. The files of the rules are no news.
    pub(crate) fn told(&self) -> Option<String> {
        let is_news = |out: &&LeftOut| !RULES.iter().any(|name| out.relative == Path::new(name));
        let (mut files, mut names) = (Vec::new(), Vec::new());
        for LeftOut { relative, is_dir, by } in self.left_out.iter().filter(is_news) {
            if !files.contains(by) {
                files.push(*by);
            }
            names.push(format!("{}{}", relative.display(), if *is_dir { "/" } else { "" }));
        }
        if names.is_empty() {
            return None;
        }
        names.sort();
        let named = names[..names.len().min(NAMED)].join(", ");
        let more = match names.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        Some(format!("left out by {}: {named}{more}", files.join(" and ")))
    }
}

#[cfg(test)]
mod tests;
