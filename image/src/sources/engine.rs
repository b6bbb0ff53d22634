//! Images of the local Docker engine: found by name, and read into the store as a stream.

use std::io::{self, Read};
use std::time::Duration;

use bollard::Docker;
use bytes::{Buf as _, Bytes};
use futures::StreamExt as _;
use tokio::sync::mpsc;

use crate::formats::digest::Digest;
use crate::formats::error::Error;
use crate::formats::reference::Reference;
use crate::progress::{Progress, ProgressFn};
use crate::store::{Origin, Store};

/// An engine that does not answer within this time counts as absent.
const CONNECT_MAX: Duration = Duration::from_secs(2);
const INSPECT_MAX: Duration = Duration::from_secs(10);
/// Up to the first byte: an older engine writes the whole archive to its disk first.
const EXPORT_MAX: Duration = Duration::from_secs(1800);
/// Between two chunks.
const STALL_MAX: Duration = Duration::from_secs(300);
/// Chunks that wait to be written.
const CHUNKS: usize = 16;

/// An image that the engine has.
pub(crate) struct InEngine {
    docker: Docker,
    /// The digest of its configuration or, from an engine on containerd, of its manifest.
    id: Option<Digest>,
    /// It was pulled from a registry or pushed to one, where it may be newer.
    pub(crate) has_registry: bool,
}

/// The image of a name in the engine at `host`; `None` without such an image, or without an engine.
pub(crate) async fn look(host: Option<&str>, reference: &Reference) -> Option<InEngine> {
    let connecting =
        async { Docker::connect_with_host(host?).ok()?.negotiate_version().await.ok() };
    let docker = tokio::time::timeout(CONNECT_MAX, connecting).await.ok()??;
    let asked = tokio::time::timeout(INSPECT_MAX, docker.inspect_image(reference.written())).await;
    let image = asked.ok()?.ok()?;
    Some(InEngine {
        docker: docker.with_timeout(EXPORT_MAX),
        id: image.id.and_then(|id| id.parse().ok()),
        has_registry: image.repo_digests.is_some_and(|digests| !digests.is_empty()),
    })
}

impl Store {
    /// The digest of an image of the engine in this store, after reading it if that is needed.
    pub(crate) async fn take_from_engine(
        &self,
        reference: &Reference,
        found: InEngine,
        progress: &ProgressFn,
    ) -> Result<Digest, Error> {
        if let Some(digest) = self.has_of_engine(reference, found.id.as_ref())? {
            return Ok(digest);
        }
        progress(Progress::Step(format!("reading {reference} from the Docker engine")));
        let (sender, receiver) = mpsc::channel(CHUNKS);
        let (store, name, step) = (self.clone(), reference.clone(), progress.clone());
        let import = move || {
            let archive = Chunks { receiver, current: Bytes::new() };
            store.import_from(archive, Some(&name), Origin::Engine, &step)
        };
        #[expect(clippy::disallowed_methods, reason = "awaited here")]
        let import = tokio::task::spawn_blocking(import);
        let sending = send(&found.docker, reference.written(), sender);
        let ((), imported) = tokio::join!(sending, import);
        let imported = imported.expect("disk work neither panics nor is cancelled");
        let imported = imported.map_err(|error| match error {
            Error::Archive { reason } => {
                Error::Engine { reference: reference.written().to_owned(), reason }
            }
            other => other.naming(reference.written()),
        })?;
        let image = imported.into_iter().next();
        image.map(|image| image.digest).ok_or_else(|| Error::Engine {
            reference: reference.written().to_owned(),
            reason: "the engine sent no image".to_owned(),
        })
    }

    /// The digest of a name that was read from the engine, if the engine has the same image still.
    fn has_of_engine(
        &self,
        reference: &Reference,
        id: Option<&Digest>,
    ) -> Result<Option<Digest>, Error> {
        let Some((digest, Origin::Engine)) = self.find_entry(reference)? else { return Ok(None) };
        let Ok(image) = self.image(&digest) else { return Ok(None) };
        let same =
            [&image.config_digest, &image.digest, &digest].into_iter().any(|d| Some(d) == id);
        Ok((same && self.rootfs(&digest).is_ok()).then_some(digest))
    }
}

/// Sends an image's archive, chunk by chunk, until its end or until nobody reads it.
async fn send(docker: &Docker, name: &str, sender: mpsc::Sender<io::Result<Bytes>>) {
    let mut export = std::pin::pin!(docker.export_image(name));
    let mut limit = EXPORT_MAX;
    loop {
        let chunk = match tokio::time::timeout(limit, export.next()).await {
            Ok(None) => return,
            Ok(Some(chunk)) => chunk.map_err(io::Error::other),
            Err(_over) => Err(io::Error::other("the engine sends nothing any more")),
        };
        let is_last = chunk.is_err();
        // A reader that is gone has failed, and says why.
        if sender.send(chunk).await.is_err() || is_last {
            return;
        }
        limit = STALL_MAX;
    }
}

/// The chunks of a channel as a reader; blocks until the next one.
struct Chunks {
    receiver: mpsc::Receiver<io::Result<Bytes>>,
    current: Bytes,
}

impl Read for Chunks {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.receiver.blocking_recv() {
                Some(chunk) => self.current = chunk?,
                None => return Ok(0),
            }
        }
        let n = buffer.len().min(self.current.len());
        self.current.copy_to_slice(&mut buffer[..n]);
        Ok(n)
    }
}
