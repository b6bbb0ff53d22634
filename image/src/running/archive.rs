//! An image as the stream that `docker load` reads.

use std::fs;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::formats::config::Image;
use crate::formats::digest::Digest;
use crate::formats::error::Error;
use crate::store::Store;

/// Chunks that wait for the engine: 16 of 256 KiB.
const CHUNKS: usize = 16;
const CHUNK_BYTES: usize = 256 << 10;

impl Store {
    /// The image as a tar stream for `docker load`, named [`Image::docker_tag`]. Dropping the
    /// receiver ends it. Docker skips layers that it has.
    pub fn docker_archive(
        &self,
        digest: &Digest,
    ) -> Result<mpsc::Receiver<io::Result<Bytes>>, Error> {
        let image = self.image(digest)?;
        let store = self.clone();
        let (sender, receiver) = mpsc::channel(CHUNKS);
        let failures = sender.clone();
        let write = move || {
            let writer = ChannelWriter { sender, buffer: Vec::with_capacity(CHUNK_BYTES) };
            write_archive(&store, &image, writer)
        };
        #[expect(
            clippy::disallowed_methods,
            reason = "its end, by panic too, goes to the receiver"
        )]
        tokio::task::spawn_blocking(move || {
            // A panic that sends no error would look like the end of the archive.
            let written = catch_unwind(AssertUnwindSafe(write))
                .unwrap_or_else(|_| Err(io::Error::other("writing the archive panicked")));
            if let Err(error) = written {
                // A cancelled load has dropped its receiver.
                let _ = failures.blocking_send(Err(error));
            }
        });
        Ok(receiver)
    }
}

/// `docker save`'s form: configuration, layers, and a `manifest.json` that lists both.
fn write_archive(store: &Store, image: &Image, out: impl Write) -> io::Result<()> {
    let mut tar = tar::Builder::new(out);
    let config_name = format!("{}.json", image.config_digest.hex());
    let config = fs::read(store.blob_path(&image.config_digest))?;
    append(&mut tar, &config_name, config.len() as u64, config.as_slice())?;
    let mut layer_names: Vec<String> = Vec::new();
    for layer in &image.layers {
        let name = format!("{}.tar", layer.digest.hex());
        if !layer_names.contains(&name) {
            let file = fs::File::open(store.blob_path(&layer.digest))?;
            append(&mut tar, &name, layer.size, file)?;
        }
        layer_names.push(name);
    }
    let manifest = serde_json::json!([{
        "Config": config_name,
        "RepoTags": [image.docker_tag()],
        "Layers": layer_names,
    }]);
    let manifest = manifest.to_string();
    append(&mut tar, "manifest.json", manifest.len() as u64, manifest.as_bytes())?;
    tar.into_inner()?.flush()
}

fn append(
    tar: &mut tar::Builder<impl Write>,
    name: &str,
    size: u64,
    data: impl io::Read,
) -> io::Result<()> {
    let mut header = tar::Header::new_ustar();
    header.set_size(size);
    header.set_mode(0o644);
    header.set_mtime(0);
    tar.append_data(&mut header, name, data)
}

/// Collects small writes and hands chunks to the channel.
struct ChannelWriter {
    sender: mpsc::Sender<io::Result<Bytes>>,
    buffer: Vec<u8>,
}

impl Write for ChannelWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= CHUNK_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let chunk =
            Bytes::from(std::mem::replace(&mut self.buffer, Vec::with_capacity(CHUNK_BYTES)));
        self.sender.blocking_send(Ok(chunk)).map_err(|_closed| {
            io::Error::new(io::ErrorKind::BrokenPipe, "the reader of the archive is gone")
        })
    }
}
