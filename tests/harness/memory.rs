//! Memory and open files of a process, as the kernel counts them.

use anyhow::Context;

/// Proportional set size, in MiB.
pub fn pss(pid: u32) -> anyhow::Result<f64> {
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let line = rollup.lines().find(|l| l.starts_with("Pss:")).context("no Pss line")?;
    let kib: f64 = line.split_whitespace().nth(1).context("no figure")?.parse()?;
    Ok(kib / 1024.0)
}

/// Open files.
pub fn open_files(pid: u32) -> anyhow::Result<usize> {
    Ok(std::fs::read_dir(format!("/proc/{pid}/fd"))?.count())
}

/// Resident set size, in MiB.
pub fn rss(pid: u32) -> anyhow::Result<f64> {
    status(pid, "VmRSS:")
}

/// The largest resident set size while `work` runs, in MiB, as the kernel keeps it; and what it gives.
pub fn peak_rss<T>(pid: u32, work: impl FnOnce() -> T) -> anyhow::Result<(f64, T)> {
    // Sets the peak to the present size.
    std::fs::write(format!("/proc/{pid}/clear_refs"), "5")?;
    let result = work();
    Ok((status(pid, "VmHWM:")?, result))
}

/// A size in `/proc/PID/status`, in MiB.
fn status(pid: u32, name: &str) -> anyhow::Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|line| line.starts_with(name)).context("no such line")?;
    let kib: f64 = line.split_whitespace().nth(1).context("no figure")?.parse()?;
    Ok(kib / 1024.0)
}
