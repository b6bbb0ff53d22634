//! Questions to others whose answers are waited for in the background and remembered.

pub(crate) mod images;
pub(crate) mod served;
