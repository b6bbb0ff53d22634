//! `rouse` as a person types it.
