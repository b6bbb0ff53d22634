//! The memory limit where no cgroup can be had: resident memory is watched, and too much is killed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::runtime::proc;

/// Far from the limit it is looked at rarely, near it often.
const FAR: Duration = Duration::from_millis(200);
const NEAR: Duration = Duration::from_millis(20);
/// Looking for new members reads all of `/proc`, so not every time.
const MEMBERS_EVERY: u32 = 10;

/// Runs until it has killed the session for its memory, or is dropped.
pub(super) async fn watch(leader: u32, limit: u64, over: Arc<AtomicBool>) {
    let mut members = Vec::new();
    for turn in 0_u32.. {
        if turn % MEMBERS_EVERY == 0 {
            let all = proc::members(leader, None).into_iter().map(|stat| stat.pid);
            members = all.filter(|pid| *pid != leader).collect();
        }
        let used = proc::resident(leader, &members);
        if used > limit {
            over.store(true, Ordering::Relaxed);
            proc::kill_session(leader, None);
            return;
        }
        tokio::time::sleep(if used > limit / 2 { NEAR } else { FAR }).await;
    }
}
