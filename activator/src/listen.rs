//! The listeners: one address, a socket per data thread, so that the kernel spreads connections.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

/// Connections that may wait to be accepted; the kernel lowers it to its own limit.
const BACKLOG: i32 = 4096;

/// Why there is no listener.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Somebody else has it.
    #[error("{address} is taken; choose another port, or end what listens there")]
    Taken { address: SocketAddr },
    /// Anything else: not this machine's, or not allowed.
    #[error("cannot listen on {address}")]
    Refused {
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
    /// The data threads cannot be had.
    #[error("cannot start a data thread")]
    Thread {
        #[source]
        source: io::Error,
    },
}

/// `count` sockets on one address. Port 0 takes a free port, the same for all of them.
pub(crate) fn listen(
    address: SocketAddr,
    count: usize,
) -> Result<(SocketAddr, Vec<TcpListener>), ListenError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::AddrInUse => ListenError::Taken { address },
        _ => ListenError::Refused { address, source },
    };
    // Sockets that share a port also share it with a stranger who asks to; one that does not share
    // finds out whether anybody is there.
    let first = socket(address, false).map_err(failed)?;
    let bound = first.local_addr().map_err(failed)?.as_socket().unwrap_or(address);
    drop(first);
    let sockets = (0..count)
        .map(|_| {
            let socket = socket(bound, true)?;
            socket.listen(BACKLOG)?;
            Ok(TcpListener::from(socket))
        })
        .collect::<io::Result<Vec<_>>>()
        .map_err(failed)?;
    Ok((bound, sockets))
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

    #[test]
    fn all_sockets_share_the_free_port_that_was_found() {
        let (bound, sockets) = listen(([127, 0, 0, 1], 0).into(), 3).expect("a free port");
        assert_ne!(bound.port(), 0);
        for socket in &sockets {
            assert_eq!(socket.local_addr().expect("bound"), bound);
        }
    }

    #[test]
    fn a_taken_address_is_named_even_if_its_owner_would_share_it() {
        let (bound, _held) = listen(([127, 0, 0, 1], 0).into(), 1).expect("a free port");
        let error = listen(bound, 1).expect_err("it is taken");
        assert!(matches!(error, ListenError::Taken { address } if address == bound));
        assert!(error.to_string().starts_with(&bound.to_string()));
    }
}
