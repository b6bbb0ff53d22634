//! The local store: names, blobs and unpacked images in one folder.

mod blob;
mod budget;
mod index;
mod layout;
mod reuse;
mod settings;
mod unpack;

pub use index::Origin;
pub(crate) use layout::select_platform;
pub use layout::{Listed, Store};
pub(crate) use reuse::Made;
pub(crate) use settings::Limits;
pub use settings::RegistryOptions;
pub(crate) use unpack::unpack_image;
