use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::*;
use crate::usage::{Existed, Instance, Served, Usage};

fn books() -> PriceBooks {
    PriceBooks::read(DEFAULT_BOOKS).unwrap()
}

fn book(name: &str) -> PriceBook {
    books().find(name).unwrap().clone()
}

fn instance(vcpu: f64, mib: u64) -> Instance {
    Instance { vcpu: Some(vcpu), memory_bytes: Some(mib << 20), ..Instance::default() }
}

/// An hour's usage of one revision.
fn usage(instance: Instance, served: Served, existed: Existed) -> Usage {
    let at = |text: &str| Time(text.parse().unwrap());
    Usage {
        service: "hello".to_owned(),
        since: at("2026-11-01T00:00:00Z"),
        until: at("2026-11-01T01:00:00Z"),
        instance,
        served,
        existed,
    }
}

fn close(a: f64, b: f64) {
    assert!((a - b).abs() <= 1e-9 * b.abs().max(1.0), "{a} is not {b}");
}

fn line<'a>(bill: &'a Bill, what: &str) -> &'a Line {
    bill.lines.iter().find(|line| line.what == what).unwrap()
}

#[test]
fn the_books_that_come_with_it_are_complete_and_dated() {
    let books = books();
    assert_eq!(books.currency, "USD");
    let names: Vec<_> = books.books.iter().map(|book| book.name.as_str()).collect();
    assert_eq!(names, ["functions-gen1", "run-request", "run-instance", "own-nodes"]);
    for book in &books.books {
        assert!(!book.source.is_empty() && book.as_of.len() == 10, "{}", book.name);
    }
}

#[test]
fn a_function_costs_its_published_price_for_100_ms() {
    // Published: 0.000000231 for 128 MB, 0.0000058 for 4,096 MB, to three and two digits.
    for (mb, want) in [(128, 2.31e-7), (4096, 5.8e-6)] {
        let mut book = book("functions-gen1");
        book.free = Free::default();
        let served = Served { rounded_request_seconds: 0.1, ..Served::default() };
        let total = bill(&book, &[usage(instance(1.0, mb), served, Existed::default())]).total;
        assert!((total / want - 1.0).abs() < 0.01, "{mb}: {total}");
    }
}

#[test]
fn each_boundary_of_what_a_month_includes_is_free_up_to_it_and_paid_beyond() {
    let second = Existed::default();
    let cases: &[(&str, &str, f64, Served, Existed, Instance)] = &[
        (
            "functions-gen1",
            "requests",
            2e6,
            Served { requests: 2_000_000, ..Served::default() },
            second,
            instance(1.0, 128),
        ),
        (
            "functions-gen1",
            "GB-s",
            4e5,
            Served { rounded_request_seconds: 4e5, ..Served::default() },
            second,
            instance(1.0, 1024),
        ),
        (
            "functions-gen1",
            "GHz-s",
            2e5,
            Served { rounded_request_seconds: 2e5 / 1.4, ..Served::default() },
            second,
            instance(1.0, 1024),
        ),
        (
            "functions-gen1",
            "GB sent",
            5.0,
            Served { sent_bytes: 5_000_000_000, ..Served::default() },
            second,
            instance(1.0, 128),
        ),
        (
            "run-request",
            "requests",
            2e6,
            Served { requests: 2_000_000, ..Served::default() },
            second,
            instance(1.0, 512),
        ),
        (
            "run-request",
            "vCPU-s",
            1.8e5,
            Served { rounded_busy_seconds: 9e4, ..Served::default() },
            second,
            instance(2.0, 512),
        ),
        (
            "run-request",
            "GiB-s",
            3.6e5,
            Served { rounded_busy_seconds: 1.8e5, ..Served::default() },
            second,
            instance(1.0, 2048),
        ),
        (
            "run-request",
            "GB sent",
            1.0,
            Served { sent_bytes: 1_000_000_000, ..Served::default() },
            second,
            instance(1.0, 512),
        ),
        (
            "run-instance",
            "vCPU-s",
            2.4e5,
            Served::default(),
            Existed { instance_seconds: 2.4e5, ..second },
            instance(1.0, 512),
        ),
        (
            "run-instance",
            "GiB-s",
            4.5e5,
            Served::default(),
            Existed { instance_seconds: 4.5e5, ..second },
            instance(1.0, 1024),
        ),
    ];
    for (name, what, included, served, existed, instance) in cases {
        let book = book(name);
        let at = bill(&book, &[usage(instance.clone(), *served, *existed)]);
        let at = line(&at, what);
        close(at.quantity, *included);
        close(at.amount, 0.0);
        close(at.free_left, 0.0);
        let one = usage(instance.clone(), *served, *existed);
        let twice = bill(&book, &[one.clone(), one]);
        let twice = line(&twice, what);
        close(twice.amount, included * twice.price);
        assert!(twice.price > 0.0, "{name}: {what}");
        let none = bill(&book, &[]);
        close(line(&none, what).free_left, *included);
        close(none.total, 0.0);
    }
}

#[test]
fn an_idle_hour_costs_nothing_by_request_unless_instances_are_kept() {
    let idle = Existed { starts: 1, instance_seconds: 3600.0, starting_seconds: 0.0 };
    let mut row = usage(instance(1.0, 1024), Served::default(), idle);
    let mut request = book("run-request");
    request.free = Free::default();
    close(bill(&request, &[row.clone()]).total, 0.0);
    close(bill(&book("functions-gen1"), &[row.clone()]).total, 0.0);
    row.instance.min_scale = 1;
    close(bill(&request, &[row.clone()]).total, 3600.0 * (0.0000025 + 0.0000025));
    let mut instance = book("run-instance");
    instance.free = Free::default();
    close(bill(&instance, &[row]).total, 3600.0 * (0.000018 + 0.000002));
}

#[test]
fn an_instance_is_paid_for_a_minute_at_least() {
    let mut book = book("run-instance");
    book.free = Free::default();
    let lived = |starts, instance_seconds| {
        let existed = Existed { starts, instance_seconds, starting_seconds: 0.0 };
        line(&bill(&book, &[usage(instance(1.0, 512), Served::default(), existed)]), "vCPU-s")
            .quantity
    };
    close(lived(1, 5.0), 60.0);
    close(lived(3, 5.0), 180.0);
    close(lived(1, 61.0), 61.0);
}

#[test]
fn the_start_of_an_instance_is_paid_by_request() {
    let mut book = book("run-request");
    book.free = Free::default();
    let served = Served { requests: 1, rounded_busy_seconds: 0.1, ..Served::default() };
    let existed = Existed { starts: 1, instance_seconds: 60.0, starting_seconds: 2.0 };
    let bill = bill(&book, &[usage(instance(1.0, 1024), served, existed)]);
    close(line(&bill, "vCPU-s").quantity, 2.1);
    close(bill.total, 4e-7 + 2.1 * (0.000024 + 0.0000025));
}

#[test]
fn nodes_cost_their_time_whatever_they_do() {
    let served = Served { rounded_busy_seconds: 1800.0, ..Served::default() };
    let half = usage(instance(4.0, 1024), served, Existed::default());
    let bill = bill(&book("own-nodes"), &[half]);
    close(line(&bill, "node-hours in use").quantity, 0.5);
    close(line(&bill, "node-hours idle").quantity, 0.5);
    close(bill.total, 0.134);
}

#[test]
fn above_the_crossover_a_service_costs_less_than_a_function() {
    let (function, service) = (book("functions-gen1"), book("run-request"));
    let size = instance(1.0, 1024);
    let crossover = crossover(&function, &service, &size).unwrap();
    assert!((crossover - 2.65 / 1.65).abs() < 1e-9, "{crossover}");
    assert_eq!(super::crossover(&service, &function, &size), None);
    let without_free = |book: &PriceBook| PriceBook { free: Free::default(), ..book.clone() };
    let cost = |book: &PriceBook, in_flight: f64| {
        let served = Served {
            rounded_request_seconds: in_flight * 1000.0,
            rounded_busy_seconds: 1000.0,
            ..Served::default()
        };
        bill(&without_free(book), &[usage(size.clone(), served, Existed::default())]).total
    };
    assert!(cost(&service, crossover - 0.1) > cost(&function, crossover - 0.1));
    assert!(cost(&service, crossover + 0.1) < cost(&function, crossover + 0.1));
    close(cost(&service, crossover), cost(&function, crossover));
}

#[test]
fn the_clock_of_a_function_comes_with_its_memory() {
    let book = book("functions-gen1");
    let class = |mb| book.class(mb).map(|class| (class.memory_mb, class.mhz));
    assert_eq!(class(1.0), Some((128, 200)));
    assert_eq!(class(128.0), Some((128, 200)));
    assert_eq!(class(129.0), Some((256, 400)));
    assert_eq!(class(1024.0), Some((1024, 1400)));
    assert_eq!(class(1e9), Some((8192, 4800)));
}

#[test]
fn a_file_that_cannot_be_used_says_why() {
    let why = |text: &str| PriceBooks::read(text).unwrap_err().to_string();
    let one = |more: &str| {
        format!(
            "currency: EUR\nbooks:\n- {{name: a, title: A, basis: request, source: me, \
             asOf: 2026-01-01, {more}}}\n"
        )
    };
    let rates = "perMillionRequests: 1, perVcpuSecond: 1";
    assert_eq!(
        why(&one(&format!("rates: {{{rates}}}"))),
        "book \"a\" lacks rates.perGibSecond, which its basis needs"
    );
    assert_eq!(
        why(&one(&format!("rates: {{{rates}, perGibSecond: -1}}"))),
        "book \"a\": rates.perGibSecond is -1; it must be a number of at least 0"
    );
    assert!(why(&one(&format!("rates: {{{rates}, perGibSeconds: 1}}"))).contains("perGibSeconds"));
    assert_eq!(why("currency: EUR\nbooks: []\n"), "it has no book");
    assert!(why("what").starts_with("it is no file of price books"));
}
