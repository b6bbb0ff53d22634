//! One layer: a set of files at paths of the image, written as a tar whose bytes depend on nothing
//! but those (sorted, no times, no owners), so that the same input has the same digest.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tar::{Builder, EntryType, Header};

use super::tree::{Found, Tree};
use crate::formats::config::{Descriptor, LAYER};
use crate::formats::error::Error;
use crate::store::Store;

/// Where a file's bytes come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    File(PathBuf),
    Bytes(Vec<u8>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Node {
    File { source: Source, executable: bool },
    Link(PathBuf),
    Dir { mode: u32 },
}

/// The files of a layer to be, by path without the leading `/`.
#[derive(Clone, Debug, Default)]
pub struct LayerFiles {
    nodes: BTreeMap<PathBuf, Node>,
}

impl LayerFiles {
    /// Adds one file. Symbolic links are followed.
    pub fn add_file(&mut self, path: impl AsRef<Path>, source: Source, executable: bool) {
        self.insert(path.as_ref(), Node::File { source, executable });
    }

    pub(crate) fn add_dir(&mut self, path: impl AsRef<Path>, mode: u32) {
        self.insert(path.as_ref(), Node::Dir { mode });
    }

    pub(crate) fn contains(&self, path: impl AsRef<Path>) -> bool {
        let path = path.as_ref();
        self.nodes.contains_key(path.strip_prefix("/").unwrap_or(path))
    }

    fn insert(&mut self, path: &Path, node: Node) {
        let path = path.strip_prefix("/").unwrap_or(path);
        for parent in path.ancestors().skip(1).filter(|parent| !parent.as_os_str().is_empty()) {
            self.nodes.entry(parent.to_owned()).or_insert(Node::Dir { mode: 0o755 });
        }
        self.nodes.insert(path.to_owned(), node);
    }

    /// Adds a folder at `path`.
    pub(crate) fn add_tree(&mut self, path: &Path, tree: &Tree) -> Result<(), Error> {
        self.add_dir(path, 0o755);
        for Found { path: from, relative, metadata } in &tree.packed {
            let path = path.join(relative);
            if metadata.is_dir() {
                self.add_dir(path, 0o755);
            } else if metadata.is_symlink() {
                self.add_link(&path, from)?;
            } else if metadata.is_file() {
                let executable = metadata.permissions().mode() & 0o111 != 0;
                self.add_file(path, Source::File(from.clone()), executable);
            }
            // Sockets and pipes are not packed.
        }
        Ok(())
    }

    /// A relative link without `..` is kept; the target of any other may not be in the image, so
    /// the file that it points to is packed instead.
    fn add_link(&mut self, path: &Path, from: &Path) -> Result<(), Error> {
        let target = fs::read_link(from).map_err(Error::io("read", from))?;
        let leaves =
            target.is_absolute() || target.components().any(|part| part.as_os_str() == "..");
        if !leaves {
            self.insert(path, Node::Link(target));
            return Ok(());
        }
        let meant = fs::metadata(from).map_err(|_gone| {
            Error::build(from, format!("it links to {}, which is not there", target.display()))
        })?;
        if !meant.is_file() {
            let reason =
                format!("it links to the folder {} outside; copy that in", target.display());
            return Err(Error::build(from, reason));
        }
        self.add_file(path, Source::File(from.to_owned()), meant.permissions().mode() & 0o111 != 0);
        Ok(())
    }

    /// Writes the layer into the store. The flag says whether it was there before.
    pub(crate) fn store(&self, store: &Store) -> Result<(Descriptor, bool), Error> {
        let mut writer = store.blob_writer()?;
        let mut tar = Builder::new(io::BufWriter::with_capacity(1 << 18, &mut writer));
        for (path, node) in &self.nodes {
            append(&mut tar, path, node)?;
        }
        let failed = Error::io("write a layer in", store.dir());
        tar.into_inner()
            .and_then(|buffer| buffer.into_inner().map_err(io::Error::from).map(drop))
            .map_err(failed)?;
        let (digest, size, existed) = writer.finish_noting()?;
        let media_type = LAYER.to_owned();
        Ok((
            Descriptor { media_type, digest, size, platform: None, annotations: BTreeMap::new() },
            existed,
        ))
    }
}

fn append(tar: &mut Builder<impl io::Write>, path: &Path, node: &Node) -> Result<(), Error> {
    let mut header = Header::new_ustar();
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(0);
    let failed = |source: &Path| Error::io("pack", source.to_owned());
    match node {
        Node::Dir { mode } => {
            header.set_entry_type(EntryType::Directory);
            header.set_mode(*mode);
            let mut name = path.as_os_str().to_owned();
            name.push("/");
            tar.append_data(&mut header, &name, io::empty()).map_err(failed(path))
        }
        Node::Link(target) => {
            header.set_entry_type(EntryType::Symlink);
            header.set_mode(0o777);
            tar.append_link(&mut header, path, target).map_err(failed(path))
        }
        Node::File { source, executable } => {
            header.set_entry_type(EntryType::Regular);
            header.set_mode(if *executable { 0o755 } else { 0o644 });
            match source {
                Source::Bytes(bytes) => {
                    header.set_size(bytes.len() as u64);
                    tar.append_data(&mut header, path, bytes.as_slice()).map_err(failed(path))
                }
                Source::File(from) => {
                    let file = File::open(from).map_err(failed(from))?;
                    let size = file.metadata().map_err(failed(from))?.len();
                    header.set_size(size);
                    // A file that grows while it is packed must not spoil the archive.
                    let exactly = io::Read::take(file, size);
                    tar.append_data(&mut header, path, exactly).map_err(failed(from))
                }
            }
        }
    }
}
