//! Container logs: one file per run of a container, rotated, the previous run kept.
//!
//! `<root>/<namespace>_<pod>_<uid>/<container>/<restarts>.log`, a line each as container runtimes
//! write them: time, stream, `F` (whole) or `P` (part of a longer line), text. The logs of the
//! last deleted pods are kept, to find out why a pod ended.

mod files;
mod last;
mod line;
mod read;
mod text;
mod write;

pub use last::{LastLog, of_last_pod};
pub(crate) use line::Lines;
pub use line::{LogLine, LogStream, parse_line};
pub use read::LogError;
pub use text::LogOptions;
pub use write::{LogTail, LogWriter, Logs};

#[cfg(test)]
mod tests;
