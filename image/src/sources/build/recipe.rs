//! The request for a build, its context, and its recipe: layers and the start command.

use std::collections::BTreeMap;

use super::layer::LayerFiles;
use super::tree::Tree;
use crate::formats::config::Image;
use crate::formats::digest::Digest;
use crate::formats::error::Error;
use crate::formats::reference::Reference;
use crate::progress::{Progress, ProgressFn};
use crate::store::Store;

/// The name, the base and the function of an image to build.
#[derive(Clone, Debug)]
pub struct BuildOptions {
    pub reference: Reference,
    /// The image to build upon; its entrypoint is replaced.
    pub base: Option<Reference>,
    /// The Python function to serve, as gcloud's `--entry-point` and `GOOGLE_FUNCTION_TARGET`.
    pub function: Option<String>,
}

impl BuildOptions {
    /// Options for `image` (with or without a tag of its own) and an extra `tag`, which wins.
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

/// A planned image: its layers, environment and start command.
#[derive(Clone, Debug, Default)]
pub struct Recipe {
    /// From the bottom up: a label for people, and the content.
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

/// The folder of the image that holds the source's files.
pub const APP_DIR: &str = "/app";

/// The inputs of every kind of build.
pub(crate) struct Context<'a> {
    pub(crate) store: &'a Store,
    pub(crate) base: Option<&'a Image>,
    pub(crate) options: &'a BuildOptions,
    pub(crate) progress: &'a ProgressFn,
    /// The files of a folder.
    pub(crate) tree: &'a Tree,
}

impl Context<'_> {
    pub(crate) fn step(&self, text: impl Into<String>) {
        (self.progress)(Progress::Step(text.into()));
    }
}
