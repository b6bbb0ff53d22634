//! A container that runs, as the runtime remembers it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::images::LocalImage;
use crate::spec::PodRef;

#[derive(Clone)]
pub(super) struct Running {
    pub(super) pod: PodRef,
    pub(super) leader: u32,
    /// When it started, which with its number names it.
    pub(super) started: u64,
    pub(super) marker: String,
    pub(super) image: Arc<LocalImage>,
    /// Complete, with the platform's own.
    pub(super) env: Vec<(String, String)>,
    pub(super) working_dir: PathBuf,
    pub(super) terminating: Arc<AtomicBool>,
}
