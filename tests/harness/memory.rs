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

/// The largest PSS while `work` runs, in MiB, and what it gives.
pub fn peak<T>(pid: u32, work: impl FnOnce() -> T) -> (f64, T) {
    let over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watching = scope.spawn(|| {
            let mut peak = 0_f64;
            while !over.load(std::sync::atomic::Ordering::Relaxed) {
                peak = peak.max(pss(pid).unwrap_or(0.0));
                crate::wait::pause(std::time::Duration::from_millis(200));
            }
            peak
        });
        let result = work();
        over.store(true, std::sync::atomic::Ordering::Relaxed);
        (watching.join().unwrap_or(0.0), result)
    })
}
