//! Libraries of a program: on this machine, and in an unpacked image.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::elf;
use super::paths::resolve_in_rootfs;
use crate::formats::error::Error;

/// Host paths of a program's loader and of every library that it needs, directly or not. Asks the
/// loader (`--list`), which knows the host's search order and does not run the program. Empty for a
/// static program.
pub(crate) fn linked_files(program: &Path) -> Result<Vec<PathBuf>, Error> {
    let elf = elf::read(program).map_err(Error::io("read", program))?;
    let Some(loader) = elf.and_then(|elf| elf.interpreter) else { return Ok(Vec::new()) };
    let output = Command::new(&loader)
        .arg("--list")
        .arg(program)
        .env_remove("LD_PRELOAD")
        .output()
        .map_err(|e| {
            Error::build(program, format!("its loader {loader} does not run here: {e}"))
        })?;
    let listing = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(Error::build(
            program,
            format!("its libraries cannot be listed: {}", said.trim()),
        ));
    }
    let mut files = parse_listing(&listing).map_err(|missing| {
        Error::build(
            program,
            format!(
                "it links to {missing}, which is not on this machine; install it or link statically"
            ),
        )
    })?;
    let loader = PathBuf::from(loader);
    if !files.contains(&loader) {
        files.push(loader);
    }
    Ok(files)
}

/// The paths in the loader's `NAME => PATH (0x…)` lines; the name of a library not found.
fn parse_listing(listing: &str) -> Result<Vec<PathBuf>, String> {
    let mut files = Vec::new();
    for line in listing.lines().map(str::trim) {
        let (name, place) = line.split_once(" => ").unwrap_or((line, line));
        if place == "not found" {
            return Err(name.to_owned());
        }
        let path = place.split(" (0x").next().unwrap_or_default();
        if path.starts_with('/') {
            files.push(PathBuf::from(path));
        }
    }
    Ok(files)
}

/// The folders of an unpacked image in which its loader would look for libraries.
pub(crate) fn library_dirs(rootfs: &Path) -> Vec<PathBuf> {
    let arch = std::env::consts::ARCH;
    let mut dirs: Vec<String> = configured_dirs(rootfs);
    dirs.extend([
        format!("/lib/{arch}-linux-gnu"),
        format!("/usr/lib/{arch}-linux-gnu"),
        "/lib64".to_owned(),
        "/usr/lib64".to_owned(),
        "/lib".to_owned(),
        "/usr/lib".to_owned(),
        "/usr/local/lib".to_owned(),
    ]);
    let mut found: Vec<PathBuf> = Vec::new();
    for dir in dirs {
        let path = resolve_in_rootfs(rootfs, Path::new(&dir)).filter(|path| path.is_dir());
        found.extend(path.filter(|path| !found.contains(path)));
    }
    found
}

/// The folders listed in the image's `/etc/ld.so.conf.d`.
fn configured_dirs(rootfs: &Path) -> Vec<String> {
    let Some(conf) = resolve_in_rootfs(rootfs, Path::new("/etc/ld.so.conf.d")) else {
        return Vec::new();
    };
    let Ok(files) = fs::read_dir(conf) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = files.filter_map(|file| Some(file.ok()?.path())).collect();
    paths.sort();
    let texts = paths.iter().filter_map(|path| fs::read_to_string(path).ok());
    texts
        .flat_map(|text| text.lines().map(|line| line.trim().to_owned()).collect::<Vec<_>>())
        .filter(|line| line.starts_with('/'))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linked_program_needs_its_loader_and_libraries() {
        // The test binary is dynamically linked.
        let program = std::env::current_exe().unwrap();
        let loader = elf::read(&program).unwrap().unwrap().interpreter.unwrap();
        let files = linked_files(&program).unwrap();
        assert!(files.contains(&PathBuf::from(loader)));
        assert!(files.iter().any(|file| file.to_string_lossy().contains("libc.so")), "{files:?}");
    }

    #[test]
    fn a_listing_gives_paths_and_says_what_is_missing() {
        let listing = "\tlinux-vdso.so.1 (0x1)\n\tlibc.so.6 => /lib/libc.so.6 (0x2)\n\t/lib64/ld.so.2 (0x3)\n";
        assert_eq!(
            parse_listing(listing),
            Ok(vec!["/lib/libc.so.6".into(), "/lib64/ld.so.2".into()])
        );
        assert_eq!(parse_listing("\tlibgone.so.1 => not found\n"), Err("libgone.so.1".to_owned()));
    }
}
