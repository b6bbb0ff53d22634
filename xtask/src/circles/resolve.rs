//! Resolves written paths to the modules that define the named items.

use std::collections::BTreeSet;

use super::tree::{Id, ROOT, Tree};

/// One use: the module of `from`'s file names something that is defined in the module `to`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Use {
    pub(super) from: Id,
    pub(super) to: Id,
    pub(super) line: usize,
}

/// The target of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    /// A module itself. Naming one is not yet a use; taking an item from it is.
    Module(Id),
    /// Something that is defined in this module.
    Item(Id),
}

impl Target {
    fn module(self) -> Id {
        match self {
            Self::Module(id) | Self::Item(id) => id,
        }
    }
}

/// Every use between two files of the crate.
pub(super) fn edges(tree: &Tree) -> Vec<Use> {
    let mut found = Vec::new();
    for (id, module) in tree.modules.iter().enumerate() {
        let mut note = |target: Option<Target>, line: usize| {
            let Some(Target::Item(to)) = target else { return };
            let (from, to) = (module.written_in, tree.modules[to].written_in);
            if from != to {
                found.push(Use { from, to, line });
            }
        };
        for import in &module.contents.imports {
            let target = resolve(tree, id, &import.path.segments, &mut BTreeSet::new());
            if !(import.public && is_own_child(tree, id, target)) {
                note(target, import.path.line);
            }
        }
        for (path, public) in &module.contents.globs {
            let target = resolve(tree, id, &path.segments, &mut BTreeSet::new());
            let target = target.map(|target| Target::Item(target.module()));
            if !(*public && is_own_child(tree, id, target)) {
                note(target, path.line);
            }
        }
        for path in &module.contents.paths {
            // A single name is a use if it was re-exported; other imports are counted already.
            if path.segments.len() > 1 || is_reexported(tree, id, &path.segments) {
                note(resolve(tree, id, &path.segments, &mut BTreeSet::new()), path.line);
            }
        }
    }
    found
}

fn is_own_child(tree: &Tree, id: Id, target: Option<Target>) -> bool {
    target.is_some_and(|target| tree.is_within(target.module(), id))
}

fn is_reexported(tree: &Tree, id: Id, segments: &[String]) -> bool {
    let imports = &tree.modules[id].contents.imports;
    imports.iter().any(|import| import.public && segments.first() == Some(&import.name))
}

/// Modules and names that are being looked up, so that globs in a circle end.
type Seen = BTreeSet<(Id, String)>;

fn resolve(tree: &Tree, from: Id, segments: &[String], seen: &mut Seen) -> Option<Target> {
    let (first, rest) = segments.split_first()?;
    let mut at = match first.as_str() {
        "crate" | "$crate" => Target::Module(ROOT),
        "self" => Target::Module(from),
        "super" => Target::Module(tree.modules[from].parent?),
        name => look_up(tree, from, name, seen)?,
    };
    for segment in rest {
        // After an item come its variants, its functions, its associated types.
        let Target::Module(module) = at else { return Some(at) };
        at = match segment.as_str() {
            "super" => Target::Module(tree.modules[module].parent?),
            "self" => at,
            name => match look_up(tree, module, name, seen) {
                Some(target) => target,
                None => Target::Item(tree.macros.get(name).copied().unwrap_or(module)),
            },
        };
    }
    Some(at)
}

/// What `name` means in a module.
fn look_up(tree: &Tree, module: Id, name: &str, seen: &mut Seen) -> Option<Target> {
    if let Some(child) = tree.modules[module].children.get(name) {
        return Some(Target::Module(*child));
    }
    if tree.defines(module, name) {
        return Some(Target::Item(module));
    }
    if !seen.insert((module, name.to_owned())) {
        return None;
    }
    let contents = &tree.modules[module].contents;
    if let Some(import) = contents.imports.iter().find(|import| import.name == name) {
        return resolve(tree, module, &import.path.segments, seen);
    }
    contents.globs.iter().find_map(|(path, _)| {
        let Target::Module(other) = resolve(tree, module, &path.segments, seen)? else {
            return None;
        };
        look_up(tree, other, name, seen)
    })
}
