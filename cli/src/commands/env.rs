//! `rouse env`: shell lines for `eval`.

use crate::args::Global;
use crate::datadir::DataDir;
use crate::outcome::{Failure, Result};
use crate::platform::pki;
use crate::printer::Printer;
use crate::shell::export;

pub(crate) fn run(global: &Global, printer: &Printer) -> Result {
    let dir = DataDir::chosen(global.data_dir.as_deref())?;
    let kubeconfig = dir.kubeconfig();
    if !kubeconfig.exists() {
        return Err(Failure::new(format!("there is no kubeconfig in {}", dir.path().display()))
            .next("rouse up"));
    }
    let authority = dir.join(pki::AUTHORITY);
    if printer.json() {
        printer.document(&serde_json::json!({
            "KUBECONFIG": kubeconfig,
            "ROUSE_DATA_DIR": dir.path(),
            "ROUSE_CA": authority,
        }));
        return Ok(());
    }
    printer.line(export("KUBECONFIG", &kubeconfig.display().to_string()));
    printer.line(export("ROUSE_DATA_DIR", &dir.path().display().to_string()));
    printer.line(export("ROUSE_CA", &authority.display().to_string()));
    // Last: a shell that joins the lines takes the rest for a comment.
    printer.line("# for https: curl --cacert \"$ROUSE_CA\" https://NAME.NAMESPACE.localhost:PORT");
    Ok(())
}
