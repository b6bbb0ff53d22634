//! From a folder or an executable to an image in the store.
//!
//! What the source is decides how it is built (`detect`); that yields a [`Recipe`]: layers by their
//! files, and a configuration. [`Store::assemble`] turns a recipe into an image, unpacked and named.

mod detect;
pub(crate) mod elf;
mod executable;
mod layer;
mod procfile;
mod python;

use std::collections::BTreeMap;
use std::path::Path;

use crate::config::{
    CONFIG, Descriptor, Image, ImageConfig, MANIFEST, Manifest, RootFs, RunConfig,
    host_architecture,
};
use crate::digest::Digest;
use crate::error::Error;
use crate::reference::Reference;
use crate::store::{Origin, Store};
use crate::{Progress, ProgressFn, unpack};

pub use detect::Kind;
pub use layer::{LayerFiles, Source};

/// What to build and what to call it.
#[derive(Clone, Debug)]
pub struct BuildOptions {
    pub reference: Reference,
    /// The image to build upon; its entrypoint is replaced.
    pub base: Option<Reference>,
    /// The Python function to serve, as gcloud's `--entry-point` and `GOOGLE_FUNCTION_TARGET`.
    pub function: Option<String>,
}

impl BuildOptions {
    /// For `image` (with or without a tag of its own) and an extra `tag`, which wins.
    pub fn new(image: &str, tag: Option<&str>) -> Result<Self, Error> {
        let mut reference: Reference = image.parse()?;
        if reference.digest().is_some() {
            let reason = "an image that is built has no digest yet; give a tag".to_owned();
            return Err(Error::InvalidReference { reference: image.to_owned(), reason });
        }
        if let Some(tag) = tag {
            reference = format!("{}:{tag}", reference.name()).parse()?;
        }
        Ok(Self { reference, base: None, function: None })
    }
}

/// What came of a build.
#[derive(Clone, Debug)]
pub struct Built {
    pub reference: Reference,
    pub digest: Digest,
    pub kind: Kind,
    /// From the bottom up, without those of the base.
    pub layers: Vec<BuiltLayer>,
    /// The program of this machine that the image runs; Docker refuses such an image.
    pub needs_host: Option<String>,
}

/// One layer of a build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuiltLayer {
    /// What is in it, for people: "dependencies".
    pub what: String,
    pub digest: Digest,
    pub size: u64,
    /// It was in the store before.
    pub reused: bool,
}

/// An image to be: what is in it and how it starts.
#[derive(Clone, Debug, Default)]
pub struct Recipe {
    /// From the bottom up: what is in it, and its files.
    pub layers: Vec<(String, Content)>,
    pub entrypoint: Vec<String>,
    pub env: Vec<(String, String)>,
    pub labels: BTreeMap<String, String>,
    /// `/app` unless given.
    pub working_dir: Option<String>,
}

/// A layer's content: files to pack, or a layer that the store has.
#[derive(Clone, Debug)]
pub enum Content {
    Files(LayerFiles),
    Stored { digest: Digest, size: u64, reused: bool },
}

/// Where a source's files are in its image.
pub const APP_DIR: &str = "/app";

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
            let context = Context {
                store: &store,
                base: base.as_ref(),
                options: &options,
                progress: &progress,
            };
            let recipe = match kind {
                Kind::Procfile => procfile::recipe(&context, &source)?,
                Kind::Executable => executable::recipe(&context, &source)?,
                Kind::PythonFunction => python::recipe(&context, &source)?,
            };
            store.assemble(&options.reference, base.as_ref(), kind, recipe, &progress)
        };
        tokio::task::spawn_blocking(work).await.expect("a build neither panics nor is cancelled")
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
        self.assemble(reference, None, Kind::Executable, recipe, &crate::silent())
    }

    /// Packs, stores, unpacks and names what a recipe says. Blocks.
    pub fn assemble(
        &self,
        reference: &Reference,
        base: Option<&Image>,
        kind: Kind,
        recipe: Recipe,
        progress: &ProgressFn,
    ) -> Result<Built, Error> {
        let mut built = Vec::new();
        for (what, content) in recipe.layers {
            let layer = match content {
                Content::Files(files) => {
                    progress(Progress::Step(format!("packing {what}")));
                    let (descriptor, reused) = files.store(self)?;
                    BuiltLayer { what, digest: descriptor.digest, size: descriptor.size, reused }
                }
                Content::Stored { digest, size, reused } => {
                    BuiltLayer { what, digest, size, reused }
                }
            };
            if layer.reused {
                progress(Progress::Reused {
                    digest: layer.digest.clone(),
                    what: layer.what.clone(),
                });
            }
            built.push(layer);
        }
        let needs_host = ["python", "program"]
            .iter()
            .find_map(|kind| recipe.labels.get(&format!("dev.rouse.host-{kind}")));
        let needs_host = needs_host.cloned();
        let run =
            run_config(base, recipe.entrypoint, recipe.env, recipe.labels, recipe.working_dir);
        let digest = self.write_manifest(base, &built, run)?;
        progress(Progress::Step("unpacking".to_owned()));
        unpack::image(self, &self.image(&digest)?)?;
        self.name(reference, &digest, Origin::Built)?;
        Ok(Built { reference: reference.clone(), digest, kind, layers: built, needs_host })
    }

    fn write_manifest(
        &self,
        base: Option<&Image>,
        built: &[BuiltLayer],
        run: RunConfig,
    ) -> Result<Digest, Error> {
        let (mut layers, mut diff_ids) = match base {
            Some(base) => {
                let manifest: Manifest = self.document(&base.digest)?;
                let config: ImageConfig = self.document(&base.config_digest)?;
                (manifest.layers, config.rootfs.diff_ids)
            }
            None => (Vec::new(), Vec::new()),
        };
        for layer in built {
            layers.push(Descriptor {
                media_type: crate::config::LAYER.to_owned(),
                digest: layer.digest.clone(),
                size: layer.size,
                platform: None,
                annotations: BTreeMap::new(),
            });
            // Our layers are not compressed, so content and blob have one digest.
            diff_ids.push(layer.digest.clone());
        }
        let config = ImageConfig {
            architecture: host_architecture().to_owned(),
            os: "linux".to_owned(),
            config: run,
            rootfs: RootFs { kind: "layers".to_owned(), diff_ids },
        };
        let manifest = Manifest {
            schema_version: 2,
            media_type: Some(MANIFEST.to_owned()),
            config: self.put_document(CONFIG, &config)?,
            layers,
        };
        Ok(self.put_document(MANIFEST, &manifest)?.digest)
    }
}

/// The base's configuration with the recipe's over it.
fn run_config(
    base: Option<&Image>,
    entrypoint: Vec<String>,
    env: Vec<(String, String)>,
    labels: BTreeMap<String, String>,
    working_dir: Option<String>,
) -> RunConfig {
    let mut all_env = base.map(|base| base.env.clone()).unwrap_or_default();
    for (name, value) in env {
        all_env.retain(|(known, _)| *known != name);
        all_env.push((name, value));
    }
    let mut all_labels = base.map(|base| base.labels.clone()).unwrap_or_default();
    all_labels.extend(labels);
    RunConfig {
        user: base.map(|base| base.user.clone()).filter(|user| !user.is_empty()),
        exposed_ports: None,
        env: Some(all_env.into_iter().map(|(name, value)| format!("{name}={value}")).collect()),
        entrypoint: Some(entrypoint),
        cmd: None,
        working_dir: Some(working_dir.unwrap_or_else(|| APP_DIR.to_owned())),
        labels: Some(all_labels).filter(|labels| !labels.is_empty()),
        stop_signal: base.and_then(|base| base.stop_signal.clone()),
    }
}

/// What every kind of build may look at.
pub(crate) struct Context<'a> {
    pub(crate) store: &'a Store,
    pub(crate) base: Option<&'a Image>,
    pub(crate) options: &'a BuildOptions,
    pub(crate) progress: &'a ProgressFn,
}

impl Context<'_> {
    pub(crate) fn step(&self, text: impl Into<String>) {
        (self.progress)(Progress::Step(text.into()));
    }
}
