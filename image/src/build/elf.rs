//! What an executable links to: a small reader of 64-bit little-endian ELF, and the host's answer to
//! where the libraries are.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::Error;
use crate::rootfs::resolve_in_rootfs;

/// Tables larger than this are not of a real program.
const TABLE_BYTES_MAX: u64 = 16 << 20;

const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
const PT_INTERP: u32 = 3;
const DT_STRTAB: u64 = 5;
const DT_RPATH: u64 = 15;
const DT_RUNPATH: u64 = 29;

/// What matters of an ELF file here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Elf {
    /// The loader, for dynamically linked programs.
    pub(crate) interpreter: Option<String>,
    /// `RPATH` and `RUNPATH`, as written.
    pub(crate) library_paths: Vec<String>,
}

struct Segment {
    kind: u32,
    offset: u64,
    address: u64,
    size: u64,
}

/// Reads the head of an ELF file; `None` if it is something else.
pub(crate) fn read(path: &Path) -> io::Result<Option<Elf>> {
    let mut file = File::open(path)?;
    let mut head = [0; 64];
    if file.read_exact(&mut head).is_err() || !head.starts_with(b"\x7fELF\x02\x01") {
        return Ok(None);
    }
    let (table, entry_size, entries) = (u64_at(&head, 32), u16_at(&head, 54), u16_at(&head, 56));
    let bytes = read_at(&mut file, table, u64::from(entry_size) * u64::from(entries))?;
    let mut segments = Vec::new();
    for entry in bytes.chunks_exact(usize::from(entry_size.max(56))) {
        segments.push(Segment {
            kind: u32_at(entry, 0),
            offset: u64_at(entry, 8),
            address: u64_at(entry, 16),
            size: u64_at(entry, 32),
        });
    }
    let of_kind = |kind| segments.iter().find(|segment| segment.kind == kind);
    let mut elf = Elf::default();
    if let Some(segment) = of_kind(PT_INTERP) {
        elf.interpreter = Some(c_string(&read_at(&mut file, segment.offset, segment.size)?));
    }
    if let Some(segment) = of_kind(PT_DYNAMIC) {
        let dynamic = read_at(&mut file, segment.offset, segment.size)?;
        elf.library_paths = library_paths(&mut file, &dynamic, &segments)?;
    }
    Ok(Some(elf))
}

fn library_paths(file: &mut File, dynamic: &[u8], segments: &[Segment]) -> io::Result<Vec<String>> {
    let tags: Vec<(u64, u64)> =
        dynamic.chunks_exact(16).map(|tag| (u64_at(tag, 0), u64_at(tag, 8))).collect();
    let Some((_, strings)) = tags.iter().find(|(tag, _)| *tag == DT_STRTAB) else {
        return Ok(Vec::new());
    };
    let holds = |s: &&Segment| {
        s.kind == PT_LOAD && (s.address..s.address.saturating_add(s.size)).contains(strings)
    };
    let Some(segment) = segments.iter().find(holds) else { return Ok(Vec::new()) };
    let strings = segment.offset + (strings - segment.address);
    let mut paths = Vec::new();
    for (_, offset) in tags.iter().filter(|(tag, _)| matches!(*tag, DT_RPATH | DT_RUNPATH)) {
        // Paths are far shorter; the read may end with the file.
        file.seek(SeekFrom::Start(strings.saturating_add(*offset)))?;
        let mut text = Vec::new();
        Read::take(&mut *file, 4096).read_to_end(&mut text)?;
        paths.extend(c_string(&text).split(':').filter(|path| !path.is_empty()).map(str::to_owned));
    }
    Ok(paths)
}

fn read_at(file: &mut File, offset: u64, size: u64) -> io::Result<Vec<u8>> {
    if size > TABLE_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "an ELF table of impossible size"));
    }
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::new();
    Read::take(&mut *file, size).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn c_string(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

fn number<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes[at..at + N].try_into().expect("the slice has N bytes")
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(number(bytes, at))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(number(bytes, at))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(number(bytes, at))
}

/// The files of the host that a program needs besides itself, by their paths there: its loader and
/// every library, also those that libraries need. Asks the program's loader, which knows the host's
/// search order and starts nothing. Empty for a static program.
pub(crate) fn linked_files(program: &Path) -> Result<Vec<PathBuf>, Error> {
    let elf = read(program).map_err(Error::io("read", program))?;
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

/// The paths in the loader's `NAME => PATH (0x…)` lines; the name of a library that has none.
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

/// What `/etc/ld.so.conf.d` names.
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
    fn a_linked_program_names_its_loader_and_libraries() {
        // The test itself is one.
        let program = std::env::current_exe().unwrap();
        let elf = read(&program).unwrap().unwrap();
        let loader = elf.interpreter.unwrap();
        assert!(loader.contains("ld-"), "{loader}");
        let files = linked_files(&program).unwrap();
        assert!(files.contains(&PathBuf::from(loader)));
        assert!(files.iter().any(|file| file.to_string_lossy().contains("libc.so")), "{files:?}");
    }

    #[test]
    fn what_is_no_elf_is_none() {
        let dir = tempfile::tempdir().unwrap();
        for (name, bytes) in
            [("empty", &b""[..]), ("script", b"#!/bin/sh\n"), ("short", b"\x7fELF\x02\x01")]
        {
            let path = dir.path().join(name);
            fs::write(&path, bytes).unwrap();
            assert_eq!(read(&path).unwrap(), None, "{name}");
        }
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
