//! A recipe made into an image: packed, stored, unpacked and named.

use std::collections::BTreeMap;

use super::detect::Kind;
use super::recipe::{APP_DIR, Content, Recipe};
use crate::formats::config::{
    CONFIG, Descriptor, Image, ImageConfig, LAYER, MANIFEST, Manifest, RootFs, RunConfig,
    host_architecture,
};
use crate::formats::digest::Digest;
use crate::formats::error::Error;
use crate::formats::reference::Reference;
use crate::progress::{Progress, ProgressFn};
use crate::store::{Origin, Store, unpack_image};

/// The result of a build.
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
    /// A label for people: "dependencies".
    pub what: String,
    pub digest: Digest,
    pub size: u64,
    /// It was in the store before.
    pub reused: bool,
}

impl Store {
    /// Packs, stores, unpacks and names the image of a recipe. Blocks.
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
        unpack_image(self, &self.image(&digest)?)?;
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
                media_type: LAYER.to_owned(),
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
