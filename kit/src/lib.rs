//! How a component lives: clock, shutdown, telemetry, addresses, apply, live configuration; and
//! what several need to read Kubernetes' values.
//!
//! Generic over kinds: nothing of Knative's or ours is known here.

pub mod address;
pub mod apply;
pub mod clock;
pub mod events;
pub mod live;
pub mod plan;
pub mod quantity;
pub mod shutdown;
pub mod tasks;
pub mod telemetry;

pub use address::AddressResolver;
pub use apply::{Applier, ApplyError};
pub use clock::Clock;
pub use events::{Events, Notice};
pub use live::Live;
pub use plan::Plan;
pub use quantity::Quantity;
pub use shutdown::Shutdown;
pub use tasks::Tasks;
