//! Unpacking of layers into a folder, at build or pull: completely or not at all.
//!
//! Ownership, device nodes and set-id bits are left out: the platform's user owns the files.
//! Every path of a layer is resolved inside the folder as if it were `/`, so that neither `..` nor
//! a link made by an earlier entry or layer reaches outside. Whiteouts delete files of lower
//! layers and are not kept.

use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::ffi::OsStr;
use std::fs::{self, OpenOptions, Permissions};
use std::hash::BuildHasher;
use std::io::{self, BufReader, ErrorKind, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};
use std::time::Instant;

use flate2::read::MultiGzDecoder;
use tar::{Archive, Entry, EntryType};

use super::budget::{Budget, Gauge, LayerBudget};
use super::layout::Store;
use super::reuse::link_tree;
use crate::files::paths::resolve_in_rootfs;
use crate::formats::bound::Bound;
use crate::formats::config::{Image, Layer};
use crate::formats::digest::Digest;
use crate::formats::error::Error;

const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";
/// For a path in a layer and the target of a link; with the image's folder before it, it stays
/// within the host's 4,096.
const PATH_BYTES_MAX: usize = 2048;
const NAME_BYTES_MAX: usize = 255;
const PATH_DEPTH_MAX: usize = 256;

impl Store {
    /// Unpacks an image of the store if it is not unpacked yet. Blocks, long for a large image.
    pub fn unpack(&self, digest: &Digest) -> Result<PathBuf, Error> {
        let image = self.image(digest)?;
        unpack_image(self, &image)
    }
}

/// Unpacks an image of the store unless that was done before. Concurrent callers are harmless: the
/// first to finish wins.
pub(crate) fn unpack_image(store: &Store, image: &Image) -> Result<PathBuf, Error> {
    let target = store.rootfs_path(&image.digest);
    if target.is_dir() {
        return Ok(target);
    }
    let work = store.temp_dir()?;
    let root = work.path().join("rootfs");
    fs::create_dir(&root).map_err(Error::io("create", &root))?;
    let mut budget = Budget::new(store.limits, Instant::now());
    for layer in &image.layers {
        let shared = store.is_reusable(&layer.digest) && link_shared(store, image, layer, &root)?;
        if !shared {
            apply_blob(store, image, layer, &root, &mut budget)?;
        }
    }
    match fs::rename(&root, &target) {
        Ok(()) => Ok(target),
        Err(_) if target.is_dir() => Ok(target),
        Err(error) => Err(Error::io("write", &target)(error)),
    }
}

fn apply_blob(
    store: &Store,
    image: &Image,
    layer: &Layer,
    root: &Path,
    budget: &mut Budget,
) -> Result<(), Error> {
    let file = store.open_blob(&layer.digest)?;
    let size = file.metadata().map_err(Error::io("read", store.blob_path(&layer.digest)))?.len();
    let file = BufReader::with_capacity(1 << 16, file);
    let applied = decoder(file, &layer.media_type)
        .and_then(|stream| apply(stream, root, &mut budget.layer(size)));
    applied.map_err(|failure| match failure {
        Failure::Bound(bound) => Error::Exceeded { image: image.digest.to_string(), bound },
        Failure::Disk(path, source) => Error::Io { action: "write", path, source },
        Failure::Layer(reason) => {
            Error::BadLayer { digest: image.digest.clone(), layer: layer.digest.clone(), reason }
        }
    })
}

/// Links a reusable layer into an image, after unpacking it if this is its first use.
/// False where files cannot be linked; the layer must then be unpacked like any other.
fn link_shared(store: &Store, image: &Image, layer: &Layer, root: &Path) -> Result<bool, Error> {
    let shared = store.shared_path(&layer.digest);
    if !shared.is_dir() {
        let work = store.temp_dir()?;
        let fresh = work.path().join("layer");
        fs::create_dir(&fresh).map_err(Error::io("create", &fresh))?;
        let mut budget = Budget::new(store.limits, Instant::now());
        apply_blob(store, image, layer, &fresh, &mut budget)?;
        match fs::rename(&fresh, &shared) {
            Ok(()) => {}
            Err(_) if shared.is_dir() => {}
            Err(error) => return Err(Error::io("write", &shared)(error)),
        }
    }
    Ok(link_tree(&shared, root).is_ok())
}

/// Why a layer could not be applied; becomes an [`Error`] where image and layer are known.
#[derive(Debug)]
enum Failure {
    Bound(Bound),
    Disk(PathBuf, io::Error),
    Layer(String),
}

impl From<Bound> for Failure {
    fn from(bound: Bound) -> Self {
        Self::Bound(bound)
    }
}

fn decoder(file: impl Read + 'static, media_type: &str) -> Result<Box<dyn Read>, Failure> {
    if media_type.ends_with("gzip") {
        return Ok(Box::new(MultiGzDecoder::new(file)));
    }
    if media_type.ends_with("zstd") {
        return Err(Failure::Layer(
            "zstd compression is not supported; push the image with gzip layers".to_owned(),
        ));
    }
    Ok(Box::new(file))
}

/// Paths that a layer wrote, as randomly keyed hashes: the paths themselves could fill the memory.
#[derive(Default)]
struct Written {
    hashes: HashSet<u64>,
    hasher: RandomState,
}

impl Written {
    /// Inserts the path and its parents.
    fn insert(&mut self, path: &Path) {
        for path in path.ancestors() {
            if !self.hashes.insert(self.hasher.hash_one(path)) {
                return;
            }
        }
    }

    fn contains(&self, path: &Path) -> bool {
        self.hashes.contains(&self.hasher.hash_one(path))
    }
}

/// Applies one layer's tar stream to `root`.
fn apply(stream: impl Read, root: &Path, budget: &mut LayerBudget<'_>) -> Result<(), Failure> {
    let (stream, gauge) = budget.meter(stream);
    let applied = apply_entries(stream, &gauge, root, budget);
    // The tar and gzip libraries wrap the error of an exceeded limit.
    applied.map_err(|failure| gauge.breach().map_or(failure, Failure::Bound))
}

fn apply_entries(
    stream: impl Read,
    gauge: &Gauge,
    root: &Path,
    budget: &mut LayerBudget<'_>,
) -> Result<(), Failure> {
    let layer = |error: io::Error| Failure::Layer(error.to_string());
    let mut archive = Archive::new(stream);
    gauge.advance(0);
    let entries = archive.entries().map_err(layer)?;
    // An opaque whiteout hides lower layers only: what this layer wrote stays.
    let mut written = Written::default();
    for entry in entries {
        let mut entry = entry.map_err(layer)?;
        gauge.content();
        budget.take_entry()?;
        budget.take_bytes(entry.size())?;
        apply_entry(&mut entry, root, &mut written, budget)?;
        // Holes are not in the archive, and the data between them has been read.
        let sparse = entry.header().entry_type() == EntryType::GNUSparse;
        gauge.advance(if sparse { 0 } else { entry.size() });
    }
    Ok(())
}

/// Checks the length of a path of the layer, or of a link's target.
fn check_length(path: PathBuf) -> Result<PathBuf, Bound> {
    let name = |part: Component<'_>| part.as_os_str().len();
    if path.as_os_str().len() > PATH_BYTES_MAX
        || path.components().count() > PATH_DEPTH_MAX
        || path.components().any(|part| name(part) > NAME_BYTES_MAX)
    {
        return Err(Bound::Path { bytes: PATH_BYTES_MAX, depth: PATH_DEPTH_MAX });
    }
    Ok(path)
}

fn apply_entry<R: Read>(
    entry: &mut Entry<'_, R>,
    root: &Path,
    written: &mut Written,
    budget: &mut LayerBudget<'_>,
) -> Result<(), Failure> {
    let name = entry.path().map_err(|e| Failure::Layer(e.to_string()))?.into_owned();
    let name = check_length(name)?;
    let Some(file_name) = name.file_name().map(OsStr::to_owned) else {
        // The root itself (`./`); a path that ends in `..` is skipped.
        return Ok(());
    };
    let parent = inside(root, name.parent().unwrap_or(Path::new("")))?;
    if file_name.as_bytes() == OPAQUE {
        return clear(&parent, written, budget);
    }
    if let Some(hidden) = file_name.as_bytes().strip_prefix(WHITEOUT) {
        return match Path::new(OsStr::from_bytes(hidden)).file_name() {
            Some(hidden) => remove(&parent.join(hidden)),
            None => Ok(()),
        };
    }
    make_dirs(root, &parent, budget)?;
    let path = parent.join(&file_name);
    let is_dir = fs::symlink_metadata(&path).map(|found| found.is_dir());
    let kind = entry.header().entry_type();
    if !(kind == EntryType::Directory && matches!(is_dir, Ok(true))) && is_dir.is_ok() {
        remove(&path)?;
    }
    write_entry(entry, kind, root, &path, budget)?;
    written.insert(&path);
    Ok(())
}

fn write_entry<R: Read>(
    entry: &mut Entry<'_, R>,
    kind: EntryType,
    root: &Path,
    path: &Path,
    budget: &mut LayerBudget<'_>,
) -> Result<(), Failure> {
    let disk = |error: io::Error| Failure::Disk(path.to_owned(), error);
    let mode = entry.header().mode().unwrap_or(0o644) & 0o777;
    match kind {
        EntryType::Directory => {
            make_dirs(root, path, budget)?;
            // The owner must be able to write below it and to remove it later.
            fs::set_permissions(path, Permissions::from_mode(mode | 0o700)).map_err(disk)
        }
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
            let mut options = OpenOptions::new();
            options.write(true).create_new(true).mode(mode | 0o400);
            let mut file = options.open(path).map_err(disk)?;
            copy(entry, &mut file, path)?;
            // The umask has narrowed the mode of creation.
            file.set_permissions(Permissions::from_mode(mode | 0o400)).map_err(disk)
        }
        EntryType::Symlink => symlink(link_name(entry)?, path).map_err(disk),
        EntryType::Link => {
            let target = inside(root, &link_name(entry)?)?;
            fs::hard_link(&target, path).map_err(|error| match error.kind() {
                ErrorKind::NotFound => {
                    Failure::Layer(format!("{} links to a file that is not there", path.display()))
                }
                _other => disk(error),
            })
        }
        // Devices, fifos and unknown kinds are skipped: an unprivileged user cannot make devices.
        _other => Ok(()),
    }
}

/// Read errors are the layer's, write errors the disk's.
fn copy(from: &mut impl Read, to: &mut impl io::Write, path: &Path) -> Result<(), Failure> {
    let mut buffer = [0; 1 << 16];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(n) => to.write_all(&buffer[..n]).map_err(|e| Failure::Disk(path.to_owned(), e))?,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(Failure::Layer(error.to_string())),
        }
    }
}

fn link_name<R: Read>(entry: &Entry<'_, R>) -> Result<PathBuf, Failure> {
    match entry.link_name() {
        Ok(Some(target)) => Ok(check_length(target.into_owned())?),
        Ok(None) => Err(Failure::Layer("a link without a target".to_owned())),
        Err(error) => Err(Failure::Layer(error.to_string())),
    }
}

fn inside(root: &Path, path: &Path) -> Result<PathBuf, Failure> {
    resolve_in_rootfs(root, path).ok_or_else(|| {
        Failure::Layer(format!("links at {} go in a circle or too deep", path.display()))
    })
}

/// Makes `path` and its parents, replacing files that are in their place.
fn make_dirs(root: &Path, path: &Path, budget: &mut LayerBudget<'_>) -> Result<(), Failure> {
    if fs::symlink_metadata(path).is_ok_and(|found| found.is_dir()) {
        return Ok(());
    }
    if let Some(parent) = path.parent().filter(|parent| parent.starts_with(root)) {
        make_dirs(root, parent, budget)?;
    }
    remove(path)?;
    budget.take_entry()?;
    fs::create_dir(path).map_err(|e| Failure::Disk(path.to_owned(), e))
}

fn clear(dir: &Path, written: &Written, budget: &mut LayerBudget<'_>) -> Result<(), Failure> {
    let Ok(children) = fs::read_dir(dir) else { return Ok(()) };
    for child in children {
        let path = child.map_err(|e| Failure::Disk(dir.to_owned(), e))?.path();
        // Counted, because a layer may clear the same folder again and again.
        budget.take_entry()?;
        if !written.contains(&path) {
            remove(&path)?;
        }
    }
    Ok(())
}

fn remove(path: &Path) -> Result<(), Failure> {
    let Ok(found) = fs::symlink_metadata(path) else { return Ok(()) };
    let gone = if found.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    gone.map_err(|e| Failure::Disk(path.to_owned(), e))
}

#[cfg(test)]
mod tests;
