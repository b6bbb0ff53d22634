//! The check of callers: the decision on one request, and all that it is made of. Pure, and absent for hosts that anybody may
//! call.
//!
//! `rule` is a host's rule, `keys` those of issuers, `token` reads and verifies one identity token, `decide` decides, and
//! `denial` says what a refused caller is told.

pub(crate) mod decide;
pub(crate) mod denial;
pub(crate) mod keys;
pub(crate) mod rule;
pub(crate) mod token;
