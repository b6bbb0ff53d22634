//! The messages between the platform and the starter, over their socket.
//!
//! A frame is four bytes of length and then JSON. The pipes for a program's output are sent
//! with the length of its request.

use std::ffi::OsString;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

const LENGTH: usize = size_of::<u32>();
pub(super) type Length = [u8; LENGTH];
/// Standard output and standard error.
pub(super) const PIPES_MAX: usize = 2;
/// The kernel accepts no longer command lines.
const FRAME_MAX: usize = 32 << 20;

/// A program to start, in a session of its own.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Request {
    /// Returned in the reply.
    pub(super) id: u64,
    pub(super) program: OsString,
    pub(super) args: Vec<String>,
    /// The complete environment.
    pub(super) env: Vec<(String, String)>,
    pub(super) working_dir: OsString,
    pub(super) no_new_privileges: bool,
    /// The soft limit of open files, if it differs from the starter's.
    pub(super) open_files: Option<u64>,
    /// Folders to create before the start.
    pub(super) folders: Vec<OsString>,
    pub(super) view: View,
}

/// A program's view of the host's files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum View {
    /// The starter's view.
    #[default]
    Host,
    Layer(LayerView),
    /// The view of the program `leader`.
    Joined {
        leader: u32,
        started: u64,
        user_namespace: bool,
    },
}

/// A writable layer over the unpacked image; of the platform's data directory only the image and a
/// home are visible.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LayerView {
    pub(super) image: OsString,
    pub(super) home: OsString,
    /// The overlay's upper directory, which takes the writes, and its work directory.
    pub(super) upper: OsString,
    pub(super) work: OsString,
    /// The data directory.
    pub(super) cover: OsString,
    pub(super) user_namespace: bool,
    /// Volumes, and an empty directory for the preparation of their mount points.
    pub(super) mounts: Vec<MountView>,
    pub(super) stages: OsString,
    /// The layer is only tried, and no program is run.
    pub(super) trial: bool,
}

/// A directory or file of the host that is seen at another path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct MountView {
    pub(super) source: OsString,
    pub(super) target: OsString,
    pub(super) read_only: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Reply {
    Started(Born),
    Failed {
        id: u64,
        message: String,
        /// The error's number (errno).
        code: Option<i32>,
    },
    /// With the wait status.
    Exited {
        id: u64,
        status: i32,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Born {
    pub(super) id: u64,
    pub(super) pid: u32,
    /// Clock ticks after boot, read before its end could be waited for.
    pub(super) started: u64,
}

/// The length and the text of a message. One that the other side would reject is refused here,
/// since there it would end the connection and with it all pods.
pub(super) fn frame(message: &impl Serialize) -> io::Result<(Length, Vec<u8>)> {
    let text = serde_json::to_vec(message)?;
    if text.len() > FRAME_MAX {
        return Err(io::Error::new(
            io::ErrorKind::ArgumentListTooLong,
            "its arguments and environment are longer than any kernel takes",
        ));
    }
    let length = u32::try_from(text.len()).map_err(io::Error::other)?;
    Ok((length.to_le_bytes(), text))
}

/// Sends the length with the pipes; the text is to follow it.
pub(super) fn send_length(
    socket: BorrowedFd<'_>,
    length: Length,
    pipes: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(PIPES_MAX))];
    let mut with = SendAncillaryBuffer::new(&mut space);
    if !pipes.is_empty() && !with.push(SendAncillaryMessage::ScmRights(pipes)) {
        return Err(io::Error::other("more pipes than a program has outputs"));
    }
    match sendmsg(socket, &[IoSlice::new(&length)], &mut with, SendFlags::NOSIGNAL)? {
        LENGTH => Ok(()),
        _ => Err(io::ErrorKind::WriteZero.into()),
    }
}

/// The next request and its pipes; `None` when the other side has closed the socket.
pub(super) fn receive(socket: &UnixStream) -> io::Result<Option<(Request, Vec<OwnedFd>)>> {
    let mut length = [0; LENGTH];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(PIPES_MAX))];
    let mut with = RecvAncillaryBuffer::new(&mut space);
    let into = &mut [IoSliceMut::new(&mut length)];
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::WAITALL;
    let got = rustix::io::retry_on_intr(|| recvmsg(socket.as_fd(), into, &mut with, flags))?;
    let mut pipes = Vec::new();
    for message in with.drain() {
        if let RecvAncillaryMessage::ScmRights(ends) = message {
            pipes.extend(ends);
        }
    }
    match got.bytes {
        0 => Ok(None),
        LENGTH => Ok(Some((text(&mut &*socket, length)?, pipes))),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

fn text<T: DeserializeOwned>(from: &mut impl Read, length: Length) -> io::Result<T> {
    let mut text = vec![0; checked(length)?];
    from.read_exact(&mut text)?;
    Ok(serde_json::from_slice(&text)?)
}

fn checked(length: Length) -> io::Result<usize> {
    let length = u32::from_le_bytes(length) as usize;
    if length > FRAME_MAX { Err(io::ErrorKind::InvalidData.into()) } else { Ok(length) }
}

/// Sends a reply.
pub(super) fn reply(socket: &UnixStream, reply: &Reply) -> io::Result<()> {
    let (length, text) = frame(reply)?;
    (&*socket).write_all(&[&length[..], &text].concat())
}

/// The next reply; an error when the other side has closed the socket.
pub(super) async fn next_reply(
    from: &mut (impl tokio::io::AsyncRead + Unpin),
) -> io::Result<Reply> {
    use tokio::io::AsyncReadExt as _;
    let mut length = [0; LENGTH];
    from.read_exact(&mut length).await?;
    let mut text = vec![0; checked(length)?];
    from.read_exact(&mut text).await?;
    Ok(serde_json::from_slice(&text)?)
}
