//! ELF headers of an executable: its loader and its library search paths.

use std::fs::File;
use std::io;
use std::path::Path;

use object::LittleEndian;
use object::elf::{DT_RPATH, DT_RUNPATH, DT_STRSZ, DT_STRTAB, FileHeader64, ProgramHeader64};
use object::read::elf::{Dyn, FileHeader, ProgramHeader};
use object::read::{ReadCache, ReadRef, StringTable};

/// The loader and library paths of a 64-bit little-endian ELF file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Elf {
    /// The loader, for dynamically linked programs.
    pub(crate) interpreter: Option<String>,
    /// `RPATH` and `RUNPATH`, as written.
    pub(crate) library_paths: Vec<String>,
}

type Header = FileHeader64<LittleEndian>;

/// Reads the ELF headers; `None` if the file is not ELF.
pub(crate) fn read(path: &Path) -> io::Result<Option<Elf>> {
    let data = ReadCache::new(File::open(path)?);
    let Ok(header) = Header::parse(&data) else { return Ok(None) };
    let Ok(endian) = header.endian() else { return Ok(None) };
    segments(&data, header, endian).map(Some).map_err(io::Error::other)
}

fn segments<'a>(
    data: impl ReadRef<'a>,
    header: &Header,
    endian: LittleEndian,
) -> object::read::Result<Elf> {
    let mut elf = Elf::default();
    let segments = header.program_headers(endian, data)?;
    for segment in segments {
        if let Some(interpreter) = segment.interpreter(endian, data)? {
            elf.interpreter = Some(String::from_utf8_lossy(interpreter).into_owned());
        }
        let Some(entries) = segment.dynamic(endian, data)? else { continue };
        let value = |tag| entries.iter().find(|d| d.tag(endian) == tag).map(|d| d.val(endian));
        let Some((address, size)) = value(DT_STRTAB).zip(value(DT_STRSZ)) else { continue };
        let loaded = |s: &ProgramHeader64<_>| s.data_range(endian, data, address, size).ok()?;
        let strings = segments.iter().find_map(loaded).unwrap_or_default();
        let strings = StringTable::new(strings, 0, size);
        for entry in entries.iter().filter(|d| [DT_RPATH, DT_RUNPATH].contains(&d.tag(endian))) {
            let paths = String::from_utf8_lossy(entry.string(endian, strings)?).into_owned();
            let paths = paths.split(':').filter(|path| !path.is_empty());
            elf.library_paths.extend(paths.map(str::to_owned));
        }
    }
    Ok(elf)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_linked_program_names_its_loader() {
        // The test binary is dynamically linked.
        let elf = read(&std::env::current_exe().unwrap()).unwrap().unwrap();
        let loader = elf.interpreter.unwrap();
        assert!(loader.contains("ld-"), "{loader}");
    }

    /// An ELF file: a header, a segment that is loaded at 0x1000, and a dynamic section in it.
    fn program(dynamic: &[(u64, u64)], strings: &[u8]) -> Vec<u8> {
        let (start, size) = (176_u64, 16 * dynamic.len() as u64);
        let whole = start + size + strings.len() as u64;
        let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
        bytes.resize(16, 0);
        let segment = |kind: u32, offset: u64, size: u64| {
            let mut header = [kind.to_le_bytes(), [4, 0, 0, 0]].concat();
            for field in [offset, 0x1000 + offset, 0x1000 + offset, size, size, 8] {
                header.extend(field.to_le_bytes());
            }
            header
        };
        // Shared object for x86-64; program headers follow the header at once.
        bytes.extend([3, 0, 62, 0, 1, 0, 0, 0]);
        for field in [0_u64, 64, 0] {
            bytes.extend(field.to_le_bytes());
        }
        bytes.extend([0, 0, 0, 0, 64, 0, 56, 0, 2, 0, 64, 0, 0, 0, 0, 0]);
        bytes.extend(segment(1, 0, whole));
        bytes.extend(segment(2, start, size));
        for (tag, value) in dynamic {
            bytes.extend([tag.to_le_bytes(), value.to_le_bytes()].concat());
        }
        bytes.extend(strings);
        bytes
    }

    #[test]
    fn a_program_says_where_its_libraries_are() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("program");
        let strings = b"\0/opt/lib:$ORIGIN/../lib::\0/old\0";
        let at = 0x1000 + 176 + 16 * 5;
        let table = [(5, at), (10, strings.len() as u64), (29, 1), (15, 27), (0, 0)];
        fs::write(&path, program(&table, strings)).unwrap();
        let elf = read(&path).unwrap().unwrap();
        assert_eq!(elf.library_paths, ["/opt/lib", "$ORIGIN/../lib", "/old"]);
        assert_eq!(elf.interpreter, None);
    }

    #[test]
    fn a_damaged_program_is_an_error_and_nothing_more() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("program");
        let strings = b"\0/opt/lib\0";
        let at = 0x1000 + 176 + 16 * 4;
        for table in [
            [(5, at), (10, strings.len() as u64), (29, u64::MAX), (0, 0)],
            [(5, at), (10, strings.len() as u64), (29, 4000), (0, 0)],
        ] {
            fs::write(&path, program(&table, strings)).unwrap();
            assert!(read(&path).is_err(), "{table:?}");
        }
        let outside = [(5, u64::MAX), (10, u64::MAX), (29, 1), (0, 0)];
        let whole = program(&outside, strings);
        for length in [whole.len(), 200, 100, 64] {
            fs::write(&path, &whole[..length]).unwrap();
            assert!(read(&path).is_err() || length == 64, "{length}");
        }
    }

    #[test]
    fn a_file_that_is_not_elf_is_none() {
        let dir = tempfile::tempdir().unwrap();
        for (name, bytes) in
            [("empty", &b""[..]), ("script", b"#!/bin/sh\n"), ("short", b"\x7fELF\x02\x01")]
        {
            let path = dir.path().join(name);
            fs::write(&path, bytes).unwrap();
            assert_eq!(read(&path).unwrap(), None, "{name}");
        }
    }
}
