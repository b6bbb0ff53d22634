//! The node agent from outside: against an API of a few lines, with processes, with scripted pods,
//! and with a Docker Engine.
#![expect(clippy::unwrap_used, reason = "what a test cannot do without, it may panic for")]

mod agent;
mod docker;
mod support;
