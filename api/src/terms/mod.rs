//! Terms that the other layers share: keys, names, templates, problems of fields.

pub mod field_error;
pub mod keys;
pub mod names;
pub mod template;
