//! End to end: the real binary, real sockets, real processes, real kubectl, real Docker.
//!
//! Tests named `kubectl…` and `docker…` are counted apart by `tests/run`.

#![expect(clippy::disallowed_methods, reason = "a double ends with its test")]

mod api;
mod callers;
mod chaos;
mod cli;
mod clients;
mod cost;
mod demo;
mod docker;
mod examples;
mod extremes;
mod fixtures;
mod functions;
mod helm;
mod images;
mod kubectl_apply;
mod kubectl_read;
mod kubectl_serving;
mod kubectl_write;
mod lifecycle;
mod metrics;
mod objects;
mod operators;
mod pods;
mod predict;
mod reach;
mod readme;
mod scaling;
mod shown;
mod trouble;
mod typed;
