//! What a pod's spec asks for, as far as it can be said without doing anything.
//!
//! Invariant: pure. What ConfigMaps and Secrets hold was fetched before ([`sources`]).

pub(crate) mod downward;
pub(crate) mod env;
pub(crate) mod ports;
mod reference;
pub(crate) mod resources;
mod security;
pub(crate) mod sources;
pub(crate) mod volumes;

pub use reference::PodRef;
pub use security::Security;
pub use volumes::Mount;
