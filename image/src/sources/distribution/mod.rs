//! The pull half of the distribution protocol, with a bound on everything that a registry sends.

mod client;
mod failure;
mod login;
mod saved;

pub(super) use client::Remote;
