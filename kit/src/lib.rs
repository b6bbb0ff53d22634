//! How a component lives: clock, shutdown, telemetry, addresses, apply, live configuration.
//!
//! Generic over kinds: nothing of Knative's or ours is known here.

pub mod address;
pub mod apply;
pub mod clock;
pub mod events;
pub mod live;
pub mod plan;
pub mod shutdown;
pub mod tasks;
pub mod telemetry;

pub use address::AddressResolver;
pub use apply::{Applier, ApplyError};
pub use clock::Clock;
pub use events::{Events, Notice};
pub use live::Live;
pub use plan::Plan;
pub use shutdown::Shutdown;
pub use tasks::Tasks;
