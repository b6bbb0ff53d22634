//! The store with real files, a real registry protocol and real programs.

#![expect(clippy::unwrap_used, reason = "in a test a failed step is the failure")]

mod building;
mod pulling;
mod registry;
