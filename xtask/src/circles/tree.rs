//! A crate as a tree of modules, each with the names that it defines, imports and uses.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::read::{self, Contents};
use crate::syntax;

/// An index of [`Tree::modules`].
pub(super) type Id = usize;

/// The root of the crate.
pub(super) const ROOT: Id = 0;

pub(super) struct Module {
    pub(super) parent: Option<Id>,
    pub(super) name: String,
    pub(super) children: BTreeMap<String, Id>,
    /// The module whose file this one is written in: itself, unless it is inline.
    pub(super) written_in: Id,
    /// The path from the root of the workspace.
    pub(super) file: String,
    pub(super) contents: Contents,
}

pub(super) struct Tree {
    pub(super) modules: Vec<Module>,
    /// Names by which macros are called from anywhere, and where each is defined.
    pub(super) macros: BTreeMap<String, Id>,
    folder: String,
}

impl Tree {
    /// Reads the crate whose root is `file`.
    pub(super) fn read(workspace: &Path, file: &Path, name: &str) -> Result<Self> {
        let folder = file.parent().context("a source file stands in a folder")?;
        let mut tree = Self {
            modules: Vec::new(),
            macros: BTreeMap::new(),
            folder: relative(workspace, folder),
        };
        let stem = file.file_stem().map_or_else(|| name.into(), |s| s.to_string_lossy());
        tree.read_file(workspace, file, None, &stem, folder)?;
        Ok(tree)
    }

    /// The folder of the crate's source, from the root of the workspace.
    pub(super) fn folder(&self) -> String {
        self.folder.clone()
    }

    /// Modules that have a file of their own.
    pub(super) fn files(&self) -> usize {
        self.modules.iter().enumerate().filter(|(id, m)| m.written_in == *id).count()
    }

    /// The modules from the root down to `id`, both included.
    pub(super) fn line(&self, id: Id) -> Vec<Id> {
        let mut line = vec![id];
        let mut at = id;
        while let Some(parent) = self.modules[at].parent {
            line.push(parent);
            at = parent;
        }
        line.reverse();
        line
    }

    /// The folder in which the children of `id` stand.
    pub(super) fn folder_of(&self, id: Id) -> String {
        let names = self.line(id).into_iter().skip(1).map(|id| self.modules[id].name.as_str());
        std::iter::once(self.folder.as_str()).chain(names).collect::<Vec<_>>().join("/")
    }

    fn read_file(
        &mut self,
        workspace: &Path,
        file: &Path,
        parent: Option<Id>,
        name: &str,
        below: &Path,
    ) -> Result<Id> {
        let shown = relative(workspace, file);
        let text = fs::read_to_string(file).with_context(|| shown.clone())?;
        let parsed = syn::parse_file(&text).with_context(|| shown.clone())?;
        let place = Place { workspace, file, shown: &shown };
        self.add(&place, parent, None, name, &parsed.items, below)
    }

    fn add(
        &mut self,
        place: &Place<'_>,
        parent: Option<Id>,
        written_in: Option<Id>,
        name: &str,
        items: &[syn::Item],
        below: &Path,
    ) -> Result<Id> {
        let id = self.modules.len();
        self.modules.push(Module {
            parent,
            name: name.to_owned(),
            children: BTreeMap::new(),
            written_in: written_in.unwrap_or(id),
            file: place.shown.to_owned(),
            contents: read::contents(items),
        });
        for defined in self.modules[id].contents.macros.clone() {
            self.macros.insert(defined, id);
        }
        for item in items {
            let syn::Item::Mod(module) = item else { continue };
            if syntax::only_for_tests(&module.attrs) {
                continue;
            }
            let child = module.ident.to_string();
            let child_id = match &module.content {
                Some((_, items)) => {
                    let written_in = self.modules[id].written_in;
                    self.add(place, Some(id), Some(written_in), &child, items, &below.join(&child))?
                }
                None => {
                    let file = place.file_of(module, below, &child)?;
                    self.read_file(place.workspace, &file, Some(id), &child, &below.join(&child))?
                }
            };
            self.modules[id].children.insert(child, child_id);
        }
        Ok(id)
    }

    /// Whether `below` is somewhere under `above`.
    pub(super) fn is_within(&self, below: Id, above: Id) -> bool {
        below != above && self.line(below).contains(&above)
    }

    /// The name of a folder's own module in reports.
    pub(super) fn own_name(&self, id: Id) -> String {
        if id == ROOT { self.modules[ROOT].name.clone() } else { "mod".to_owned() }
    }

    /// Whether the module itself defines `name`.
    pub(super) fn defines(&self, id: Id, name: &str) -> bool {
        let items: &BTreeSet<String> = &self.modules[id].contents.items;
        items.contains(name)
    }
}

/// Where a module is read from.
struct Place<'a> {
    workspace: &'a Path,
    file: &'a Path,
    shown: &'a str,
}

impl Place<'_> {
    /// The file of `mod child;`, which is declared here and stands in `below` unless an attribute says otherwise.
    fn file_of(&self, module: &syn::ItemMod, below: &Path, child: &str) -> Result<PathBuf> {
        if let Some(path) = syntax::path_attribute(&module.attrs) {
            let folder = self.file.parent().context("a source file stands in a folder")?;
            return Ok(folder.join(path));
        }
        let flat = below.join(format!("{child}.rs"));
        Ok(if flat.is_file() { flat } else { below.join(child).join("mod.rs") })
    }
}

fn relative(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).display().to_string()
}
