//! Readers of a pod's spec.
//!
//! Invariant: pure. The content of ConfigMaps and Secrets was fetched before ([`sources`]).

pub(crate) mod account;
pub(crate) mod downward;
pub(crate) mod env;
pub(crate) mod hosts;
pub(crate) mod ports;
mod reference;
pub(crate) mod resources;
mod security;
pub(crate) mod sources;
pub(crate) mod volumes;

pub use account::Automount;
pub use reference::PodRef;
pub use security::Security;
pub(crate) use security::UNCONFINED;
pub use volumes::Mount;
