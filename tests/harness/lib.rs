//! Shared by end-to-end tests and benchmarks: a platform of their own, kubectl, plain HTTP,
//! load, memory.

pub mod chaos;
pub mod http;
pub mod kubectl;
pub mod load;
pub mod memory;
pub mod platform;
pub mod wait;

pub use platform::Platform;
