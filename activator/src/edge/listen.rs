//! The listeners: one address, a socket per data thread, so that the kernel spreads connections.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

/// Connections that may wait to be accepted; the kernel lowers it to its own limit.
const BACKLOG: i32 = 4096;

/// Why there is no listener.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Another process listens there.
    #[error("{address} is taken; choose another port, or end what listens there")]
    Taken { address: SocketAddr },
    /// Any other failure: the address is not this machine's, or not permitted.
    #[error("cannot listen on {address}")]
    Refused {
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
    /// TLS cannot be set up.
    #[error("cannot set up TLS")]
    Tls {
        #[source]
        source: io::Error,
    },
    /// The data threads cannot be started.
    #[error("cannot start a data thread")]
    Thread {
        #[source]
        source: io::Error,
    },
}

impl From<ListenError> for io::Error {
    fn from(error: ListenError) -> Self {
        let kind = match &error {
            ListenError::Taken { .. } => io::ErrorKind::AddrInUse,
            ListenError::Refused { source, .. }
            | ListenError::Tls { source }
            | ListenError::Thread { source } => source.kind(),
        };
        Self::new(kind, error)
    }
}

/// An address with a listening socket: no other process can take it, and clients wait in the
/// backlog.
#[derive(Debug)]
pub struct Reserved {
    address: SocketAddr,
    socket: Socket,
}

impl Reserved {
    /// Takes `address`; port 0 takes a free one.
    ///
    /// # Errors
    ///
    /// The address is taken or cannot be bound; the error names it.
    pub fn new(address: SocketAddr) -> Result<Self, ListenError> {
        let failed = |source| refused(address, source);
        // With SO_REUSEPORT, a socket would share the port with another process that sets it too;
        // without it, binding or listening fails if the port is taken.
        let socket = socket(address, false).map_err(failed)?;
        // With SO_REUSEADDR, a socket that is bound but does not listen keeps no other process out.
        socket.listen(BACKLOG).map_err(failed)?;
        let bound = socket.local_addr().map_err(failed)?.as_socket().unwrap_or(address);
        Ok(Self { address: bound, socket })
    }

    /// The address, with the port that the kernel chose.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `count` sockets that listen there. The address is held throughout.
    pub(crate) fn listen(self, count: usize) -> Result<Vec<TcpListener>, ListenError> {
        let Self { address, socket: first } = self;
        let open = || {
            // The other sockets may bind from here on.
            first.set_reuse_port(true)?;
            let mut sockets = Vec::with_capacity(count);
            for _ in 1..count {
                let socket = socket(address, true)?;
                socket.listen(BACKLOG)?;
                sockets.push(TcpListener::from(socket));
            }
            sockets.push(TcpListener::from(first));
            Ok(sockets)
        };
        open().map_err(|source| refused(address, source))
    }
}

fn refused(address: SocketAddr, source: io::Error) -> ListenError {
    match source.kind() {
        io::ErrorKind::AddrInUse => ListenError::Taken { address },
        _ => ListenError::Refused { address, source },
    }
}

fn socket(address: SocketAddr, shared: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reserve() -> Reserved {
        Reserved::new(([127, 0, 0, 1], 0).into()).expect("a free port")
    }

    #[test]
    fn all_sockets_share_the_free_port_that_was_found() {
        let reserved = reserve();
        let bound = reserved.address();
        assert_ne!(bound.port(), 0);
        let sockets = reserved.listen(3).expect("it is held");
        assert_eq!(sockets.len(), 3);
        for socket in &sockets {
            assert_eq!(socket.local_addr().expect("bound"), bound);
        }
        // The kernel spreads connections over all of them, or to one that accepts.
        let count = 64;
        let clients: Vec<_> =
            (0..count).map(|_| std::net::TcpStream::connect(bound).expect("it listens")).collect();
        let per_socket =
            sockets.iter().map(|socket| std::iter::from_fn(|| socket.accept().ok()).count());
        let per_socket: Vec<_> = per_socket.collect();
        assert_eq!(per_socket.iter().sum::<usize>(), clients.len());
        assert!(per_socket.iter().all(|count| *count > 0), "{per_socket:?}");
    }

    #[test]
    fn a_taken_address_is_named_even_if_its_owner_would_share_it() {
        let reserved = reserve();
        let bound = reserved.address();
        let _held = reserved.listen(1).expect("it is held");
        let error = Reserved::new(bound).expect_err("it is taken");
        assert!(matches!(error, ListenError::Taken { address } if address == bound));
        assert!(error.to_string().starts_with(&bound.to_string()));
        assert_eq!(io::Error::from(error).kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn nobody_else_gets_a_reserved_address() {
        let reserved = reserve();
        let stranger = TcpListener::bind(reserved.address()).expect_err("it is held");
        assert_eq!(stranger.kind(), io::ErrorKind::AddrInUse);
    }
}
