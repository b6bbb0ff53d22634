//! Versions of `status.routing`.

use jiff::Timestamp;
use rouse_api::routing::{Host, Routing};

/// The routing of `hosts` after `before`: the version grows if and only if something changed. It
/// begins at the time in milliseconds, so that a recreated Route is never taken for the deleted one
/// of the same name.
pub(crate) fn versioned(before: Option<&Routing>, hosts: Vec<Host>, now: Timestamp) -> Routing {
    match before {
        Some(before) if before.hosts == hosts => before.clone(),
        Some(before) => {
            Routing { version: before.version.saturating_add(1).max(now.as_millisecond()), hosts }
        }
        None => Routing { version: now.as_millisecond(), hosts },
    }
}
