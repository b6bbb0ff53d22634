//! Load: the reports of activators, and what they add up to over time.

mod collector;
mod key;
mod window;

pub use collector::{Collector, Present, Sample};
pub use key::RevisionKey;
pub use window::Window;
