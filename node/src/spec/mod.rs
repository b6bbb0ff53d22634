//! A pod's spec, read for the node agent as far as that needs no effects.
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
