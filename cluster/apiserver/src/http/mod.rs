//! The API server's HTTP side: from a request to a response, whatever the transport.

mod api;
mod auth;
mod body;
mod decode;
mod discovery;
mod health;
mod kubelet;
mod list;
mod listen;
mod manager;
mod metrics;
mod negotiate;
mod pages;
mod request;
mod review;
mod rights;
mod route;
mod select;
mod subresources;
mod token;
mod unread;
mod watch;
mod write;

pub(crate) use api::Api;
pub use api::KubeletService;
pub use auth::Credentials;
pub(crate) use body::ResponseBody;
pub use decode::yaml_options;
pub(crate) use listen::listen;
pub(crate) use watch::BOOKMARK_EVERY;
