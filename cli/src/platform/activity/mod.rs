//! Lines of `rouse up` in the foreground: one an event, such as a deployment, a wake, a crash.
//!
//! It follows the objects like any other client, keeps little of each, and prints on a thread of its
//! own: a terminal that is slow, or a burst of events, costs lines and nothing else.

mod print;
mod seen;
mod tell;
mod watch;

pub(super) use self::watch::start;
