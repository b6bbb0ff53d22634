//! Images from archives, as `docker save`, `podman save`, `skopeo` and `buildx` write them.
//!
//! | in the archive | form |
//! |---|---|
//! | `index.json`, `blobs/` | an OCI layout, which newer engines write as well |
//! | `manifest.json` | `docker save`: configurations and layers by path |

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;

use serde::Deserialize;

use super::registry::check;
use crate::formats::config::{
    CONFIG, Descriptor, Index, LAYER, MANIFEST, Manifest, Platform, host_architecture,
};
use crate::formats::digest::Digest;
use crate::formats::error::Error;
use crate::formats::reference::Reference;
use crate::progress::{Progress, ProgressFn};
use crate::store::{Origin, Parts, Store, select_platform, unpack_image};

const LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// The whole name; `REF_NAME` may be the tag alone.
const CONTAINERD_NAME: &str = "io.containerd.image.name";

/// One image that came out of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    pub references: Vec<Reference>,
    pub digest: Digest,
}

/// An image as an archive describes it.
struct Found {
    references: Vec<Reference>,
    /// Its index, if it has one, and its manifest: digest and bytes.
    index: Option<(Digest, Vec<u8>)>,
    manifest_bytes: Vec<u8>,
    manifest: Manifest,
}

/// An entry of `manifest.json`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    repo_tags: Option<Vec<String>>,
    #[serde(default)]
    layers: Vec<String>,
}

impl Store {
    /// Reads an archive and puts its images into the store, unpacked and named: as `name`, or as the
    /// archive names them. Blocks.
    pub fn import(
        &self,
        archive: impl Read,
        name: Option<&Reference>,
        progress: &ProgressFn,
    ) -> Result<Vec<Imported>, Error> {
        self.import_from(archive, name, Origin::Imported, progress)
    }

    pub(crate) fn import_from(
        &self,
        archive: impl Read,
        name: Option<&Reference>,
        origin: Origin,
        progress: &ProgressFn,
    ) -> Result<Vec<Imported>, Error> {
        progress(Progress::Step("reading the archive".to_owned()));
        let parts = self.read_archive(archive)?;
        let found = named(found(&parts)?, name)?;
        let mut imported = Vec::new();
        for image in found {
            let mut kept = Vec::new();
            let put = self.put_image(&parts, &image, &mut kept, progress);
            let digest = put.inspect_err(|_| {
                // Blobs of an image that is refused have no name and would stay.
                for blob in kept.iter().rev() {
                    let _ = fs::remove_file(self.blob_path(blob));
                }
            })?;
            for reference in &image.references {
                self.name(reference, &digest, origin)?;
            }
            imported.push(Imported { references: image.references, digest });
        }
        Ok(imported)
    }

    fn put_image(
        &self,
        parts: &Parts,
        found: &Found,
        kept: &mut Vec<Digest>,
        progress: &ProgressFn,
    ) -> Result<Digest, Error> {
        check(&found.manifest, &self.limits).map_err(Error::exceeded_by_archive)?;
        for blob in std::iter::once(&found.manifest.config).chain(&found.manifest.layers) {
            match parts.with_digest(&blob.digest) {
                Some(part) => {
                    if self.keep(part)? {
                        kept.push(part.digest.clone());
                    }
                }
                None if self.blob_path(&blob.digest).exists() => {}
                None => return Err(broken(format!("{} of an image is not in it", blob.digest))),
            }
        }
        let bytes = found.index.as_ref().map(|(_, bytes)| bytes);
        for document in std::iter::once(&found.manifest_bytes).chain(bytes) {
            let digest = Digest::of(document);
            if !self.blob_path(&digest).exists() {
                kept.push(digest);
            }
            self.put(document)?;
        }
        let manifest = Digest::of(&found.manifest_bytes);
        let image = self.image(&manifest)?;
        let host = host_architecture();
        if !image.architecture.is_empty() && image.architecture != host {
            return Err(Error::NoPlatform {
                reference: found.references.first().map(Reference::to_string).unwrap_or_default(),
                wanted: Platform::host().text(),
                offered: format!("linux/{}", image.architecture),
            });
        }
        progress(Progress::Step("unpacking".to_owned()));
        unpack_image(self, &image)?;
        Ok(found.index.as_ref().map_or(manifest, |(digest, _)| digest.clone()))
    }
}

/// The images of an archive.
fn found(parts: &Parts) -> Result<Vec<Found>, Error> {
    if let Some(index) = parts.at("index.json").and_then(|part| part.document::<Index>()) {
        return of_layout(parts, &index);
    }
    let saved = parts.at("manifest.json").and_then(|part| part.document::<Vec<Saved>>());
    match saved {
        Some(saved) => saved.iter().map(|saved| of_saved(parts, saved)).collect(),
        None => Err(broken(
            "it holds neither index.json nor manifest.json; `docker save IMAGE -o FILE` writes one that does"
                .to_owned(),
        )),
    }
}

fn of_layout(parts: &Parts, index: &Index) -> Result<Vec<Found>, Error> {
    let mut images: Vec<Found> = Vec::new();
    let mut by_digest: BTreeMap<&str, usize> = BTreeMap::new();
    let host = Platform::host();
    for top in &index.manifests {
        let is_other = |p: &Platform| p.os != host.os || p.architecture != host.architecture;
        if index.manifests.len() > 1 && top.platform.as_ref().is_some_and(is_other) {
            continue;
        }
        let references = name_of(&top.annotations);
        if let Some(known) = by_digest.get(top.digest.as_str()) {
            images[*known].references.extend(references);
            continue;
        }
        let missing =
            |digest: &Digest| broken(format!("its index names {digest}, which is not in it"));
        let bytes = |digest: &Digest| {
            let part = parts.with_digest(digest).ok_or_else(|| missing(digest))?;
            part.bytes().ok_or_else(|| broken(format!("{digest} is too large for a manifest")))
        };
        let top_bytes = bytes(&top.digest)?;
        let nested: Index = parse(&top_bytes)?;
        let (index, manifest_bytes) = if nested.manifests.is_empty() {
            (None, top_bytes)
        } else {
            let chosen = &select_platform(&nested, top.digest.as_str())?.digest;
            (Some((top.digest.clone(), top_bytes)), bytes(chosen)?)
        };
        by_digest.insert(top.digest.as_str(), images.len());
        let manifest = parse(&manifest_bytes)?;
        images.push(Found {
            references: references.into_iter().collect(),
            index,
            manifest_bytes,
            manifest,
        });
    }
    Ok(images)
}

fn name_of(annotations: &BTreeMap<String, String>) -> Option<Reference> {
    let whole = annotations.get(CONTAINERD_NAME);
    // A word alone is a tag, or a name that nobody can tell from a tag.
    let short = annotations.get(REF_NAME).filter(|name| name.contains([':', '/']));
    whole.or(short)?.parse().ok()
}

fn of_saved(parts: &Parts, saved: &Saved) -> Result<Found, Error> {
    let part = |path: &str| {
        parts
            .at(path)
            .ok_or_else(|| broken(format!("its manifest.json names {path}, which is not in it")))
    };
    let descriptor = |path: &str, media_type: &str| {
        let part = part(path)?;
        let media_type = match media_type {
            LAYER if part.is_gzip => LAYER_GZIP,
            other => other,
        };
        let (digest, size) = (part.digest.clone(), part.size);
        Ok(Descriptor {
            media_type: media_type.to_owned(),
            digest,
            size,
            platform: None,
            annotations: BTreeMap::new(),
        })
    };
    let layers: Result<Vec<Descriptor>, Error> =
        saved.layers.iter().map(|path| descriptor(path, LAYER)).collect();
    let manifest = Manifest {
        schema_version: 2,
        media_type: Some(MANIFEST.to_owned()),
        config: descriptor(&saved.config, CONFIG)?,
        layers: layers?,
    };
    let tags = saved.repo_tags.iter().flatten();
    let manifest_bytes =
        serde_json::to_vec(&manifest).expect("documents of strings and numbers are JSON");
    Ok(Found {
        references: tags.filter_map(|tag| tag.parse().ok()).collect(),
        index: None,
        manifest_bytes,
        manifest,
    })
}

/// The images under the name that the user gave, or under their own.
fn named(mut found: Vec<Found>, name: Option<&Reference>) -> Result<Vec<Found>, Error> {
    if found.is_empty() {
        return Err(broken(format!("it holds no image for {}", Platform::host().text())));
    }
    match (name, found.as_mut_slice()) {
        (Some(name), [one]) => one.references = vec![name.clone()],
        (Some(_), several) => {
            return Err(broken(format!(
                "it holds {} images, and one name was given: leave out --image, or save one image alone",
                several.len()
            )));
        }
        (None, images) => {
            if images.iter().any(|image| image.references.is_empty()) {
                return Err(broken(
                    "it does not name its image: give a name with --image".to_owned(),
                ));
            }
        }
    }
    Ok(found)
}

fn parse<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(bytes)
        .map_err(|e| broken(format!("a manifest of it cannot be read: {e}")))
}

fn broken(reason: String) -> Error {
    Error::Archive { reason }
}
