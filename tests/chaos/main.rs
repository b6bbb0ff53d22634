//! Requests during random changes of Services, pods and platform, and the table of losses.
//!
//! `cargo build -p rouse -p rouse-tests && cargo run -p rouse-tests --bin chaos -- [TRANSITIONS] [SEED]`
//! Exits with 1 if a request was lost that no change may lose.

use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use rouse_tests::Platform;
use rouse_tests::chaos::{self, Kind, Plan};

const LIMIT: Duration = Duration::from_secs(45 * 60);
/// Most lost requests that are printed.
const SHOWN: usize = 20;

fn main() -> anyhow::Result<ExitCode> {
    let mut numbers = std::env::args().skip(1);
    let transitions =
        numbers.next().map_or(Ok(1000), |text| text.parse()).context("TRANSITIONS")?;
    let clock = || SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs());
    let seed = numbers.next().map_or_else(|| Ok(clock()), |text| text.parse()).context("SEED")?;
    println!("seed {seed}: {transitions} changes …");
    let server = std::env::current_exe()?.with_file_name("test-server");
    let mut platform = Platform::start()?;
    let progress = |done| {
        if done % 50 == 0 {
            eprintln!("  {done} changes …");
        }
    };
    let plan = Plan { seed, transitions, kinds: Kind::ALL.to_vec(), limit: LIMIT, progress };
    let report = chaos::run(&mut platform, &server, &plan)?;
    println!("{report}");
    for lost in report.lost.iter().take(SHOWN) {
        println!("  {lost}");
    }
    Ok(if report.lost.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
