//! What end-to-end tests and benchmarks share: a platform of their own, kubectl, plain HTTP.

pub mod http;
pub mod kubectl;
pub mod platform;
pub mod wait;

pub use platform::Platform;
