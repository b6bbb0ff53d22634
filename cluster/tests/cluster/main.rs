//! The cluster from outside its crate: by requests, by a client in the process, over TLS.

mod api;
mod client;
mod common;
mod golden;
mod listener;
