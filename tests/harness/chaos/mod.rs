//! Requests through random changes of what serves them: which change loses which request.
//!
//! Clients send one request after the other to a few Services while the Services, their pods and the
//! platform are changed in random order. Every request is counted to the changes that it met, and
//! judged by what these may cost: nothing, the answer of a Service that is away, a connection while
//! nobody listens, or what a pod that is killed held.

mod change;
mod clients;
mod random;
mod run;
mod table;
mod transitions;

pub use self::run::{Plan, run};
pub use self::table::{Report, Row};
pub use self::transitions::{Cost, Kind};
