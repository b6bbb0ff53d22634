//! Which ports to listen on: the one that was asked for, or the default, or the next free one.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, TcpListener};

use crate::outcome::{Failure, Result};

pub(crate) const API: u16 = 7443;
pub(crate) const HTTP: u16 = 7080;
/// How many ports after a default one are tried.
const TRIES: u16 = 100;

/// A listener, and whether its port is another than the default.
#[derive(Debug)]
pub(crate) struct Bound {
    pub(crate) listener: TcpListener,
    pub(crate) moved_from: Option<u16>,
}

impl Bound {
    pub(crate) fn address(&self) -> SocketAddr {
        self.listener.local_addr().expect("a bound listener has an address")
    }
}

/// Binds `asked`, or else the first free port from `default` on.
pub(crate) fn bind(ip: IpAddr, asked: Option<u16>, default: u16, flag: &str) -> Result<Bound> {
    if let Some(port) = asked {
        let listener =
            TcpListener::bind((ip, port)).map_err(|error| cannot(ip, port, &error, flag))?;
        return Ok(Bound { listener, moved_from: None });
    }
    for port in default..default + TRIES {
        match TcpListener::bind((ip, port)) {
            Ok(listener) => {
                return Ok(Bound { listener, moved_from: (port != default).then_some(default) });
            }
            Err(error) if error.kind() == ErrorKind::AddrInUse => {}
            Err(error) => return Err(cannot(ip, port, &error, flag)),
        }
    }
    Err(Failure::new(format!(
        "the ports {default} to {} of {ip} are all taken",
        default + TRIES - 1
    ))
    .next(format!("rouse up {flag} 0, which picks any free one")))
}

fn cannot(ip: IpAddr, port: u16, error: &std::io::Error, flag: &str) -> Failure {
    let what = match error.kind() {
        ErrorKind::AddrInUse => format!("port {port} of {ip} is taken by another program"),
        ErrorKind::AddrNotAvailable => format!("{ip} is no address of this machine"),
        _ => format!("cannot listen on {ip}:{port}"),
    };
    Failure::new(what).because(error).next(format!("rouse up {flag} 0, which picks a free one"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOPBACK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn a_taken_default_gives_way_and_a_taken_wish_is_an_error() {
        let holder = bind(LOOPBACK, Some(0), API, "--api-port").unwrap();
        let taken = holder.address().port();
        let moved = bind(LOOPBACK, None, taken, "--api-port").unwrap();
        assert_eq!(moved.moved_from, Some(taken));
        assert_ne!(moved.address().port(), taken);
        let error = bind(LOOPBACK, Some(taken), API, "--api-port").unwrap_err().to_string();
        assert!(error.contains(&format!("port {taken} of 127.0.0.1 is taken")), "{error}");
    }
}
