//! `rouse top`: requests, latency, pods, CPU and memory of each revision, refreshed in place.
//!
//! Two readings of the admin port's `/metrics` make one table: rates and quantiles are those of
//! the time between them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Method};
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};

use crate::args::{Global, Top};
use crate::datadir::DataDir;
use crate::http::Connection;
use crate::metrics::{Key, Scrape, quantile, rate};
use crate::outcome::{Context, Failure, Result};
use crate::printer::Printer;

/// The labels by which every series names its revision.
const REVISION: [&str; 2] = ["k8s_namespace_name", "kn_revision_name"];
/// The labels by which the node names a container's pod.
const POD: [&str; 2] = ["namespace", "pod"];

/// One revision between two readings.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    namespace: String,
    revision: String,
    requests_per_second: f64,
    /// Seconds; none if no request ended in between.
    #[serde(skip_serializing_if = "Option::is_none")]
    p50: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    p99: Option<f64>,
    pods: f64,
    in_flight: f64,
    queued: f64,
    /// Cores in use.
    cpu: f64,
    /// Bytes in use.
    memory: f64,
}

pub(crate) async fn run(args: &Top, global: &Global, printer: &Printer) -> Result {
    let dir = DataDir::chosen(global.data_dir.as_deref())?;
    let Some(up) = dir.running() else {
        return Err(
            Failure::new(format!("nothing runs in {}", dir.path().display())).next("rouse up")
        );
    };
    let namespace = (!args.all_namespaces)
        .then(|| global.namespace.clone().unwrap_or_else(|| "default".to_owned()));
    let interval = Duration::from_secs(args.interval.max(1));
    let once = args.once || printer.json() || !printer.interactive();
    let mut interrupt =
        signal(SignalKind::interrupt()).or_fail(|| "cannot listen for signals".to_owned())?;
    let (mut before, mut read_at) = (scrape(&up.admin).await?, Instant::now());
    let mut lines = 0;
    printer.progress(format!("measuring for {} s …", interval.as_secs()));
    loop {
        tokio::select! {
            biased;
            _ = interrupt.recv() => return Ok(()),
            () = tokio::time::sleep(interval) => {}
        }
        let (after, now) = (scrape(&up.admin).await?, Instant::now());
        let mut rows = rows(&before, &after, now - read_at);
        rows.retain(|row| namespace.as_ref().is_none_or(|only| row.namespace == *only));
        if printer.json() {
            printer.document(&rows);
            return Ok(());
        }
        lines = show(&rows, namespace.as_deref(), lines, printer);
        if once {
            return Ok(());
        }
        (before, read_at) = (after, now);
    }
}

async fn scrape(admin: &str) -> Result<Scrape> {
    let mut connection = Connection::open(admin, None).await?;
    let answer = connection.send(Method::GET, "/metrics", &HeaderMap::new(), Bytes::new()).await?;
    Ok(Scrape::read(&String::from_utf8_lossy(&answer.body)))
}

/// Every revision that has a series, the busiest first.
fn rows(before: &Scrape, after: &Scrape, between: Duration) -> Vec<Row> {
    let histogram = "kn_serving_invocation_duration_seconds";
    let counts = "kn_serving_invocation_duration_seconds_count";
    let (served_before, served) = (before.sums(counts, REVISION), after.sums(counts, REVISION));
    let (took_before, took) =
        (before.buckets(histogram, REVISION), after.buckets(histogram, REVISION));
    let in_flight = after.sums("kn_revision_request_active", REVISION);
    let queued = after.sums("kn_revision_request_queued", REVISION);
    let pods = after.sums("kn_revision_pods_count", REVISION);
    let cpu = by_revision(
        &before.sums("container_cpu_usage_seconds_total", POD),
        &after.sums("container_cpu_usage_seconds_total", POD),
        |before, after| rate(before, after, between),
    );
    let memory = after.sums("container_memory_working_set_bytes", POD);
    let memory = by_revision(&memory, &memory, |_, after| after);
    let mut keys: Vec<&Key> = served.keys().chain(in_flight.keys()).chain(pods.keys()).collect();
    keys.sort();
    keys.dedup();
    let at = |map: &BTreeMap<Key, f64>, key: &Key| map.get(key).copied().unwrap_or_default();
    let mut rows: Vec<Row> = keys
        .into_iter()
        .map(|key| {
            let nothing = Vec::new();
            let before = took_before.get(key).unwrap_or(&nothing);
            let after = took.get(key).unwrap_or(&nothing);
            Row {
                namespace: key.0.clone(),
                revision: key.1.clone(),
                requests_per_second: rate(at(&served_before, key), at(&served, key), between),
                p50: quantile(0.5, before, after),
                p99: quantile(0.99, before, after),
                pods: at(&pods, key),
                in_flight: at(&in_flight, key),
                queued: at(&queued, key),
                cpu: at(&cpu, key),
                memory: at(&memory, key),
            }
        })
        .collect();
    rows.sort_by(|a, b| b.requests_per_second.total_cmp(&a.requests_per_second));
    rows
}

/// Sums over the pods of a revision, whose names begin with its own.
fn by_revision(
    before: &BTreeMap<Key, f64>,
    after: &BTreeMap<Key, f64>,
    value: impl Fn(f64, f64) -> f64,
) -> BTreeMap<Key, f64> {
    let mut sums = BTreeMap::new();
    for (key, now) in after {
        let Some((revision, _)) = key.1.rsplit_once("-deployment-") else { continue };
        let earlier = before.get(key).copied().unwrap_or(*now);
        *sums.entry((key.0.clone(), revision.to_owned())).or_insert(0.0) += value(earlier, *now);
    }
    sums
}

/// Writes the table over the one before; gives its number of lines.
fn show(rows: &[Row], namespace: Option<&str>, before: usize, printer: &Printer) -> usize {
    if before > 0 {
        printer.up(before);
    }
    if rows.is_empty() {
        let which = namespace.map_or_else(String::new, |name| format!(" in namespace {name:?}"));
        let hint = if namespace.is_some() { " (-A shows all)" } else { "" };
        printer.line(format!("no revision{which} has been called or has pods{hint}"));
        return 1;
    }
    let mut headings =
        vec!["REVISION", "REQ/S", "P50", "P99", "PODS", "IN FLIGHT", "QUEUED", "CPU", "MEMORY"];
    if namespace.is_none() {
        headings.insert(0, "NAMESPACE");
    }
    let cells: Vec<Vec<String>> = rows.iter().map(|row| cells(row, namespace.is_none())).collect();
    let lines = crate::printer::table(&headings, &cells);
    for line in &lines {
        printer.line(line);
    }
    lines.len()
}

fn cells(row: &Row, with_namespace: bool) -> Vec<String> {
    let time = |seconds: Option<f64>| seconds.map_or_else(|| "-".to_owned(), duration);
    let mut cells = vec![
        row.revision.clone(),
        format!("{:.1}", row.requests_per_second),
        time(row.p50),
        time(row.p99),
        format!("{:.0}", row.pods),
        format!("{:.0}", row.in_flight),
        format!("{:.0}", row.queued),
        format!("{:.0}m", row.cpu * 1000.0),
        format!("{:.0} MiB", row.memory / f64::from(1 << 20)),
    ];
    if with_namespace {
        cells.insert(0, row.namespace.clone());
    }
    cells
}

fn duration(seconds: f64) -> String {
    if seconds < 1.0 { format!("{:.1} ms", seconds * 1000.0) } else { format!("{seconds:.2} s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(served: u32, fast: u32, cpu: f64) -> String {
        let revision = "k8s_namespace_name=\"shop\",kn_revision_name=\"hello-00001\"";
        let histogram = "kn_serving_invocation_duration_seconds";
        format!(
            "{histogram}_bucket{{{revision},le=\"0.01\"}} {fast}\n\
             {histogram}_bucket{{{revision},le=\"+Inf\"}} {served}\n\
             {histogram}_count{{{revision}}} {served}\n\
             kn_revision_request_active{{{revision}}} 3\n\
             kn_revision_request_queued{{{revision}}} 1\n\
             kn_revision_pods_count{{{revision}}} 2\n\
             kn_revision_pods_count{{k8s_namespace_name=\"shop\",kn_revision_name=\"idle-00001\"}} 0\n\
             container_cpu_usage_seconds_total{{namespace=\"shop\",pod=\"hello-00001-deployment-1-a\"}} {cpu}\n\
             container_cpu_usage_seconds_total{{namespace=\"shop\",pod=\"hello-00001-deployment-1-b\"}} {cpu}\n\
             container_memory_working_set_bytes{{namespace=\"shop\",pod=\"hello-00001-deployment-1-a\"}} 1048576\n\
             container_memory_working_set_bytes{{namespace=\"shop\",pod=\"someone-else\"}} 7\n"
        )
    }

    #[test]
    fn a_row_covers_the_time_between_two_readings() {
        let (before, after) = (Scrape::read(&text(10, 10, 1.0)), Scrape::read(&text(50, 50, 1.5)));
        let rows = rows(&before, &after, Duration::from_secs(2));
        let [busy, idle] = &rows[..] else { panic!("{rows:?}") };
        assert_eq!(busy.revision, "hello-00001");
        assert_eq!(
            (busy.requests_per_second, busy.pods, busy.in_flight, busy.queued),
            (20.0, 2.0, 3.0, 1.0)
        );
        assert!((busy.p50.unwrap() - 0.005).abs() < 1e-9);
        assert_eq!((busy.cpu, busy.memory), (0.5, 1_048_576.0));
        assert_eq!((idle.revision.as_str(), idle.p50), ("idle-00001", None));
        assert_eq!(
            cells(busy, true),
            ["shop", "hello-00001", "20.0", "5.0 ms", "9.9 ms", "2", "3", "1", "500m", "1 MiB"]
        );
    }
}
