//! The kinds of the embedded Kubernetes: their fields, and the rules that follow from them.
//!
//! Synchronous and pure: no IO, no async, no clock (`now` is passed in). It decodes, defaults, validates, patches,
//! selects and prints objects for the server and the controllers.

pub mod jsonpath;
pub mod kinds;
pub mod managed;
pub mod openapi;
pub mod patch;
pub mod selector;
pub mod structure;
pub mod table;
