//! Generators of committed files, and checks of the house rules.
//!
//! Nothing here is part of the product: it reads the workspace and writes committed files, or says what is wrong.

pub mod circles;
pub mod crds;
pub mod edges;
pub mod kinds;
pub mod manifests;
pub mod schema;
mod syntax;
pub mod tidy;

use std::path::{Path, PathBuf};

/// The root of the workspace: the parent of this crate's folder.
#[must_use]
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().map_or_else(|| here.to_path_buf(), Path::to_path_buf)
}
