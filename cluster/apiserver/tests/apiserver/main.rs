//! The cluster from outside its crate: by requests, by a client in the process, over TLS.

#![expect(clippy::disallowed_methods, reason = "a double ends with its test")]
#![expect(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]

mod api;
mod applies;
mod client;
mod common;
mod golden;
mod listener;
mod protobuf;
mod requests;
mod subresources;
mod versions;
mod writes;
