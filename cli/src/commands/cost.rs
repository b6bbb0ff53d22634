//! `rouse cost`: what revisions used in a month, and what that costs by price books.

use std::collections::BTreeMap;
use std::path::Path;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::Api;
use rouse_api::billing::{
    Basis, Bill, BookError, DEFAULT_BOOKS, MEMORY_DEFAULT, PriceBook, PriceBooks, VCPU_DEFAULT,
    bill, crossover,
};
use rouse_api::keys;
use rouse_api::usage::{Instance, LEDGER_PERIOD, Usage, ledger, month};
use serde::Serialize;

use super::serving::unavailable;
use crate::args::{Cost, CostCommand, CostOf, Global};
use crate::outcome::{Context, Failure, Result};
use crate::printer::{Printer, size};
use crate::target::Target;

/// Rows by revision.
pub(super) type Rows = BTreeMap<String, Usage>;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    namespace: &'a str,
    month: &'a str,
    currency: &'a str,
    usage: &'a Rows,
    bills: &'a [Bill],
    /// By the books' names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    crossovers: &'a Vec<Crossover>,
}

/// Where a service begins to cost less than a function.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Crossover {
    revision: String,
    function: String,
    service: String,
    /// Requests in flight in one instance, on average.
    in_flight: f64,
    /// The same while it was busy.
    seen: f64,
}

pub(crate) async fn run(args: Cost, global: &Global, printer: &Printer) -> Result {
    match args.command {
        Some(CostCommand::Prices) => {
            printer.bytes(DEFAULT_BOOKS.as_bytes());
            Ok(())
        }
        Some(CostCommand::Compare(of)) => price(&of, None, global, printer).await,
        None => price(&args.of, Some(&args.book), global, printer).await,
    }
}

/// Prices a month by one book, or by all for a comparison.
async fn price(of: &CostOf, book: Option<&str>, global: &Global, printer: &Printer) -> Result {
    let books = books(of.prices.as_deref())?;
    let chosen = book.map(|name| find(&books, name)).transpose()?;
    let (target, month) = (Target::connect(global).await?, wanted(of)?);
    let rows = read(&target, &month, of.name.as_deref()).await?;
    let usage = Vec::from_iter(rows.values().cloned());
    let priced = chosen.map_or(books.books.as_slice(), std::slice::from_ref);
    let bills: Vec<Bill> = priced.iter().map(|book| bill(book, &usage)).collect();
    let crossovers = if chosen.is_none() { crossovers(&books, &rows) } else { Vec::new() };
    if printer.json() {
        printer.document(&Document {
            namespace: &target.namespace,
            month: &month,
            currency: &books.currency,
            usage: &rows,
            bills: &bills,
            crossovers: &crossovers,
        });
        return Ok(());
    }
    if !show_usage(&rows, &target.namespace, &month, printer) {
        return Ok(());
    }
    printer.line("");
    match chosen {
        Some(book) => bills.iter().for_each(|bill| show(bill, book, &books.currency, printer)),
        None => show_all(&books, &bills, &crossovers, printer),
    }
    Ok(())
}

fn find<'a>(books: &'a PriceBooks, name: &str) -> Result<&'a PriceBook> {
    books.find(name).ok_or_else(|| {
        let names: Vec<_> = books.books.iter().map(|book| book.name.as_str()).collect();
        Failure::usage(format!("there is no price book {name:?}; there are {}", names.join(", ")))
    })
}

/// Shows one bill in full.
fn show(bill: &Bill, book: &PriceBook, currency: &str, printer: &Printer) {
    printer.line(format!("by {} ({}, prices of {})", bill.title, book.name, book.as_of));
    let mut lines = bill_rows(bill);
    lines.push(vec![
        "total".to_owned(),
        String::new(),
        String::new(),
        String::new(),
        money(bill.total),
    ]);
    printer.table(&["FOR", "QUANTITY", "INCLUDED", "STILL FREE", currency], &lines);
}

/// Shows the totals of all bills, and where one becomes less than another.
fn show_all(books: &PriceBooks, bills: &[Bill], crossovers: &[Crossover], printer: &Printer) {
    let lines: Vec<_> =
        books.books.iter().zip(bills).map(|(book, bill)| total_row(book, bill)).collect();
    let all_paid = format!("{} WITH ALL PAID", books.currency);
    printer.table(&["PRICE BOOK", "PAID FOR", &books.currency, &all_paid], &lines);
    for Crossover { revision, function, service, in_flight, seen } in crossovers {
        let cheaper = if seen > in_flight { service } else { function };
        printer.line("");
        printer.line(format!(
            "{revision}: from {in_flight:.2} requests in flight in an instance on, {service} costs less \
             than {function} for the same requests; while it was busy it had {seen:.2}, so {cheaper} \
             does."
        ));
    }
}

/// The price books of a file, or those that come with Rouse.
fn books(file: Option<&Path>) -> Result<PriceBooks> {
    let Some(file) = file else {
        return PriceBooks::read(DEFAULT_BOOKS)
            .map_err(|error| unusable("the built-in prices", &error));
    };
    let shown = file.display().to_string();
    let text = std::fs::read_to_string(file).or_fail(|| format!("cannot read {shown}"))?;
    PriceBooks::read(&text).map_err(|error| unusable(&shown, &error))
}

fn unusable(file: &str, error: &BookError) -> Failure {
    Failure::new(format!("{file} cannot be used as prices"))
        .because(error)
        .next("rouse cost prices shows the form")
}

/// The month that was asked for.
fn wanted(of: &CostOf) -> Result<String> {
    let Some(asked) = &of.month else { return Ok(month(jiff::Timestamp::now())) };
    let first: std::result::Result<jiff::civil::Date, _> = format!("{asked}-01").parse();
    match first {
        Ok(date) if date.strftime("%Y-%m").to_string() == *asked => Ok(asked.clone()),
        _ => Err(Failure::usage(format!("{asked:?} is no month; write it as 2026-11"))),
    }
}

/// A month's rows, of one Service or of all.
pub(super) async fn read(target: &Target, month: &str, service: Option<&str>) -> Result<Rows> {
    let api: Api<ConfigMap> = Api::namespaced(target.client.clone(), keys::SYSTEM_NAMESPACE);
    let name = ledger(&target.namespace, month);
    let found = api.get_opt(&name).await.map_err(|e| unavailable(&e, "read what was used"))?;
    let mut rows = Rows::new();
    for (revision, text) in found.and_then(|found| found.data).unwrap_or_default() {
        let row: Usage = serde_json::from_str(&text)
            .or_fail(|| format!("the row {revision} of ConfigMap {name} cannot be read"))?;
        if service.is_none_or(|service| row.service == service) {
            rows.insert(revision, row);
        }
    }
    Ok(rows)
}

/// Shows what was used; false if it was nothing.
fn show_usage(rows: &Rows, namespace: &str, month: &str, printer: &Printer) -> bool {
    let (Some(began), Some(ended)) =
        (rows.values().map(|row| row.since.0).min(), rows.values().map(|row| row.until.0).max())
    else {
        printer.line(format!("nothing was used in {month} in namespace {namespace}"));
        printer.line(format!("what is used is written down every {} s", LEDGER_PERIOD.as_secs()));
        return false;
    };
    let at = |time: jiff::Timestamp| time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
    printer.line(format!("used in namespace {namespace}, {} to {}", at(began), at(ended)));
    let lines: Vec<_> = rows.iter().map(|(revision, row)| usage_row(revision, row)).collect();
    let headings =
        ["REVISION", "INSTANCE", "REQUESTS", "IN PODS", "BUSY", "PODS", "STARTS", "SENT"];
    printer.table(&headings, &lines);
    true
}

fn usage_row(revision: &str, row: &Usage) -> Vec<String> {
    vec![
        revision.to_owned(),
        instance(&row.instance),
        row.served.requests.to_string(),
        seconds(row.served.request_seconds),
        seconds(row.served.busy_seconds),
        seconds(row.existed.instance_seconds),
        row.existed.starts.to_string(),
        size(row.served.sent_bytes),
    ]
}

fn instance(of: &Instance) -> String {
    // A star marks what bills assume where the manifest says nothing.
    let cpu =
        of.vcpu.map_or_else(|| format!("{VCPU_DEFAULT} vCPU*"), |vcpu| format!("{vcpu} vCPU"));
    let memory = of.memory_bytes.map_or_else(|| format!("{}*", size(MEMORY_DEFAULT)), size);
    match of.gpus {
        0 => format!("{cpu}, {memory}"),
        gpus => format!("{cpu}, {memory}, {gpus} GPU"),
    }
}

fn bill_rows(bill: &Bill) -> Vec<Vec<String>> {
    let row = |line: &rouse_api::billing::Line| {
        vec![
            line.what.to_owned(),
            number(line.quantity),
            number(line.free),
            number(line.free_left),
            money(line.amount),
        ]
    };
    bill.lines.iter().map(row).collect()
}

fn total_row(book: &PriceBook, bill: &Bill) -> Vec<String> {
    let paid_for = match book.basis {
        Basis::Invocation => "each request's time",
        Basis::Request => "instances with requests",
        Basis::Instance => "instances' whole life",
        Basis::Node => "machines",
    };
    let all_paid: f64 = bill.lines.iter().map(|line| line.quantity * line.price).sum();
    vec![book.title.clone(), paid_for.to_owned(), money(bill.total), money(all_paid)]
}

/// For each revision that had requests, by the first book of each kind.
fn crossovers(books: &PriceBooks, rows: &Rows) -> Vec<Crossover> {
    let first = |basis| books.books.iter().find(|book| book.basis == basis);
    let Some((function, service)) = first(Basis::Invocation).zip(first(Basis::Request)) else {
        return Vec::new();
    };
    let of = |(revision, row): (&String, &Usage)| {
        let in_flight = crossover(function, service, &row.instance)?;
        let busy = row.served.busy_seconds;
        (busy > 0.0).then(|| Crossover {
            revision: revision.clone(),
            function: function.title.clone(),
            service: service.title.clone(),
            in_flight,
            seen: row.served.request_seconds / busy,
        })
    };
    rows.iter().filter_map(of).collect()
}

fn money(amount: f64) -> String {
    format!("{amount:.6}")
}

fn number(amount: f64) -> String {
    if amount == amount.trunc() { format!("{amount:.0}") } else { format!("{amount:.3}") }
}

/// `1.5 s`, `12 min`, `3.2 h`.
fn seconds(seconds: f64) -> String {
    match seconds {
        ..60.0 => format!("{seconds:.1} s"),
        ..3600.0 => format!("{:.1} min", seconds / 60.0),
        _ => format!("{:.1} h", seconds / 3600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(month: &str) -> CostOf {
        CostOf { name: None, month: Some(month.to_owned()), prices: None }
    }

    #[test]
    fn a_month_is_written_as_one() {
        assert_eq!(wanted(&of("2026-02")).unwrap(), "2026-02");
        for wrong in ["2026-13", "2026-2", "26-02", "now", "2026-02-01"] {
            let error = wanted(&of(wrong)).unwrap_err().to_string();
            assert!(error.contains("write it as 2026-11"), "{wrong}: {error}");
        }
    }

    #[test]
    fn times_and_amounts_are_short() {
        assert_eq!([0.04, 90.0, 5400.0].map(seconds), ["0.0 s", "1.5 min", "1.5 h"]);
        assert_eq!([3.0, 0.25].map(number), ["3", "0.250"]);
        assert_eq!(money(0.0000004), "0.000000");
    }

    #[test]
    fn a_size_that_is_assumed_is_marked() {
        assert_eq!(instance(&Instance::default()), "1 vCPU*, 512.0 MiB*");
        let given =
            Instance { vcpu: Some(0.5), memory_bytes: Some(1 << 30), gpus: 2, min_scale: 0 };
        assert_eq!(instance(&given), "0.5 vCPU, 1.0 GiB, 2 GPU");
    }

    #[test]
    fn a_revision_is_told_on_which_side_of_the_crossover_it_was() {
        let row: Usage = serde_json::from_str(
            r#"{"service": "hello", "since": "2026-11-01T00:00:00Z", "until": "2026-11-01T01:00:00Z",
                "instance": {"vcpu": 1, "memoryBytes": 1073741824},
                "requests": 30, "requestSeconds": 30, "busySeconds": 10}"#,
        )
        .unwrap();
        let rows = Rows::from([("hello-00001".to_owned(), row)]);
        let found = crossovers(&books(None).unwrap(), &rows);
        let [one] = &found[..] else { panic!("{found:?}") };
        assert!((one.in_flight - 1.606).abs() < 0.001 && (one.seen - 3.0).abs() < 1e-9, "{one:?}");
        let lines = usage_row("hello-00001", &rows["hello-00001"]);
        assert_eq!(lines[1..5], ["1 vCPU, 1.0 GiB", "30", "30.0 s", "10.0 s"]);
    }
}
