//! The embedded Kubernetes: API server, built-in controllers, scheduler.

pub mod builtin;
pub mod kinds;
pub mod openapi;
pub mod patch;
pub mod schema;
pub mod store;
pub mod table;
