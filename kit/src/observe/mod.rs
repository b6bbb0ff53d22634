//! Observability: metrics, debug pages, the admin port, logs and traces.

pub mod admin;
mod debug;
mod metrics;
mod process;
pub mod telemetry;
pub mod traces;

pub use admin::Admin;
pub use debug::Debug;
pub use metrics::Metrics;
pub use traces::Traces;
