//! The local store together with what the cluster of the same data directory says about its images.

use std::collections::{BTreeMap, BTreeSet};

use rouse_image::{Digest, Held, Store};

use crate::args::Global;
use crate::commands::build;
use crate::in_use::{self, Use};
use crate::outcome::{Context, Failure, Result};
use crate::target::Target;

/// The store, unless there is none yet: looking makes no store.
pub(super) fn existing(global: &Global) -> Result<Option<Store>> {
    let dir = build::store_dir(global)?;
    if dir.exists() { build::open(dir).map(Some) } else { Ok(None) }
}

/// The users of each image, by the digest of its manifest.
#[derive(Default)]
pub(super) struct Users(BTreeMap<Digest, BTreeSet<String>>);

impl Users {
    /// Asks the cluster of the store's data directory.
    pub(super) async fn ask(store: &Store, global: &Global) -> Result<Self> {
        let target = Target::connect(global).await?;
        let is_its = target.data_dir.as_ref().is_some_and(|dir| {
            std::fs::canonicalize(dir.join("images")).is_ok_and(|dir| dir == store.dir())
        });
        if !is_its {
            return Err(Failure::new(format!(
                "the cluster at {} does not use the image store {}",
                target.server,
                store.dir().display()
            ))
            .next("rouse --data-dir DIR …"));
        }
        Self::of(store, &in_use::of_cluster(&target.client).await?)
    }

    fn of(store: &Store, uses: &[Use]) -> Result<Self> {
        let mut users: BTreeMap<Digest, BTreeSet<String>> = BTreeMap::new();
        let references: Vec<String> = uses.iter().map(|used| used.reference.clone()).collect();
        let meant = store.meanings(&references);
        let meant = meant.or_fail(|| "cannot read the image store".to_owned())?;
        for (used, digest) in uses.iter().zip(meant) {
            if let Some(digest) = digest {
                users.entry(digest).or_default().extend(used.by.clone());
            }
        }
        Ok(Self(users))
    }

    /// The images that something refers to.
    pub(super) fn used(&self) -> BTreeSet<Digest> {
        self.0.keys().cloned().collect()
    }

    pub(super) fn of_image(&self, digest: &Digest) -> Vec<String> {
        self.0.get(digest).into_iter().flatten().cloned().collect()
    }
}

/// An image's names as people write them; `<none>` for one whose name went to a newer image.
pub(super) fn names(image: &Held) -> Vec<String> {
    if image.names.is_empty() {
        return vec!["<none>".to_owned()];
    }
    image.names.iter().map(|name| rouse_image::familiar(name).to_owned()).collect()
}

pub(super) fn short(digest: &Digest) -> String {
    digest.to_string().chars().take(19).collect()
}
