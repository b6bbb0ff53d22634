//! The runtime's record of a running container.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::images::LocalImage;
use crate::spec::PodRef;

#[derive(Clone)]
pub(super) struct Running {
    pub(super) pod: PodRef,
    pub(super) leader: u32,
    /// The leader's start time, which with its pid identifies it.
    pub(super) started: u64,
    pub(super) marker: String,
    pub(super) image: Arc<LocalImage>,
    /// The complete environment, with the platform's own variables.
    pub(super) env: Vec<(String, String)>,
    pub(super) working_dir: PathBuf,
    pub(super) terminating: Arc<AtomicBool>,
}
