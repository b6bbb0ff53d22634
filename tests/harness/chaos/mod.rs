//! Requests during random changes of Services, pods and platform: which change loses which request.
//!
//! Clients send one request after the other to a few Services while the Services, their pods and the
//! platform are changed in random order. Every request is counted for the changes that it overlaps,
//! and judged by what these may cost: nothing, a 404 while the Service is deleted, a connection while
//! no server listens, or the requests in a killed pod.

mod change;
mod clients;
mod random;
mod run;
mod table;
mod transitions;

pub use self::run::{Plan, run};
pub use self::table::{Report, Row};
pub use self::transitions::{Cost, Kind};
