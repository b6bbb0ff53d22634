//! Executable files, and the `#!` interpreters of scripts.

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

pub(crate) fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// The interpreter and its one argument from a script's first line.
pub(crate) fn shebang(path: &Path) -> Option<(String, Option<String>)> {
    let mut start = [0; 256];
    let n = fs::File::open(path).and_then(|mut file| file.read(&mut start)).ok()?;
    let line = start[..n].strip_prefix(b"#!")?.split(|b| *b == b'\n').next()?;
    let line = std::str::from_utf8(line).ok()?.trim();
    let (interpreter, argument) = match line.split_once([' ', '\t']) {
        Some((interpreter, argument)) => (interpreter, Some(argument.trim().to_owned())),
        None => (line, None),
    };
    Some((interpreter.to_owned(), argument.filter(|argument| !argument.is_empty())))
}
