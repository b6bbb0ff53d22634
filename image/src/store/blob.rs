//! A blob that is being written: named by its digest once it is complete.

use std::io::Write;

use super::layout::Store;
use super::temp;
use crate::formats::digest::{Digest, HashingWriter};
use crate::formats::error::Error;

impl Store {
    /// Begins a blob of unknown digest.
    pub(crate) fn blob_writer(&self) -> Result<BlobWriter, Error> {
        let tmp = self.dir().join("tmp");
        let file = temp::file_in(&tmp).map_err(Error::io("create a file in", &tmp))?;
        Ok(BlobWriter { store: self.clone(), inner: HashingWriter::new(file) })
    }
}

/// A blob that is being written; dropped before [`BlobWriter::finish`] it leaves nothing.
pub(crate) struct BlobWriter {
    store: Store,
    inner: HashingWriter<tempfile::NamedTempFile>,
}

impl BlobWriter {
    pub(crate) fn written(&self) -> u64 {
        self.inner.written()
    }

    /// Names the blob by its digest, which must be `expected`.
    pub(crate) fn finish(self, expected: &Digest) -> Result<(), Error> {
        let (file, digest, _) = self.inner.finish();
        let path = self.store.blob_path(expected);
        if digest != *expected {
            return Err(Error::damaged(path, format!("its content has digest {digest}")));
        }
        file.persist(&path).map_err(|e| Error::io("write", &path)(e.error))?;
        Ok(())
    }

    /// Names the blob by its digest; also gives its size and whether it was there before.
    pub(crate) fn finish_noting(self) -> Result<(Digest, u64, bool), Error> {
        let (file, digest, size) = self.inner.finish();
        let path = self.store.blob_path(&digest);
        let existed = path.exists();
        if !existed {
            file.persist(&path).map_err(|e| Error::io("write", &path)(e.error))?;
        }
        Ok((digest, size, existed))
    }
}

impl Write for BlobWriter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.inner.flush()
    }
}
