//! The Python of this machine: which interpreter `python3` on `PATH` is, and its version.
//!
//! Asking it costs a start of Python, and before that often a version manager's script, which takes longer. So the
//! answer is kept in the store, under everything that it depends on: for an interpreter its file, for a script of pyenv
//! the files and variables by which pyenv chooses. Of other scripts the rules are not known, and they are asked each
//! time.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::formats::digest::Digest;
use crate::formats::error::Error;
use crate::store::Store;

/// Variables that change which interpreter runs, besides those of pyenv.
const VARIABLES: [&str; 5] = ["PATH", "VIRTUAL_ENV", "PYTHONHOME", "PYTHONEXECUTABLE", "HOME"];
const PYENV: &str = "PYENV_";

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct HostPython {
    /// Python's own `sys.executable`: `python3` on PATH may be a version manager's script, which
    /// takes longer than Python to start.
    pub(super) executable: String,
    /// `3.11`.
    pub(super) version: String,
}

/// An answer, what it depends on, and the state of the interpreter's file then.
#[derive(Serialize, Deserialize)]
struct Kept {
    key: Digest,
    state: String,
    python: HostPython,
}

pub(super) fn find(store: &Store, source: &Path) -> Result<HostPython, Error> {
    let surroundings = Surroundings::own();
    let key = surroundings.key();
    let kept = store.kept_python().and_then(|bytes| serde_json::from_slice::<Kept>(&bytes).ok());
    if let Some(kept) = kept.filter(|kept| Some(&kept.key) == key.as_ref())
        && state(Path::new(&kept.python.executable)) == Some(kept.state)
    {
        return Ok(kept.python);
    }
    let python = ask(source)?;
    if let Some((key, state)) = key.zip(state(Path::new(&python.executable))) {
        let kept = Kept { key, state, python: python.clone() };
        let bytes = serde_json::to_vec(&kept).expect("texts are JSON");
        if let Err(error) = store.keep_python(&bytes) {
            tracing::debug!(%error, "the interpreter is asked again by the next build");
        }
    }
    Ok(python)
}

fn ask(source: &Path) -> Result<HostPython, Error> {
    let missing = || {
        let reason = "it needs python3, which is not on PATH; install it (Debian: `apt install python3 python3-pip`)";
        Error::build(source, reason)
    };
    let script = "import sys; print('%d.%d' % sys.version_info[:2]); print(sys.executable)";
    let output =
        Command::new("python3").args(["-c", script]).output().map_err(|_absent| missing())?;
    let said = String::from_utf8_lossy(&output.stdout);
    match said.trim().split_once('\n') {
        Some((version, executable)) if version.starts_with("3.") && executable.starts_with('/') => {
            Ok(HostPython { executable: executable.to_owned(), version: version.to_owned() })
        }
        Some(_) | None => Err(missing()),
    }
}

fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| file.is_file() && file.mode() & 0o111 != 0)
}

/// What tells a file from an earlier or another one at its path, behind links.
fn state(path: &Path) -> Option<String> {
    let file = fs::metadata(path).ok()?;
    let size = (file.len(), file.mtime(), file.mtime_nsec(), file.dev(), file.ino());
    Some(format!("{} {size:?}", fs::canonicalize(path).ok()?.display()))
}

/// What decides which interpreter `python3` is.
struct Surroundings {
    variables: Vec<(OsString, OsString)>,
    folder: PathBuf,
}

impl Surroundings {
    fn own() -> Self {
        let decides = |name: &OsStr| {
            name.to_str().is_some_and(|name| name.starts_with(PYENV) || VARIABLES.contains(&name))
        };
        let mut variables: Vec<_> = std::env::vars_os().filter(|(name, _)| decides(name)).collect();
        variables.sort();
        Self { variables, folder: std::env::current_dir().unwrap_or_default() }
    }

    fn variable(&self, name: &str) -> Option<&OsStr> {
        self.variables.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_os_str())
    }

    /// The digest of all that the answer depends on; none where that is not known.
    fn key(&self) -> Option<Digest> {
        let folders = std::env::split_paths(self.variable("PATH")?);
        let path = folders.map(|dir| dir.join("python3")).find(|path| is_program(path));
        let path = path.filter(|path| path.is_absolute())?;
        let mut text = format!("{}\n{}\n{:?}\n", path.display(), state(&path)?, self.variables);
        let target = fs::canonicalize(&path).ok()?;
        let mut magic = [0; 4];
        fs::File::open(&target).ok()?.read_exact(&mut magic).ok()?;
        let is_interpreter =
            magic == *b"\x7fELF" && target.file_name()?.to_str()?.starts_with("python3");
        if !is_interpreter {
            self.pyenv(&path, &mut text)?;
        }
        Some(Digest::of(text.as_bytes()))
    }

    /// By what a script of pyenv chooses: the file `.python-version` of this folder or of one above it, else `version`
    /// in pyenv's own folder.
    fn pyenv(&self, script: &Path, text: &mut String) -> Option<()> {
        let content = fs::read_to_string(script).ok()?;
        let is_known = content.contains("/libexec/pyenv\" exec \"$program\" \"$@\"");
        // It would begin to look elsewhere.
        let is_elsewhere = self.variable("PYENV_DIR").is_some();
        let root = script.parent()?.parent()?;
        if !is_known || is_elsewhere || script.parent()?.file_name()? != "shims" {
            return None;
        }
        let local = self.folder.ancestors().map(|folder| folder.join(".python-version"));
        for file in local.chain([root.join("version")]) {
            let content = fs::read_to_string(&file).unwrap_or_default();
            writeln!(text, "{}: {content:?}", file.display()).ok()?;
        }
        // An interpreter that was installed or removed since may be chosen, or no longer.
        writeln!(text, "{:?}", state(&root.join("versions"))).ok()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn write(path: &Path, content: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn surroundings(path: &Path, folder: &Path, more: &[(&str, &str)]) -> Surroundings {
        let mut variables = vec![("PATH".into(), path.into())];
        variables.extend(more.iter().map(|(name, value)| (name.into(), value.into())));
        Surroundings { variables, folder: folder.to_owned() }
    }

    #[test]
    fn an_interpreter_is_known_by_its_file() {
        let temp = tempfile::tempdir().unwrap();
        let (bin, real) = (temp.path().join("bin"), temp.path().join("real/python3.11"));
        write(&real, "\u{7f}ELF one");
        fs::create_dir_all(&bin).unwrap();
        symlink(&real, bin.join("python3")).unwrap();
        let key = || surroundings(&bin, temp.path(), &[]).key();
        let first = key().unwrap();
        assert_eq!(key().as_ref(), Some(&first));
        write(&real, "\u{7f}ELF another");
        assert_ne!(key(), Some(first), "it was replaced");
        // A program that is called python3 and chooses an interpreter by rules of its own.
        fs::rename(&real, temp.path().join("real/manager")).unwrap();
        fs::remove_file(bin.join("python3")).unwrap();
        symlink(temp.path().join("real/manager"), bin.join("python3")).unwrap();
        assert_eq!(key(), None);
        assert_eq!(surroundings(Path::new("/nowhere"), temp.path(), &[]).key(), None);
    }

    #[test]
    fn a_script_of_pyenv_is_known_by_the_files_by_which_it_chooses() {
        let temp = tempfile::tempdir().unwrap();
        let (root, folder) = (temp.path().join("pyenv"), temp.path().join("a/b"));
        let (shims, script) = (root.join("shims"), root.join("shims/python3"));
        fs::create_dir_all(&folder).unwrap();
        write(&script, "#!/bin/sh\nexec \"/x/libexec/pyenv\" exec \"$program\" \"$@\"\n");
        write(&root.join("version"), "3.11");
        let key = |more: &[(&str, &str)]| surroundings(&shims, &folder, more).key();
        let mut seen = vec![key(&[]).unwrap()];
        assert_eq!(key(&[]).as_ref(), seen.first());
        assert_eq!(key(&[("PYENV_DIR", "/y")]), None);
        let mut is_another = |key: Option<Digest>| {
            let key = key.unwrap();
            assert!(!seen.contains(&key));
            seen.push(key);
        };
        is_another(key(&[("PYENV_VERSION", "3.12")]));
        write(&root.join("version"), "3.12");
        is_another(key(&[]));
        write(&temp.path().join("a/.python-version"), "3.13");
        is_another(key(&[]));
        write(&script, "#!/bin/sh\nexec some-manager python3 \"$@\"\n");
        assert_eq!(key(&[]), None);
    }
}
