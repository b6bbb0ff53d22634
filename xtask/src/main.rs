//! `cargo xtask COMMAND`: run a generator or a check.

use std::path::Path;

use anyhow::{Result, bail};

const USAGE: &str = "usage: cargo xtask COMMAND
  kinds DIR    write cluster/schema/kinds/types.json from the Kubernetes API sources under DIR
  manifests    write manifests/crds/ and manifests/initial.json
  tidy         check file headers, file lengths and forbidden words
  edges        check the crates' dependencies against the design
  circles      show the layers of each crate, and the modules that use one another in a circle";

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["kinds", directory] => xtask::kinds::generate(Path::new(directory)),
        ["manifests"] => xtask::manifests::generate(),
        ["tidy"] => report("tidy", &xtask::tidy::check(&xtask::root())?),
        ["edges"] => report("edges", &xtask::edges::check()?),
        ["circles"] => {
            print!("{}", xtask::circles::table()?);
            report("circles", &xtask::circles::check()?)
        }
        _ => bail!("{USAGE}"),
    }
}

fn report(what: &str, problems: &[String]) -> Result<()> {
    for problem in problems {
        eprintln!("{problem}");
    }
    if problems.is_empty() {
        return Ok(());
    }
    bail!("{what}: {} problems", problems.len())
}
