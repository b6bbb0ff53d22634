//! `rouse status`: whether the platform of the data directory runs, where, and with what.

use crate::args::Global;
use crate::datadir::DataDir;
use crate::outcome::{Failure, Result};
use crate::printer::Printer;

pub(crate) fn run(global: &Global, printer: &Printer) -> Result {
    let dir = DataDir::chosen(global.data_dir.as_deref())?;
    let Some(up) = dir.running() else {
        if printer.json() {
            printer.document(&serde_json::json!({ "running": false, "dataDir": dir.path() }));
        }
        return Err(
            Failure::new(format!("nothing runs in {}", dir.path().display())).next("rouse up")
        );
    };
    if printer.json() {
        let mut document = serde_json::to_value(&up).unwrap_or_default();
        document["running"] = true.into();
        document["dataDir"] = dir.path().display().to_string().into();
        printer.document(&document);
        return Ok(());
    }
    printer.line(format!("running     process {} since {}", up.pid, up.since));
    printer.line(format!("API         {}", up.api));
    printer.line(format!("gateway     {}", up.http));
    printer.line(format!("runtime     {} ({})", up.runtime, up.runtime_because));
    printer.line(format!(
        "state       {}",
        if up.ephemeral {
            "in memory".to_owned()
        } else {
            dir.join("state.redb").display().to_string()
        }
    ));
    printer.line(format!("kubeconfig  {}", up.kubeconfig.display()));
    Ok(())
}
