//! Attempts to break the platform that need seconds or minutes, each with the bound that holds it.
//!
//! `cargo build --release -p rouse -p rouse-tests && cargo run --release -p rouse-tests --bin hostile [NAME…]`
//! Without a name, all but the soak. Ends with 1 if a bound did not hold.

mod bystander;
mod files;
mod heads;
mod http2;
mod patches;
mod readers;
mod report;
mod soak;
mod stage;

use std::process::ExitCode;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use self::report::Row;

type Attempt = fn() -> anyhow::Result<Vec<Row>>;

const ATTEMPTS: [(&str, &str, Attempt); 6] = [
    ("slow-readers", "clients that do not read their answers", readers::http1),
    ("slow-streams", "HTTP/2 clients that do not read their answers", readers::http2),
    ("slow-heads", "clients that never finish the head of a request", heads::run),
    ("files", "more clients than the platform may open files", files::run),
    ("patches", "JSON patches that multiply what they patch", patches::run),
    ("soak", "ten minutes at full load", soak::run),
];

fn main() -> anyhow::Result<ExitCode> {
    let names: Vec<String> = std::env::args().skip(1).collect();
    let known = |name: &String| ATTEMPTS.iter().any(|(known, ..)| known == name);
    if let Some(unknown) = names.iter().find(|name| !known(name)) {
        let known: Vec<_> = ATTEMPTS.iter().map(|(name, ..)| *name).collect();
        anyhow::bail!("there is no attempt {unknown}; write one of: {}", known.join(", "));
    }
    open_files()?;
    let mut held = true;
    for (name, what, attempt) in ATTEMPTS {
        let wanted = names.iter().any(|wanted| wanted == name);
        if !(wanted || names.is_empty() && name != "soak") {
            continue;
        }
        println!("{name}: {what} …");
        for row in attempt()? {
            held &= row.held;
            println!("{row}");
        }
    }
    Ok(if held { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Raises this program's own limit of open files: its clients need more than most begin with.
fn open_files() -> anyhow::Result<()> {
    const NEEDED: u64 = 4096;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    anyhow::ensure!(maximum.is_none_or(|most| most >= NEEDED), "run it with ulimit -Hn {NEEDED}");
    if current.is_some_and(|current| current < NEEDED) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(NEEDED), maximum })?;
    }
    Ok(())
}
