//! Load: the reports of activators, and averages over time.

mod collector;
mod window;

pub use collector::{Collector, Present, Sample};
pub use window::Window;
