//! Memory that a load has left behind goes back to the system.
//!
//! The C library's allocator keeps what was freed for the next need: after a thousand connections
//! the process stayed at two and a half times its size. Once little is done, its free pages are
//! given back. While there is load nothing is, since they would only be faulted in again.

use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::component::Component;
use crate::usage::Usage;

const EVERY: Duration = Duration::from_secs(10);
/// Of one core: below this the process has time, and a pause of some milliseconds harms nobody.
const IDLE: f64 = 0.1;
/// Less than this is not worth a look at every free piece.
const WORTH: u64 = 4 << 20;

/// When free memory is worth giving back.
#[derive(Debug, Default)]
struct Policy {
    last: Option<Usage>,
    /// The size after memory was given back, or less.
    least_bytes: u64,
}

impl Policy {
    /// Whether it is now, `passed` after the last look.
    fn is_due(&mut self, now: Usage, passed: Duration) -> bool {
        let last = self.last.replace(now);
        self.least_bytes = self.least_bytes.min(now.resident_bytes);
        let idle = last
            .is_some_and(|last| now.cpu_seconds - last.cpu_seconds < passed.as_secs_f64() * IDLE);
        idle && now.resident_bytes - self.least_bytes >= WORTH
    }

    fn given_back(&mut self, now: Usage) {
        self.least_bytes = now.resident_bytes;
    }
}

/// Has free memory given back whenever the process has little to do.
pub fn start(component: &Component) {
    let owner = component.clone();
    component.tasks.restarting("memory", move || run(owner.clone()));
}

async fn run(component: Component) {
    let mut policy = Policy::default();
    let mut tick = interval(EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut looked = Instant::now();
    while component.shutdown.run_until_cancelled(tick.tick()).await.is_some() {
        let passed = looked.elapsed();
        looked = Instant::now();
        let Some(usage) = Usage::read() else { return component.shutdown.cancelled().await };
        if !policy.is_due(usage, passed) {
            continue;
        }
        // It ends with its work, whatever became of the task.
        let _ended = component.tasks.blocking("memory", give_back).await;
        if let Some(after) = Usage::read() {
            policy.given_back(after);
        }
    }
}

#[cfg(target_env = "gnu")]
#[expect(unsafe_code, reason = "a call of the C library")]
fn give_back() {
    // SAFETY: it may be called at any time from any thread, and touches free memory alone.
    unsafe { libc::malloc_trim(0) };
}

/// Other C libraries keep little.
#[cfg(not(target_env = "gnu"))]
fn give_back() {}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn usage(cpu_seconds: f64, mib: u64) -> Usage {
        Usage { cpu_seconds, resident_bytes: mib * MIB }
    }

    #[test]
    fn memory_is_given_back_when_a_load_has_gone_and_left_some() {
        let mut policy = Policy::default();
        let due = |policy: &mut Policy, cpu, mib| policy.is_due(usage(cpu, mib), EVERY);
        assert!(!due(&mut policy, 1.0, 50), "nothing is known of the load yet");
        assert!(due(&mut policy, 1.5, 50));
        policy.given_back(usage(1.5, 40));
        assert!(!due(&mut policy, 1.6, 43), "it is not worth it");
        assert!(!due(&mut policy, 5.0, 130), "there is load");
        assert!(due(&mut policy, 5.5, 130));
        policy.given_back(usage(5.5, 60));
        assert!(!due(&mut policy, 5.6, 50), "some went by itself");
        assert!(due(&mut policy, 5.7, 55));
    }

    #[cfg(target_env = "gnu")]
    #[test]
    fn what_was_freed_goes_back_to_the_system() {
        let pieces: Vec<Vec<u8>> = (0..64 * 1024).map(|_| vec![1; 1000]).collect();
        let full = Usage::read().unwrap().resident_bytes;
        // What is allocated behind them would keep them from shrinking from the top.
        let last = vec![1_u8; 1000];
        drop(pieces);
        give_back();
        let after = Usage::read().unwrap().resident_bytes;
        assert!(full - after > 32 * MIB, "{} of {} MiB", after / MIB, full / MIB);
        drop(last);
    }
}
