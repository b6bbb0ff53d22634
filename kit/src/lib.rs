//! How a component lives: clock, shutdown, telemetry, addresses, apply, live configuration.
//!
//! Generic over kinds: nothing of Knative's or ours is known here.

pub mod address;
pub mod clock;
pub mod shutdown;

pub use address::AddressResolver;
pub use clock::Clock;
pub use shutdown::Shutdown;
