//! What is done to a document before it is stored: defaults are written into it, then it is judged.

pub mod defaults;
mod json;
pub mod validation;
