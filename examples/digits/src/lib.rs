//! Handwritten digits as a service: 8×8 images in, a digit out, over the V1 inference protocol.
//!
//! Training is its own step and writes model files; serving loads one at start. The two models
//! differ on purpose, so that a canary between them is worth watching: `v1` is a shallow decision
//! tree, `v2` the nearest neighbours.

mod dataset;
mod model;
mod neighbours;
mod protocol;
mod serve;

pub use crate::dataset::{Digit, draw, held_out};
pub use crate::model::{Error, Model, train};
pub use crate::serve::{listen, run, serve};
