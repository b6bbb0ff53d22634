//! `rouse env`: shell lines for `eval`.

use crate::args::Global;
use crate::datadir::DataDir;
use crate::outcome::{Failure, Result};
use crate::printer::Printer;

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

/// One `export`, quoted for any POSIX shell.
pub(crate) fn export(name: &str, value: &str) -> String {
    format!("export {name}={}", quoted(value))
}

/// One word of a shell's line.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@=".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_quoted_only_where_a_shell_needs_it() {
        assert_eq!(export("A", "/home/me/k"), "export A=/home/me/k");
        assert_eq!(export("A", "/my dir/it's"), r"export A='/my dir/it'\''s'");
    }
}
