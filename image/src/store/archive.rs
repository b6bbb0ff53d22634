//! The files of an archive of images, read into a temporary folder before anything of them is used.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write as _};
use std::path::{Component, Path, PathBuf};
use std::time::Instant;

use flate2::read::MultiGzDecoder;
use tar::{Archive, Entry, EntryType};

use super::budget::Budget;
use super::layout::Store;
use super::temp::TempFolder;
use crate::formats::bound::{Bound, DOCUMENT_BYTES_MAX};
use crate::formats::digest::{Digest, HashingWriter};
use crate::formats::error::Error;

/// Of an archive: a file for each layer and a few documents for each image.
const FILES_MAX: usize = 8192;
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// Links followed to find one file.
const LINKS_MAX: usize = 8;

/// One file of an archive.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    path: PathBuf,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    pub(crate) is_gzip: bool,
}

/// The files of an archive, by their paths in it; removed when dropped.
pub(crate) struct Parts {
    _dir: TempFolder,
    files: BTreeMap<String, Part>,
    /// Links, which older engines write for layers that images share.
    links: BTreeMap<String, String>,
}

impl Parts {
    /// The file at a path, through links.
    pub(crate) fn at(&self, path: &str) -> Option<&Part> {
        let mut path = normal(Path::new(path))?;
        for _ in 0..LINKS_MAX {
            match self.links.get(&path) {
                Some(target) => path.clone_from(target),
                None => return self.files.get(&path),
            }
        }
        None
    }

    pub(crate) fn with_digest(&self, digest: &Digest) -> Option<&Part> {
        self.files.values().find(|part| part.digest == *digest)
    }
}

impl Part {
    /// Its JSON; `None` if it is none.
    pub(crate) fn document<T: serde::de::DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(&self.bytes()?).ok()
    }

    /// `None` if it is larger than any document.
    pub(crate) fn bytes(&self) -> Option<Vec<u8>> {
        if self.size > DOCUMENT_BYTES_MAX {
            return None;
        }
        fs::read(&self.path).ok()
    }
}

impl Store {
    /// Reads an archive, compressed by gzip or not. Blocks.
    pub(crate) fn read_archive(&self, archive: impl Read) -> Result<Parts, Error> {
        let mut archive = archive;
        let broken = |error: io::Error| Error::Archive { reason: error.to_string() };
        let mut start = Vec::new();
        archive.by_ref().take(2).read_to_end(&mut start).map_err(broken)?;
        if start.is_empty() {
            return Err(Error::Archive { reason: "it is empty".to_owned() });
        }
        let is_gzip = start == GZIP;
        let whole = BufReader::with_capacity(1 << 16, io::Cursor::new(start).chain(archive));
        if is_gzip { self.read_tar(MultiGzDecoder::new(whole)) } else { self.read_tar(whole) }
    }

    fn read_tar(&self, tar: impl Read) -> Result<Parts, Error> {
        let dir = self.temp_dir()?;
        let mut parts = Parts { _dir: dir, files: BTreeMap::new(), links: BTreeMap::new() };
        let mut budget = Budget::new(self.limits, Instant::now());
        // The whole archive may be as large as the layers of one image.
        let mut budget = budget.layer(self.limits.bytes / self.limits.ratio.max(1));
        let (tar, gauge) = budget.meter(tar);
        let exceeded = |bound| Error::exceeded_by_archive(bound);
        let broken = |error: io::Error| match gauge.breach() {
            Some(Bound::Ratio { .. }) => exceeded(Bound::Download { max: self.limits.bytes }),
            Some(bound) => exceeded(bound),
            None => Error::Archive { reason: format!("it is no tar archive: {error}") },
        };
        let mut archive = Archive::new(tar);
        gauge.advance(0);
        for entry in archive.entries().map_err(&broken)? {
            let mut entry = entry.map_err(&broken)?;
            gauge.content();
            if parts.files.len() + parts.links.len() >= FILES_MAX {
                return Err(exceeded(Bound::Entries { max: FILES_MAX as u64 }));
            }
            budget.take_bytes(entry.size()).map_err(exceeded)?;
            self.read_entry(&mut entry, &mut parts, &broken)?;
            gauge.advance(entry.size());
        }
        Ok(parts)
    }

    fn read_entry<R: Read>(
        &self,
        entry: &mut Entry<'_, R>,
        parts: &mut Parts,
        broken: &dyn Fn(io::Error) -> Error,
    ) -> Result<(), Error> {
        let path = entry.path().map_err(broken)?.into_owned();
        let Some(name) = normal(&path) else { return Ok(()) };
        match entry.header().entry_type() {
            EntryType::Regular | EntryType::Continuous => {
                let path = parts._dir.path().join(parts.files.len().to_string());
                parts.files.insert(name, write_part(entry, path, broken)?);
            }
            EntryType::Symlink | EntryType::Link => {
                let Some(target) = entry.link_name().map_err(broken)? else { return Ok(()) };
                let is_symbolic = entry.header().entry_type() == EntryType::Symlink;
                let from = path.parent().filter(|_| is_symbolic).unwrap_or(Path::new(""));
                if let Some(target) = normal(&from.join(target)) {
                    parts.links.insert(name, target);
                }
            }
            _other => {}
        }
        Ok(())
    }

    /// Puts a file of an archive into the store; true if it was not there.
    pub(crate) fn keep(&self, part: &Part) -> Result<bool, Error> {
        let path = self.blob_path(&part.digest);
        if path.exists() {
            self.touch(&part.digest);
            return Ok(false);
        }
        // Copied by name: two images of an archive may have the same configuration.
        fs::hard_link(&part.path, &path)
            .or_else(|_no_links| fs::copy(&part.path, &path).map(drop))
            .map_err(Error::io("write", &path))?;
        Ok(true)
    }
}

fn write_part(
    from: &mut impl Read,
    path: PathBuf,
    broken: &dyn Fn(io::Error) -> Error,
) -> Result<Part, Error> {
    let file = File::create_new(&path).map_err(Error::io("create", &path))?;
    let mut writer = HashingWriter::new(file);
    let (mut buffer, mut start) = (vec![0; 1 << 16], Vec::new());
    loop {
        let n = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(broken(error)),
        };
        if start.len() < GZIP.len() {
            start.extend_from_slice(&buffer[..n.min(GZIP.len())]);
        }
        writer.write_all(&buffer[..n]).map_err(Error::io("write", &path))?;
    }
    let (_, digest, size) = writer.finish();
    Ok(Part { path, digest, size, is_gzip: start.starts_with(&GZIP) })
}

/// A path without `.` and `..`; `None` if it leads out of the archive, or nowhere.
fn normal(path: &Path) -> Option<String> {
    let mut names: Vec<&str> = Vec::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => names.push(name.to_str()?),
            Component::ParentDir => {
                names.pop()?;
            }
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    (!names.is_empty()).then(|| names.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stays_in_its_archive() {
        for (path, clean) in [
            ("./index.json", Some("index.json")),
            ("b/../a/layer.tar", Some("a/layer.tar")),
            ("../../etc/passwd", None),
            ("./", None),
        ] {
            assert_eq!(normal(Path::new(path)).as_deref(), clean, "{path}");
        }
    }
}
