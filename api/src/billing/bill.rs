//! The bill for usage by one price book.

use serde::Serialize;

use super::book::{Basis, PriceBook};
use crate::usage::{Instance, Usage};

/// The size of an instance whose manifest names none: Cloud Run's default.
pub const VCPU_DEFAULT: f64 = 1.0;
pub const MEMORY_DEFAULT: u64 = 512 << 20;
const GIB: f64 = (1_u64 << 30) as f64;
const GB: f64 = 1e9;
const HOUR: f64 = 3600.0;

/// The bill of one book.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Bill {
    pub book: String,
    pub title: String,
    pub lines: Vec<Line>,
    pub total: f64,
}

/// One row of a bill.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// A word, with the unit of `quantity`: `requests`, `vCPU-s`.
    pub what: &'static str,
    pub quantity: f64,
    /// The part of `quantity` that the month includes.
    pub free: f64,
    /// What the month includes beyond it.
    pub free_left: f64,
    /// Of one unit.
    pub price: f64,
    pub amount: f64,
}

impl Line {
    fn new(what: &'static str, quantity: f64, included: f64, price: f64) -> Self {
        let free = quantity.min(included);
        let free_left = included - free;
        Self { what, quantity, free, free_left, price, amount: (quantity - free) * price }
    }
}

/// What usage of one month costs. All rows share what the month includes.
#[must_use]
pub fn bill(book: &PriceBook, usage: &[Usage]) -> Bill {
    let lines = match book.basis {
        Basis::Invocation => by_invocation(book, usage),
        Basis::Request => by_request(book, usage),
        Basis::Instance => by_instance(book, usage),
        Basis::Node => by_node(book, usage),
    };
    let total = lines.iter().map(|line| line.amount).sum();
    Bill { book: book.name.clone(), title: book.title.clone(), lines, total }
}

/// How many requests have to be in flight in one instance, on average, for the service to cost as
/// much as the function for the same requests; above that it costs less. `None` unless the first book
/// is paid by invocation and the second by request.
#[must_use]
pub fn crossover(function: &PriceBook, service: &PriceBook, instance: &Instance) -> Option<f64> {
    if (function.basis, service.basis) != (Basis::Invocation, Basis::Request) {
        return None;
    }
    let (gb, ghz) = class(function, instance);
    let invocation =
        gb * rate(function.rates.per_gb_second) + ghz * rate(function.rates.per_ghz_second);
    let busy = vcpu(instance) * rate(service.rates.per_vcpu_second)
        + gib(instance) * rate(service.rates.per_gib_second);
    (invocation > 0.0).then(|| busy / invocation)
}

fn by_invocation(book: &PriceBook, usage: &[Usage]) -> Vec<Line> {
    let (mut gb_seconds, mut ghz_seconds) = (0.0, 0.0);
    for row in usage {
        let (gb, ghz) = class(book, &row.instance);
        gb_seconds += gb * row.served.rounded_request_seconds;
        ghz_seconds += ghz * row.served.rounded_request_seconds;
    }
    let mut lines = vec![
        requests(book, usage),
        Line::new("GB-s", gb_seconds, book.free.gb_seconds, rate(book.rates.per_gb_second)),
        Line::new("GHz-s", ghz_seconds, book.free.ghz_seconds, rate(book.rates.per_ghz_second)),
    ];
    lines.extend(sent(book, usage));
    lines
}

fn by_request(book: &PriceBook, usage: &[Usage]) -> Vec<Line> {
    let (mut busy, mut idle) = (Resources::default(), Resources::default());
    for row in usage {
        let paid = paid_seconds(row);
        busy.add(&row.instance, paid);
        // The others go to zero, or wait at the provider's own cost.
        if row.instance.min_scale > 0 {
            idle.add(&row.instance, (row.existed.instance_seconds - paid).max(0.0));
        }
    }
    let (rates, free) = (&book.rates, &book.free);
    let mut lines = vec![
        requests(book, usage),
        Line::new("vCPU-s", busy.vcpu, free.vcpu_seconds, rate(rates.per_vcpu_second)),
        Line::new("GiB-s", busy.gib, free.gib_seconds, rate(rates.per_gib_second)),
    ];
    if let Some(prices) = book.idle.filter(|_| idle.vcpu > 0.0) {
        lines.push(Line::new("idle vCPU-s", idle.vcpu, 0.0, prices.per_vcpu_second));
        lines.push(Line::new("idle GiB-s", idle.gib, 0.0, prices.per_gib_second));
    }
    lines.extend(gpus(book, busy.gpus + idle.gpus));
    lines.extend(sent(book, usage));
    lines
}

fn by_instance(book: &PriceBook, usage: &[Usage]) -> Vec<Line> {
    let mut all = Resources::default();
    for row in usage {
        let starts = row.existed.starts as f64;
        let seconds = row.existed.instance_seconds.max(starts * book.minimum_seconds);
        all.add(&row.instance, seconds);
    }
    let (rates, free) = (&book.rates, &book.free);
    let mut lines = vec![
        Line::new("vCPU-s", all.vcpu, free.vcpu_seconds, rate(rates.per_vcpu_second)),
        Line::new("GiB-s", all.gib, free.gib_seconds, rate(rates.per_gib_second)),
    ];
    lines.extend(rates.per_million_requests.map(|_| requests(book, usage)));
    lines.extend(gpus(book, all.gpus));
    lines.extend(sent(book, usage));
    lines
}

/// Nodes cost their time whatever they do; it is split by what the pods took of it.
fn by_node(book: &PriceBook, usage: &[Usage]) -> Vec<Line> {
    let Some(node) = book.node else { return Vec::new() };
    let began = usage.iter().map(|row| row.since.0).min();
    let ended = usage.iter().map(|row| row.until.0).max();
    let span = began
        .zip(ended)
        .map_or(0.0, |(began, ended)| ended.duration_since(began).as_secs_f64().max(0.0));
    let mut used = Resources::default();
    for row in usage {
        used.add(&row.instance, paid_seconds(row));
    }
    let share = |used: f64, of: f64| if of > 0.0 { used / (of * HOUR) } else { 0.0 };
    // The resource that fills nodes first.
    let busy = share(used.vcpu, node.vcpu)
        .max(share(used.gib, node.memory_gib))
        .max(share(used.gpus, f64::from(node.gpus)));
    let hours = (span / HOUR).max(busy);
    let price = rate(book.rates.per_node_hour);
    vec![
        Line::new("node-hours in use", busy, 0.0, price),
        Line::new("node-hours idle", hours - busy, 0.0, price),
    ]
}

/// Seconds of instances that start or have a request.
fn paid_seconds(row: &Usage) -> f64 {
    row.served.rounded_busy_seconds + row.existed.starting_seconds
}

fn requests(book: &PriceBook, usage: &[Usage]) -> Line {
    let count = usage.iter().map(|row| row.served.requests as f64).sum();
    let price = rate(book.rates.per_million_requests) / 1e6;
    Line::new("requests", count, book.free.requests, price)
}

fn sent(book: &PriceBook, usage: &[Usage]) -> Option<Line> {
    let price = book.rates.per_sent_gb?;
    let bytes: f64 = usage.iter().map(|row| row.served.sent_bytes as f64).sum();
    Some(Line::new("GB sent", bytes / GB, book.free.sent_gb, price))
}

fn gpus(book: &PriceBook, seconds: f64) -> Option<Line> {
    let price = book.rates.per_gpu_second?;
    (seconds > 0.0).then(|| Line::new("GPU-s", seconds, 0.0, price))
}

/// Resources times seconds.
#[derive(Default)]
struct Resources {
    vcpu: f64,
    gib: f64,
    gpus: f64,
}

impl Resources {
    fn add(&mut self, instance: &Instance, seconds: f64) {
        self.vcpu += vcpu(instance) * seconds;
        self.gib += gib(instance) * seconds;
        self.gpus += f64::from(instance.gpus) * seconds;
    }
}

fn vcpu(instance: &Instance) -> f64 {
    instance.vcpu.unwrap_or(VCPU_DEFAULT)
}

fn gib(instance: &Instance) -> f64 {
    instance.memory_bytes.unwrap_or(MEMORY_DEFAULT) as f64 / GIB
}

/// The GB and GHz of the class that an instance's memory needs.
fn class(book: &PriceBook, instance: &Instance) -> (f64, f64) {
    let class = book.class(gib(instance) * 1024.0);
    class.map_or((0.0, 0.0), |class| {
        (f64::from(class.memory_mb) / 1024.0, f64::from(class.mhz) / 1000.0)
    })
}

fn rate(rate: Option<f64>) -> f64 {
    rate.unwrap_or(0.0)
}
