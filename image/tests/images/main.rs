//! The store with real files, a real registry protocol and real programs.

#![expect(clippy::disallowed_methods, reason = "a double ends with its test")]
#![expect(clippy::unwrap_used, reason = "in a test a failed step is the failure")]

mod bounds;
mod building;
mod hostile;
mod importing;
mod pulling;
mod reaching;
mod registry;
