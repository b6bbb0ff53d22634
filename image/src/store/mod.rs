//! The local store: names, blobs and unpacked images in one folder.

mod blob;
mod index;
mod layout;
mod reuse;
mod settings;
mod unpack;

pub(crate) use blob::BlobWriter;
pub use index::Origin;
pub(crate) use layout::select_platform;
pub use layout::{Listed, Store};
pub(crate) use reuse::Made;
pub use settings::RegistryOptions;
pub(crate) use unpack::unpack_image;
