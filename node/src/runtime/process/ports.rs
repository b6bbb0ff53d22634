//! Free ports for `PORT`, one per container for as long as its pod is on this node.
//!
//! They are taken from outside the range from which the kernel gives ports to outgoing
//! connections, so that none is taken by accident before the program's own `bind`. Two
//! platforms on one host exclude each other by a lock for each port, which ends with the
//! platform: before the program listens, nothing else shows that its port is taken.

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use parking_lot::Mutex;

use crate::spec::PodRef;

/// Ports below it are those that users assign by hand.
const LOWEST: u16 = 20_000;
/// The Linux default, where the host's range cannot be read.
const EPHEMERAL: (u16, u16) = (32_768, 60_999);
/// The smallest useful range.
const ENOUGH: u16 = 1000;

pub(super) struct Ports {
    range: Range<u16>,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    next: u16,
    by: BTreeMap<(PodRef, String), Held>,
}

/// A port that is reserved for a container.
struct Held {
    port: u16,
    _lock: UnixDatagram,
}

impl Ports {
    pub(super) fn new() -> Self {
        let range = range(ephemeral().unwrap_or(EPHEMERAL));
        // Two platforms on one host begin at different places.
        let length = u32::from(range.end - range.start);
        let offset = std::process::id().wrapping_mul(2_654_435_761) % length;
        let next = range.start + u16::try_from(offset).unwrap_or(0);
        Self { range, taken: Mutex::new(Taken { next, by: BTreeMap::new() }) }
    }

    pub(super) fn reserve(&self, pod: &PodRef, container: &str) -> Option<u16> {
        let key = (pod.clone(), container.to_owned());
        let mut taken = self.taken.lock();
        if let Some(held) = taken.by.get(&key) {
            return Some(held.port);
        }
        for _ in self.range.clone() {
            let port = taken.next;
            taken.next = if port + 1 < self.range.end { port + 1 } else { self.range.start };
            if let Some(lock) = lock(port)
                && is_free(port)
            {
                taken.by.insert(key, Held { port, _lock: lock });
                return Some(port);
            }
        }
        None
    }

    pub(super) fn release(&self, pod: &PodRef) {
        self.taken.lock().by.retain(|(owner, _), _| owner != pod);
    }
}

/// The lock of a port, if it is free: a socket's name in the port's network namespace.
fn lock(port: u16) -> Option<UnixDatagram> {
    let name = SocketAddr::from_abstract_name(format!("rouse/port/{port}")).ok()?;
    UnixDatagram::bind_addr(&name).ok()
}

/// Bound as a program would bind it: on every address.
fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok()
}

fn ephemeral() -> Option<(u16, u16)> {
    let text = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?;
    let mut parts = text.split_whitespace().map(str::parse);
    Some((parts.next()?.ok()?, parts.next()?.ok()?))
}

/// Outside the ephemeral range where there is room, else inside it.
fn range((low, high): (u16, u16)) -> Range<u16> {
    if low >= LOWEST + ENOUGH {
        LOWEST..low
    } else if high < u16::MAX - ENOUGH {
        high + 1..u16::MAX
    } else {
        LOWEST..u16::MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_lie_outside_the_ephemeral_range() {
        assert_eq!(range((32_768, 60_999)), 20_000..32_768);
        assert_eq!(range((1024, 60_999)), 61_000..65_535);
        assert_eq!(range((1024, 65_535)), 20_000..65_535);
    }

    #[test]
    fn a_container_keeps_its_port_and_no_other_gets_it() {
        let ports = Ports::new();
        let pod = |uid: &str| PodRef {
            namespace: "n".to_owned(),
            name: "p".to_owned(),
            uid: uid.to_owned(),
        };
        let first = ports.reserve(&pod("a"), "user").unwrap();
        assert_eq!(ports.reserve(&pod("a"), "user"), Some(first));
        assert_ne!(ports.reserve(&pod("b"), "user"), Some(first));
        ports.release(&pod("a"));
        assert_ne!(ports.reserve(&pod("a"), "user"), Some(first), "not again at once");
    }

    #[test]
    fn two_platforms_give_no_port_twice_though_nothing_listens_yet() {
        let (one, other) = (Ports::new(), Ports::new());
        let pod = PodRef { namespace: "n".into(), name: "p".into(), uid: "u".into() };
        let port = one.reserve(&pod, "user").unwrap();
        other.taken.lock().next = port;
        assert_ne!(other.reserve(&pod, "user"), Some(port));
    }

    #[test]
    fn a_port_in_use_is_passed_over() {
        let ports = Ports::new();
        let holder = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
        let held = holder.local_addr().unwrap().port();
        ports.taken.lock().next = held;
        let pod = PodRef { namespace: "n".into(), name: "p".into(), uid: "u".into() };
        assert_ne!(ports.reserve(&pod, "user"), Some(held));
        drop(holder);
    }
}
