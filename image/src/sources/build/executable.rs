//! Images of executables, with the libraries that they link to.

use std::path::{Path, PathBuf};

use super::detect::executables;
use super::layer::{LayerFiles, Source};
use super::recipe::{APP_DIR, Content, Context, Recipe};

use crate::files::libraries::linked_files;
use crate::files::program::shebang;
use crate::formats::config::LABEL_HOST_PROGRAM;
use crate::formats::error::Error;

/// The recipe for an executable file, or a folder with exactly one and the files beside it.
pub(crate) fn recipe(context: &Context<'_>, source: &Path) -> Result<Recipe, Error> {
    if context.base.is_none() && source.is_file() {
        return single(source);
    }
    let mut files = LayerFiles::default();
    let program = if source.is_file() {
        let name = source.file_name().unwrap_or_default();
        files.add_file(Path::new(APP_DIR).join(name), Source::File(source.to_owned()), true);
        source.to_owned()
    } else {
        files.add_tree(Path::new(APP_DIR), context.tree)?;
        let program = executables(source)?
            .into_iter()
            .next()
            .ok_or_else(|| Error::build(source, "its executable is gone"))?;
        // It is often a result of a build, which .gitignore names.
        if !files.contains(in_app(&program)) {
            files.add_file(in_app(&program), Source::File(program.clone()), true);
        }
        program
    };
    let mut recipe = Recipe { entrypoint: vec![in_app(&program)], ..Recipe::default() };
    if context.base.is_none() {
        recipe.layers.extend(libraries(std::slice::from_ref(&program))?);
        note_interpreter(&mut recipe, &program);
    }
    recipe.layers.push(("application".to_owned(), Content::Files(files)));
    Ok(recipe)
}

/// The recipe for a single file: the program above its libraries.
pub(crate) fn single(program: &Path) -> Result<Recipe, Error> {
    let mut recipe = Recipe { entrypoint: vec![in_app(program)], ..Recipe::default() };
    recipe.layers.extend(libraries(&[program.to_owned()])?);
    let mut files = LayerFiles::default();
    files.add_file(in_app(program), Source::File(program.to_owned()), true);
    recipe.layers.push(("application".to_owned(), Content::Files(files)));
    note_interpreter(&mut recipe, program);
    Ok(recipe)
}

fn in_app(program: &Path) -> String {
    format!("{APP_DIR}/{}", program.file_name().unwrap_or_default().to_string_lossy())
}

/// Labels a script's image with the host's interpreter, which is not packed.
fn note_interpreter(recipe: &mut Recipe, program: &Path) {
    if let Some((interpreter, argument)) = shebang(program) {
        let name = if interpreter.ends_with("/env") {
            argument.unwrap_or(interpreter)
        } else {
            interpreter
        };
        let name = name.rsplit('/').next().unwrap_or_default().to_owned();
        recipe.labels.insert(LABEL_HOST_PROGRAM.to_owned(), name);
    }
}

/// The layer with the loaders and libraries of `programs`, at the paths that they have here; none
/// if all are static. A library outside the folders that every loader searches is put beside libc,
/// which is in one by definition. The layer also has `/tmp`, as there is no base.
pub(crate) fn libraries(programs: &[PathBuf]) -> Result<Option<(String, Content)>, Error> {
    let mut linked = Vec::new();
    for program in programs {
        linked.extend(linked_files(program)?);
    }
    let is_libc = |path: &&PathBuf| {
        path.file_name().is_some_and(|name| {
            name == "libc.so.6" || name.to_string_lossy().starts_with("libc.musl")
        })
    };
    let searched = linked.iter().find(is_libc).and_then(|libc| libc.parent()).map(Path::to_owned);
    let mut files = LayerFiles::default();
    files.add_dir("/tmp", 0o1777);
    for path in &linked {
        files.add_file(path, Source::File(path.clone()), true);
        let (Some(dir), Some(name)) = (&searched, path.file_name()) else { continue };
        let beside = dir.join(name);
        let is_loader = name.to_string_lossy().starts_with("ld-");
        if !is_loader && !linked.contains(&beside) && !files.contains(&beside) {
            files.add_file(beside, Source::File(path.clone()), true);
        }
    }
    Ok((!linked.is_empty()).then(|| ("libraries".to_owned(), Content::Files(files))))
}
