//! Objects -> objects: the reconcilers of Knative Serving, and its admission.
//!
//! Every reconciler is `observe -> desired (pure) -> apply -> status`, one folder per kind. They
//! meet activators and autoscalers only through objects, and ask activators one question: how far
//! they are ([`Activators`]).

pub mod admission;
mod children;
mod configuration;
mod domainmapping;
mod gc;
mod images;
mod queues;
mod reconciler;
mod revision;
mod route;
mod run;
mod served;
mod service;
mod stores;
#[cfg(test)]
mod testing;
mod watch;

pub use images::Images;
pub use run::{Config, Settings, start};
pub use served::{Activators, NotServed, Routed};
