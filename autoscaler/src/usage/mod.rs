//! The use of revisions by month: the ledgers that bills are made of. Pure.

mod instance;
mod ledger;

pub(crate) use instance::instance_of;
pub(crate) use ledger::{Addition, LedgerKey, Ledgers, Rows};
