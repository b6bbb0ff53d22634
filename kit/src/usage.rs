//! CPU time and memory of this process.

/// What the process has used.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Usage {
    pub(crate) cpu_seconds: f64,
    pub(crate) resident_bytes: u64,
}

impl Usage {
    /// As `/proc/self` says; none if it cannot be read.
    pub(crate) fn read() -> Option<Self> {
        let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
        // The name in parentheses may hold anything; the fields after it are numbers.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
        // Counted from the third field, the state: utime is the 14th, stime the 15th, rss the 24th.
        let ticks = number(11)?.saturating_add(number(12)?);
        let page = u64::try_from(rustix::param::page_size()).ok()?;
        Some(Self {
            cpu_seconds: ticks as f64 / rustix::param::clock_ticks_per_second() as f64,
            resident_bytes: number(21)?.saturating_mul(page),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory() {
        let usage = Usage::read().unwrap();
        assert!(usage.resident_bytes > 1 << 20 && usage.cpu_seconds >= 0.0, "{usage:?}");
    }
}
