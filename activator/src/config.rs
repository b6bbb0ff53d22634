//! Settings that the composing program gives an activator.

use std::fmt;
use std::time::Duration;

use crate::control::certificates::Issue;
use crate::control::request_log::{Sink, stdout};
use crate::edge::listen::Reserved;

/// Settings of one activator.
pub struct Config {
    /// Name in load reports: on a cluster, the name of the activator's pod.
    pub name: String,
    /// The public listener.
    pub public: Reserved,
    /// The listener for cluster-local hosts; it serves public hosts too.
    pub local: Reserved,
    /// The public listener for https, if there is one.
    pub https: Option<Https>,
    /// Data threads; one per core if absent.
    pub threads: Option<usize>,
    /// How long requests in flight may take to finish after shutdown began.
    pub drain: Duration,
    /// Where lines of the request log go; stdout unless said otherwise.
    pub request_log: Sink,
}

/// A listener for https.
pub struct Https {
    pub listener: Reserved,
    /// Makes certificates for hosts that no Secret has one for.
    pub issue: Issue,
}

impl fmt::Debug for Https {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { listener, issue: _ } = self;
        f.debug_struct("Https").field("listener", listener).finish_non_exhaustive()
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, public, local, https, threads, drain, request_log: _ } = self;
        f.debug_struct("Config")
            .field("name", name)
            .field("public", public)
            .field("local", local)
            .field("https", https)
            .field("threads", threads)
            .field("drain", drain)
            .finish_non_exhaustive()
    }
}

impl Config {
    /// The defaults at these two addresses, without https.
    #[must_use]
    pub fn new(public: Reserved, local: Reserved) -> Self {
        let (name, drain) = ("activator".to_owned(), Duration::from_secs(10));
        let request_log = stdout();
        Self { name, public, local, https: None, threads: None, drain, request_log }
    }
}
