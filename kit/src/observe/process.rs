//! The process's own metrics, under the names that every Prometheus client library uses.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::life::{Health, Ledger};
use crate::usage::Usage;

/// Reads `/proc/self` at each scrape.
#[derive(Debug)]
pub(super) struct Process;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        if let Some(Usage { cpu_seconds, resident_bytes }) = Usage::read() {
            let cpu = ConstCounter::new(cpu_seconds);
            let help = "User and system CPU time of the platform's process";
            let metric =
                encoder.encode_descriptor("process_cpu_seconds", help, None, cpu.metric_type())?;
            cpu.encode(metric)?;
            let resident = ConstGauge::new(i64::try_from(resident_bytes).unwrap_or(i64::MAX));
            let help = "Resident memory of the platform's process";
            let kind = resident.metric_type();
            let metric =
                encoder.encode_descriptor("process_resident_memory_bytes", help, None, kind)?;
            resident.encode(metric)?;
        }
        if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
            let open = ConstGauge::new(i64::try_from(open.count()).unwrap_or(i64::MAX));
            let help = "Open file descriptors of the platform's process";
            let metric =
                encoder.encode_descriptor("process_open_fds", help, None, open.metric_type())?;
            open.encode(metric)?;
        }
        Ok(())
    }
}

/// Metrics of the ledger of tasks and of the health parts.
#[derive(Debug)]
pub(super) struct Lives {
    pub(super) ledger: Ledger,
    pub(super) health: Health,
}

impl Collector for Lives {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let tasks = self.ledger.report();
        let kind = ConstGauge::new(0_i64).metric_type();
        let help = "Tasks that run now";
        let mut family = encoder.encode_descriptor("rouse_tasks_running", help, None, kind)?;
        for row in &tasks {
            let labels = [("owner", row.owner), ("kind", row.kind)];
            let running = ConstGauge::new(i64::try_from(row.running).unwrap_or(i64::MAX));
            running.encode(family.encode_family(&labels)?)?;
        }
        let kind = ConstCounter::new(0_u64).metric_type();
        for (name, help, value) in [
            (
                "rouse_task_restarts",
                "Tasks that ended and were started again",
                (|row| row.restarts) as fn(&crate::life::TaskReport) -> u64,
            ),
            ("rouse_task_panics", "Tasks that panicked", |row| row.panics),
        ] {
            let mut family = encoder.encode_descriptor(name, help, None, kind)?;
            for row in &tasks {
                let labels = [("owner", row.owner), ("kind", row.kind)];
                ConstCounter::new(value(row)).encode(family.encode_family(&labels)?)?;
            }
        }
        let kind = ConstGauge::new(0_i64).metric_type();
        let help = "1 for a part that is ready, 0 for one that is not";
        let mut family = encoder.encode_descriptor("rouse_part_ready", help, None, kind)?;
        for part in self.health.report() {
            let ready = ConstGauge::new(i64::from(part.ready));
            ready.encode(family.encode_family(&[("part", part.name)])?)?;
        }
        Ok(())
    }
}
