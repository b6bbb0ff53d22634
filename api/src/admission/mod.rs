//! Defaulting and validation of documents before they are stored.

pub mod defaults;
mod json;
pub mod validation;
