//! Builds of images from a folder or an executable.
//!
//! `detect` chooses the kind of build by the source; that yields a [`Recipe`]: layers by their
//! files, and a configuration. [`Store::assemble`](crate::Store::assemble) turns a recipe into an
//! image, unpacked and named.

mod assemble;
mod detect;
mod executable;
mod ignored;
mod layer;
mod procfile;
mod python;
mod recipe;
mod source;
mod tree;

pub use assemble::{Built, BuiltLayer};
pub use detect::Kind;
pub use layer::{LayerFiles, Source};
pub use recipe::{APP_DIR, BuildOptions, Content, Recipe};
