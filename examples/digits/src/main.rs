//! `digits train [DIR]` writes `DIR/v1.json` and `DIR/v2.json`; `digits serve --model FILE` serves
//! one of them.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "usage: digits train [DIR]\n       digits serve --model FILE";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args.as_slice() {
        ["train"] => train(Path::new(".")),
        ["train", dir] => train(Path::new(dir)),
        ["serve", "--model", model] => serve(PathBuf::from(model)),
        _other => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn train(dir: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(dir)?;
    for model in rouse_digits::train()? {
        let path = dir.join(format!("{}.json", model.version));
        model.save(&path)?;
        println!(
            "{}  {:.1} % of the held-out images right",
            path.display(),
            model.accuracy * 100.0
        );
    }
    Ok(())
}

fn serve(model: PathBuf) -> anyhow::Result<()> {
    // One thread: a prediction takes microseconds, and the process starts sooner.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(rouse_digits::run(&model))
}
