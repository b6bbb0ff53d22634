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
/// A minute after a load, what it held is free.
const LOOKS: u32 = 6;

/// When free memory is given back: some times after a load, for what it held is freed bit by bit.
#[derive(Debug, Default)]
struct Policy {
    last: Option<Usage>,
    /// The smallest size since memory was given back.
    least_bytes: u64,
    /// Looks at which memory is still given back.
    left: u32,
}

impl Policy {
    /// Whether it is now, `passed` after the last look.
    fn is_due(&mut self, now: Usage, passed: Duration) -> bool {
        let Some(last) = self.last.replace(now) else { return false };
        self.least_bytes = self.least_bytes.min(now.resident_bytes);
        let load = now.cpu_seconds - last.cpu_seconds >= passed.as_secs_f64() * IDLE;
        if load || now.resident_bytes - self.least_bytes >= WORTH {
            self.left = LOOKS;
        }
        if load || self.left == 0 {
            return false;
        }
        self.left -= 1;
        true
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
    fn memory_is_given_back_for_a_minute_after_a_load_and_after_growth() {
        let mut policy = Policy::default();
        // CPU seconds and MiB at each look; the size after memory was given back, if it is.
        let looks = [
            (1.0, 50, None),
            (1.5, 50, Some(40)),
            (1.6, 41, Some(40)),
            (5.0, 130, None),
            (5.1, 130, Some(60)),
            (5.2, 60, Some(55)),
            (5.3, 55, Some(50)),
            (5.4, 50, Some(50)),
            (5.5, 50, Some(50)),
            (5.6, 50, Some(50)),
            (5.7, 50, None),
            (5.8, 53, None),
            (5.9, 54, Some(51)),
        ];
        for (look, (cpu, mib, after)) in looks.into_iter().enumerate() {
            assert_eq!(policy.is_due(usage(cpu, mib), EVERY), after.is_some(), "look {look}");
            if let Some(mib) = after {
                policy.given_back(usage(cpu, mib));
            }
        }
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
