//! The node agent from outside: against an API of a few lines, with processes, with scripted pods,
//! with a Docker Engine, and killed.

#![expect(clippy::disallowed_methods, reason = "a double ends with its test")]
#![expect(clippy::unwrap_used, reason = "what a test cannot do without, it may panic for")]

mod agent;
mod docker;
mod extremes;
mod fresh;
mod killed;
mod mounts;
mod pods;
mod support;
mod volumes;
