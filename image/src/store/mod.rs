//! The local store: names, blobs and unpacked images in one folder.

mod archive;
mod blob;
mod budget;
mod garbage;
mod index;
mod layout;
mod protect;
mod reuse;
mod settings;
mod temp;
mod unpack;

pub(crate) use archive::Parts;
pub use garbage::{Grace, Held, Rule, unneeded};
pub use index::Origin;
pub(crate) use layout::select_platform;
pub use layout::{Listed, Store};
pub use protect::{is_read_only, set_read_only};
pub(crate) use reuse::Made;
pub(crate) use settings::Limits;
pub use settings::RegistryOptions;
pub(crate) use unpack::unpack_image;
