//! Terms that the other layers share: keys, names, members, networks, templates, problems of fields.

pub mod field_error;
pub mod keys;
pub mod member;
pub mod names;
pub mod network;
pub mod template;
