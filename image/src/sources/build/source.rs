//! Entry points of builds: [`Store::build`] and [`Store::pack_program`].

use std::path::Path;

use super::assemble::Built;
use super::detect::{self, Kind};
use super::layer::LayerFiles;
use super::recipe::{BuildOptions, Content, Context};
use super::tree::Tree;
use super::{executable, procfile, python};
use crate::formats::error::Error;
use crate::formats::reference::Reference;
use crate::progress::{Progress, ProgressFn, silent};
use crate::store::Store;

impl Store {
    /// Builds an image from a folder or an executable and gives it the name in `options`.
    pub async fn build(
        &self,
        source: &Path,
        options: BuildOptions,
        progress: &ProgressFn,
    ) -> Result<Built, Error> {
        let base = match &options.base {
            Some(reference) => Some(self.ensure(reference, progress).await?),
            None => None,
        };
        let (store, source, progress) = (self.clone(), source.to_owned(), progress.clone());
        let work = move || {
            let source = std::fs::canonicalize(&source).map_err(Error::io("open", &source))?;
            let kind = detect::kind(&source)?;
            let tree = if source.is_dir() { Tree::of_source(&source)? } else { Tree::default() };
            if let Some(told) = tree.told() {
                progress(Progress::Step(told));
            }
            let context = Context {
                store: &store,
                base: base.as_ref(),
                options: &options,
                progress: &progress,
                tree: &tree,
            };
            let (kind, recipe) = match kind {
                Kind::Procfile => (kind, procfile::recipe(&context, &source)?),
                Kind::Executable => (kind, executable::recipe(&context, &source)?),
                Kind::PythonFunction | Kind::PythonApp => python::recipe(&context, &source)?,
            };
            store.assemble(&options.reference, base.as_ref(), kind, recipe, &progress)
        };
        #[expect(clippy::disallowed_methods, reason = "awaited here")]
        let work = tokio::task::spawn_blocking(work);
        work.await.expect("a build neither panics nor is cancelled")
    }

    /// Makes an image of a program of this machine and its libraries, with `files` in a layer of
    /// their own above it under `/app`; `args` follow the program. Blocks.
    pub fn pack_program(
        &self,
        reference: &Reference,
        program: &Path,
        args: &[String],
        files: LayerFiles,
    ) -> Result<Built, Error> {
        let mut recipe = executable::single(program)?;
        recipe.entrypoint.extend_from_slice(args);
        recipe.layers.push(("files".to_owned(), Content::Files(files)));
        self.assemble(reference, None, Kind::Executable, recipe, &silent())
    }
}
