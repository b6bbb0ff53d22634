//! Benchmarks: each prints its figures, none asserts them.
//!
//! `cargo build --release -p rouse -p rouse-tests -p rouse-digits && cargo run --release -p rouse-tests --bin bench [NAME…] [--runs N]`
//! Names: start, memory, rest (or rest-connections, rest-churn, rest-idle), cold, deploy, warm, api. Peers are measured in the same run.

#![expect(clippy::disallowed_methods, reason = "a client ends with its measurement")]

mod api;
mod cold;
mod deploy;
mod memory;
mod programs;
mod rest;
mod setup;
mod start;
mod stats;
mod warm;

use self::setup::Wanted;

type Benchmark = fn(&Wanted) -> anyhow::Result<()>;

fn main() -> anyhow::Result<()> {
    let wanted = Wanted::parse(std::env::args().skip(1))?;
    println!("rouse {}, {} runs", rouse_tests::platform::binary().display(), wanted.runs);
    let all: [(&str, Benchmark); 9] = [
        ("start", start::run),
        ("memory", memory::run),
        ("rest-connections", rest::connections),
        ("rest-churn", rest::churn),
        ("rest-idle", rest::idle),
        ("cold", cold::run),
        ("deploy", deploy::run),
        ("warm", warm::run),
        ("api", api::run),
    ];
    for (name, run) in all {
        if wanted.includes(name) {
            println!("\n== {name}");
            if let Err(error) = run(&wanted) {
                println!("not measured: {error:#}");
            }
        }
    }
    Ok(())
}
