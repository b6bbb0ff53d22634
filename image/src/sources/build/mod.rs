//! From a folder or an executable to an image in the store.
//!
//! What the source is decides how it is built (`detect`); that yields a [`Recipe`]: layers by their
//! files, and a configuration. [`Store::assemble`](crate::Store::assemble) turns a recipe into an
//! image, unpacked and named.

mod assemble;
mod detect;
mod executable;
mod layer;
mod procfile;
mod python;
mod recipe;
mod source;

pub use assemble::{Built, BuiltLayer};
pub use detect::Kind;
pub use layer::{LayerFiles, Source};
pub use recipe::{APP_DIR, BuildOptions, Content, Recipe};
