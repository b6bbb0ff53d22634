//! The usage of a container, as the engine reports it.

use std::time::Duration;

use bollard::Docker;
use bollard::models::ContainerStatsResponse;
use bollard::query_parameters::StatsOptionsBuilder;
use futures::StreamExt as _;

use crate::runtime::interface::Usage;

pub(super) async fn of_container(docker: &Docker, id: &str) -> Option<Usage> {
    let options = StatsOptionsBuilder::default().stream(false).one_shot(true).build();
    let mut stats = std::pin::pin!(docker.stats(id, Some(options)));
    usage(&stats.next().await?.ok()?)
}

/// The working set is the memory in use without inactive file cache, as in cAdvisor.
fn usage(stats: &ContainerStatsResponse) -> Option<Usage> {
    let cpu = stats.cpu_stats.as_ref()?.cpu_usage.as_ref()?.total_usage?;
    let memory = stats.memory_stats.as_ref()?;
    let counted = memory.stats.as_ref();
    // The first is the name of version 2 of control groups, the second that of version 1.
    let cached = ["inactive_file", "total_inactive_file"];
    let cached = cached.iter().find_map(|name| counted?.get(*name).copied()).unwrap_or(0);
    Some(Usage {
        cpu: Duration::from_nanos(cpu),
        working_set_bytes: memory.usage?.saturating_sub(cached),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn cached_files_are_not_part_of_the_working_set() {
        for (name, want) in [("inactive_file", 70), ("total_inactive_file", 70), ("file", 100)] {
            let stats = json!({
                "cpu_stats": {"cpu_usage": {"total_usage": 1_500_000_000_u64}},
                "memory_stats": {"usage": 100, "stats": {name: 30}},
            });
            let usage = usage(&serde_json::from_value(stats).unwrap()).unwrap();
            assert_eq!((usage.cpu.as_millis(), usage.working_set_bytes), (1500, want), "{name}");
        }
    }
}
