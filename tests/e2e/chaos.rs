//! The short form of `chaos`: every kind of change, and no request lost that no change may lose.

use std::time::{Duration, SystemTime};

use rouse_tests::Platform;
use rouse_tests::chaos::{self, Kind, Plan};

use crate::fixtures::server;

#[test]
fn kubectl_changes_everything_and_no_request_is_lost() -> anyhow::Result<()> {
    let seed = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs());
    println!("seed {seed}");
    let mut platform = Platform::start()?;
    let plan = Plan {
        seed,
        transitions: 4 * Kind::ALL.len(),
        kinds: Kind::ALL.to_vec(),
        limit: Duration::from_secs(90),
        progress: |_| (),
    };
    let report = chaos::run(&mut platform, &server(), &plan)?;
    println!("{report}");
    anyhow::ensure!(report.lost.is_empty(), "{report}\n{}", report.lost.join("\n"));
    Ok(())
}
