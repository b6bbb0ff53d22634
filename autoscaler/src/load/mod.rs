//! Load: the reports of activators, and what they add up to over time.

mod collector;
mod window;

pub use collector::{Collector, Present, Sample};
pub use window::Window;
