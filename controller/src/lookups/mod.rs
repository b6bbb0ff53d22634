//! Questions to others. Their state is part of what reconcilers observe; a plan asks for one to be
//! started, and its answer wakes the reconciler.

mod answered;
pub(crate) mod images;
pub(crate) mod served;

pub(crate) use answered::Answered;
