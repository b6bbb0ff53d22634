//! `rouse digits`: the models of the demo, trained and served by this very program.

use std::path::Path;

use rouse_digits::{Digit, Model};

use crate::args::Digits;
use crate::outcome::{Context, Result};
use crate::printer::Printer;

/// The command of the image; the model lies beside the program.
const PROCFILE: &str = "web: ./rouse digits serve --model model.json\n";

pub(crate) async fn run(args: &Digits, printer: &Printer) -> Result {
    match args {
        Digits::Train { dir } => train(dir, printer),
        Digits::Serve { model } => {
            rouse_digits::run(model).await.or_fail(|| "the model server ended".to_owned())
        }
    }
}

/// Trains both models into folders that `rouse build` takes.
fn train(dir: &Path, printer: &Printer) -> Result {
    let models = rouse_digits::train().or_fail(|| "the models cannot be trained".to_owned())?;
    let program =
        std::env::current_exe().or_fail(|| "cannot find this program's own file".to_owned())?;
    for model in &models {
        let source = dir.join(&model.version);
        std::fs::create_dir_all(&source).or_fail(|| format!("cannot make {}", source.display()))?;
        model
            .save(&model_file(dir, &model.version))
            .or_fail(|| "cannot save a model".to_owned())?;
        std::fs::write(source.join("Procfile"), PROCFILE)
            .or_fail(|| "cannot write a Procfile".to_owned())?;
        place(&program, &source.join("rouse"))?;
        printer.progress(format!(
            "{}  {:.1} % of the held-out images right",
            source.display(),
            model.accuracy * 100.0
        ));
    }
    let held_out = rouse_digits::held_out();
    if let Some(first) = models.first() {
        let pixels = &held_out[shown(first, &held_out)?].pixels;
        let request = serde_json::json!({ "instances": [pixels] });
        let file = request_file(dir);
        std::fs::write(&file, request.to_string())
            .or_fail(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}

/// The first image that a model reads right.
pub(crate) fn shown(model: &Model, held_out: &[Digit]) -> Result<usize> {
    let pixels: Vec<_> = held_out.iter().map(|digit| digit.pixels.clone()).collect();
    let read = model.predict(&pixels).or_fail(|| "the model fails".to_owned())?;
    Ok(read.iter().zip(held_out).position(|(read, digit)| *read == digit.label).unwrap_or(0))
}

/// Where [`train`] puts a request to read one digit.
pub(crate) fn request_file(dir: &Path) -> std::path::PathBuf {
    dir.join("digit.json")
}

/// Where [`train`] puts a model.
pub(crate) fn model_file(dir: &Path, version: &str) -> std::path::PathBuf {
    dir.join(version).join("model.json")
}

/// Puts this program at `at`, as a hard link where that is possible.
fn place(program: &Path, at: &Path) -> Result {
    if at.exists() {
        std::fs::remove_file(at).or_fail(|| format!("cannot replace {}", at.display()))?;
    }
    if std::fs::hard_link(program, at).is_ok() {
        return Ok(());
    }
    std::fs::copy(program, at)
        .map(drop)
        .or_fail(|| format!("cannot copy this program to {}", at.display()))
}
