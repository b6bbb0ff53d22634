//! The kind of a source, decided by its files; an unclear one is refused with the next step.

use std::fs;
use std::path::{Path, PathBuf};

use crate::files::program::is_executable;
use crate::formats::error::Error;

/// The served Python file: the first that exists.
pub(super) const MODULES: [&str; 3] = ["main.py", "app.py", "streamlit_app.py"];

/// How a source is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A folder whose `Procfile` says what to run.
    Procfile,
    /// An executable, or a folder with exactly one.
    Executable,
    /// A folder with `main.py`, served by functions-framework.
    PythonFunction,
    /// A folder with `main.py` or `app.py`, served by the server of its web framework or by itself.
    PythonApp,
}

impl Kind {
    /// For people: "Python function".
    pub fn label(self) -> &'static str {
        match self {
            Self::Procfile => "Procfile",
            Self::Executable => "executable",
            Self::PythonFunction => "Python function",
            Self::PythonApp => "Python application",
        }
    }
}

/// A `Procfile` wins, because it names the command; then `main.py`; then one executable.
pub(crate) fn kind(source: &Path) -> Result<Kind, Error> {
    if source.is_file() {
        return if is_executable(source) {
            Ok(Kind::Executable)
        } else {
            let reason =
                "it is a file that is not executable; run `chmod +x` on it, or name its folder";
            Err(Error::build(source, reason))
        };
    }
    if source.join("Procfile").is_file() {
        return Ok(Kind::Procfile);
    }
    if MODULES.iter().any(|file| source.join(file).is_file()) {
        // Or an application: its content decides later.
        return Ok(Kind::PythonFunction);
    }
    match executables(source)?.as_slice() {
        [_one] => Ok(Kind::Executable),
        [] => Err(Error::build(source, nothing_to_run(source))),
        several => {
            let names: Vec<_> =
                several.iter().filter_map(|path| path.file_name()?.to_str()).collect();
            let list = names.join(", ");
            let reason = format!(
                "it holds several executables ({list}); name one, or say which to run in a file Procfile: `web: ./{}`",
                names.first().unwrap_or(&"server")
            );
            Err(Error::build(source, reason))
        }
    }
}

/// The refusal of a source; for other tools' sources it names the missing step.
fn nothing_to_run(source: &Path) -> String {
    let expected = "expected a Procfile (`web: COMMAND`), a main.py, or one executable file";
    let hints = [
        (
            "Dockerfile",
            "its Dockerfile is built with `docker build`; deploy the result with --image",
        ),
        ("Cargo.toml", "compile it with `cargo build --release` and name the executable"),
        ("go.mod", "compile it with `go build` and name the executable"),
        (
            "requirements.txt",
            "a Python function or application is in main.py or app.py, beside requirements.txt",
        ),
        (
            "pyproject.toml",
            "a Python function or application is in main.py or app.py, beside pyproject.toml; or write how to start it in a Procfile: `web: gunicorn PACKAGE:app`",
        ),
        ("package.json", "write how to start it in a Procfile: `web: node server.js`"),
    ];
    match hints.iter().find(|(file, _)| source.join(file).exists()) {
        Some((_, hint)) => format!("there is nothing to run in it: {hint}"),
        None => format!("there is nothing to run in it: {expected}"),
    }
}

/// The executable files directly in a folder, by name.
pub(crate) fn executables(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = fs::read_dir(dir).map_err(Error::io("read", dir))?;
    let mut found: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| is_executable(path))
        .collect();
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn folder(files: &[(&str, u32)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, mode) in files {
            let path = dir.path().join(name);
            fs::write(&path, "").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(*mode)).unwrap();
        }
        dir
    }

    #[test]
    fn the_files_in_a_folder_decide_its_kind() {
        for (files, kind_) in [
            (&[("Procfile", 0o644), ("main.py", 0o644), ("a", 0o755)][..], Kind::Procfile),
            (&[("main.py", 0o755), ("a", 0o755)], Kind::PythonFunction),
            (&[("streamlit_app.py", 0o644)], Kind::PythonFunction),
            (&[("server", 0o755), ("model.json", 0o644)], Kind::Executable),
        ] {
            assert_eq!(kind(folder(files).path()).unwrap(), kind_, "{files:?}");
        }
    }

    #[test]
    fn an_unclear_source_is_refused_with_the_next_step() {
        for (files, says) in [
            (&[][..], "expected a Procfile"),
            (&[("Dockerfile", 0o644)], "docker build"),
            (&[("Cargo.toml", 0o644)], "cargo build"),
            (&[("a", 0o755), ("b", 0o755)], "several executables (a, b)"),
        ] {
            let error = kind(folder(files).path()).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
        let dir = folder(&[("data", 0o644)]);
        let error = kind(&dir.path().join("data")).unwrap_err().to_string();
        assert!(error.contains("chmod +x"), "{error}");
    }
}
