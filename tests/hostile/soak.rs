//! Ten minutes at full load: errors, memory, open files.

use std::time::Duration;

use rouse_tests::{load, memory, wait};

use crate::report::Row;
use crate::stage::platform;

const CONNECTIONS: usize = 64;
const TIME: Duration = Duration::from_secs(600);
/// The platform is warm after this; what it holds then is where it begins.
const WARM: Duration = Duration::from_secs(10);
const REST: Duration = Duration::from_secs(60);
/// Memory that a load may leave behind, and more of it than there was after ten seconds.
const LEFT_MIB: f64 = 24.0;
const GROWTH_MIB: f64 = 24.0;
const FILES: f64 = 40.0;

pub(crate) fn run() -> anyhow::Result<Vec<Row>> {
    let platform = platform()?;
    let (pid, host) = (platform.pid(), platform.host("victim"));
    wait::pause(WARM);
    let (start, files) = (memory::rss(pid)?, memory::open_files(pid)?);
    load::run(platform.http, &host, CONNECTIONS, WARM)?;
    let warm = memory::rss(pid)?;
    println!("  {CONNECTIONS} connections for {} s …", TIME.as_secs());
    let (peak, result) =
        memory::peak_rss(pid, || load::run(platform.http, &host, CONNECTIONS, TIME))?;
    let result = result?;
    wait::pause(REST);
    let (rest, files_after) = (memory::rss(pid)?, memory::open_files(pid)?);
    println!(
        "  {:.0} requests a second, {} in all, none failed; memory {start:.1} MiB at the start, \
         {warm:.1} warm, {peak:.1} at the peak, {rest:.1} after {} s of rest",
        result.per_second,
        result.count,
        REST.as_secs(),
    );
    let more = files_after.saturating_sub(files) as f64;
    Ok(vec![
        Row::at_most("memory at the peak, more than warm", GROWTH_MIB, peak - warm, "MiB"),
        Row::at_most("memory after it, more than before", LEFT_MIB, rest - start, "MiB"),
        Row::at_most("open files after it, more than before", FILES, more, "files"),
    ])
}
