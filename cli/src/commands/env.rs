//! `rouse env`: shell lines for `eval`.

use crate::args::Global;
use crate::datadir::DataDir;
use crate::outcome::{Failure, Result};
use crate::printer::Printer;
use crate::shell::export;

pub(crate) fn run(global: &Global, printer: &Printer) -> Result {
    let dir = DataDir::chosen(global.data_dir.as_deref())?;
    let kubeconfig = dir.kubeconfig();
    if !kubeconfig.exists() {
        return Err(Failure::new(format!("there is no kubeconfig in {}", dir.path().display()))
            .next("rouse up"));
    }
    if printer.json() {
        printer.document(
            &serde_json::json!({ "KUBECONFIG": kubeconfig, "ROUSE_DATA_DIR": dir.path() }),
        );
        return Ok(());
    }
    printer.line(export("KUBECONFIG", &kubeconfig.display().to_string()));
    printer.line(export("ROUSE_DATA_DIR", &dir.path().display().to_string()));
    Ok(())
}
