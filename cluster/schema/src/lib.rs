//! The kinds of the embedded Kubernetes: their fields, and the rules that follow from them.
//!
//! Synchronous and pure: no IO, no async, no clock (`now` is passed in). The server and the controllers ask here how an
//! object is read, defaulted, checked, patched, selected and shown.

pub mod jsonpath;
pub mod kinds;
pub mod openapi;
pub mod patch;
pub mod selector;
pub mod structure;
pub mod table;
