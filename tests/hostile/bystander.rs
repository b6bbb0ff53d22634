//! A client that means well, and asks on while somebody tries to break the platform.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rouse_tests::{Platform, http, wait};

use crate::report::Row;

const PAUSE: Duration = Duration::from_millis(50);
/// The longest that anybody may wait while another misbehaves, on two busy cores.
const SLOWEST: Duration = Duration::from_secs(5);

pub(crate) struct Bystander {
    over: Arc<AtomicBool>,
    client: JoinHandle<Seen>,
}

#[derive(Default)]
struct Seen {
    asked: u32,
    failed: u32,
    slowest: Duration,
}

impl Bystander {
    /// Asks `victim`, each time over a connection of its own.
    pub(crate) fn begin(platform: &Platform) -> Self {
        let (address, host) = (platform.http, platform.host("victim"));
        let over = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&over);
        #[expect(clippy::disallowed_methods, reason = "joined by `end`")]
        let client = std::thread::spawn(move || {
            let mut seen = Seen::default();
            while !told.load(Ordering::Relaxed) {
                let began = Instant::now();
                let answer = http::send(address, &host, "/", None);
                seen.asked += 1;
                seen.failed += u32::from(!answer.is_ok_and(|answer| answer.status == 200));
                seen.slowest = seen.slowest.max(began.elapsed());
                wait::pause(PAUSE);
            }
            seen
        });
        Self { over, client }
    }

    pub(crate) fn end(self) -> anyhow::Result<[Row; 2]> {
        self.over.store(true, Ordering::Relaxed);
        let seen = self.client.join().map_err(|_| anyhow::anyhow!("the bystander panicked"))?;
        let Seen { asked, failed, slowest } = seen;
        anyhow::ensure!(asked > 0, "no bystander's request ended");
        Ok([
            Row::at_most(&format!("others, {asked} requests"), 0.0, f64::from(failed), "failed"),
            Row::at_most("others, the slowest", SLOWEST.as_secs_f64(), slowest.as_secs_f64(), "s"),
        ])
    }
}
