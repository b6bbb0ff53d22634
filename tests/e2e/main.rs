//! End to end: the real binary, real sockets, real processes, real kubectl, real Docker.
//!
//! Modules named `kubectl…` and `docker…` are counted apart by `tests/run`.

mod cli;
