//! Choosing a port: the one that was asked for, else the default, else the next free one; and notes on
//! listeners outside loopback.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use crate::outcome::{Context, Failure, Result};

pub(crate) const API: u16 = 7443;
pub(crate) const HTTP: u16 = 7080;
pub(crate) const ADMIN: u16 = 7090;
/// How many ports after a default one are tried.
const TRIES: u16 = 100;

/// A held port, and the default if that was taken.
#[derive(Debug)]
pub(crate) struct Bound<T> {
    pub(crate) held: T,
    pub(crate) moved_from: Option<u16>,
}

/// Binds with `take` the port `asked`, or else the first free port from `default` on.
pub(crate) fn bind<T>(
    ip: IpAddr,
    asked: Option<u16>,
    default: u16,
    flag: &str,
    take: impl Fn(SocketAddr) -> io::Result<T>,
) -> Result<Bound<T>> {
    let take = |port| take(SocketAddr::new(ip, port));
    if let Some(port) = asked {
        let held = take(port).map_err(|error| cannot(ip, port, &error, flag))?;
        return Ok(Bound { held, moved_from: None });
    }
    for port in default..default.saturating_add(TRIES) {
        match take(port) {
            Ok(held) => {
                return Ok(Bound { held, moved_from: (port != default).then_some(default) });
            }
            Err(error) if error.kind() == ErrorKind::AddrInUse => {}
            Err(error) => return Err(cannot(ip, port, &error, flag)),
        }
    }
    Err(Failure::new(format!(
        "the ports {default} to {} of {ip} are all taken",
        default.saturating_add(TRIES - 1)
    ))
    .next(format!("rouse up {flag} 0, which picks any free one")))
}

/// Addresses of loopback that are tried for cluster-local services, one a platform of this machine.
const LOCAL_ADDRESSES: std::ops::RangeInclusive<u8> = 1..=250;
/// Their port, which URLs need not name.
const LOCAL: u16 = 80;
const API_FOR_PODS: u16 = 443;

/// Binds with `take` the listener for cluster-local services: port 80 of a loopback address of its own where this
/// user may, so that pods need no port in a URL; else any free port of `ip`. Pods that reach this host at another
/// address, `pods`, get the listener there.
pub(crate) fn bind_local<T>(
    ip: IpAddr,
    pods: Option<IpAddr>,
    take: impl Fn(SocketAddr) -> io::Result<T>,
) -> io::Result<T> {
    let by_default = ip == IpAddr::V4(Ipv4Addr::LOCALHOST);
    if let Some(pods) = pods.filter(|pods| by_default && !pods.is_loopback()) {
        for port in [LOCAL, 0] {
            if let Ok(taken) = take(SocketAddr::new(pods, port)) {
                return Ok(taken);
            }
        }
    } else if by_default {
        for last in LOCAL_ADDRESSES {
            match take(SocketAddr::from(([127, 0, 80, last], LOCAL))) {
                Err(error) if error.kind() == ErrorKind::AddrInUse => {}
                Err(_) => break,
                taken => return taken,
            }
        }
    }
    take(SocketAddr::new(ip, 0))
}

/// Binds with `take` the listener of the API for pods: port 443 of the address at which they reach the local gateway,
/// `gateway`, where the URL `https://kubernetes.default.svc` leads. Else any port there, if pods do not reach
/// loopback; None means that they use the API's own listener.
pub(crate) fn bind_api_for_pods<T>(
    gateway: IpAddr,
    take: impl Fn(SocketAddr) -> io::Result<T>,
) -> Option<T> {
    let ports: &[u16] = if gateway.is_loopback() { &[API_FOR_PODS] } else { &[API_FOR_PODS, 0] };
    let own = gateway != IpAddr::V4(Ipv4Addr::LOCALHOST);
    ports.iter().filter(|_| own).find_map(|port| take(SocketAddr::new(gateway, *port)).ok())
}

/// A listener that was bound, and where.
pub(crate) fn tcp(at: SocketAddr) -> io::Result<(SocketAddr, TcpListener)> {
    let listener = TcpListener::bind(at)?;
    Ok((listener.local_addr()?, listener))
}

/// The same for tasks.
pub(crate) fn listening(listener: TcpListener, what: &str) -> Result<tokio::net::TcpListener> {
    let cannot = || format!("cannot listen for the {what}");
    listener.set_nonblocking(true).or_fail(cannot)?;
    tokio::net::TcpListener::from_std(listener).or_fail(cannot)
}

/// Where a platform listens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Listeners {
    pub(crate) gateway: SocketAddr,
    pub(crate) https: SocketAddr,
    /// For cluster-local services.
    pub(crate) local: SocketAddr,
    /// The address at which pods reach this host.
    pub(crate) pods: Option<IpAddr>,
    pub(crate) api: SocketAddr,
    pub(crate) api_for_pods: Option<SocketAddr>,
    pub(crate) admin: SocketAddr,
}

/// A note for each listener outside loopback: who can reach it, and what they may do.
pub(crate) fn exposed(at: &Listeners) -> Vec<String> {
    let local_means = if at.pods == Some(at.local.ip()) {
        "pods call services there, and so can every container of this engine"
    } else {
        "everyone who reaches it can call every service"
    };
    let calls = "everyone who reaches it can call the public services";
    let token = "whoever has the token of the kubeconfig may do everything";
    let tokens = "pods ask it with the tokens of their service accounts; every container of this engine reaches it, and \
                  whoever has the token of the kubeconfig may do everything";
    let all = [
        (Some(at.gateway), "the gateway", calls),
        (Some(at.https), "the gateway for https", calls),
        (Some(at.local), "the cluster-local gateway", local_means),
        (Some(at.api), "the Kubernetes API", token),
        (at.api_for_pods, "the Kubernetes API for pods", tokens),
        (
            Some(at.admin),
            "the admin port",
            "everyone who reaches it reads metrics, routes and states",
        ),
    ];
    all.into_iter()
        .filter_map(|(address, what, means)| Some((address?, what, means)))
        .filter(|(address, ..)| !address.ip().is_loopback())
        .map(|(address, what, means)| format!("{what} listens on {address}: {means}"))
        .collect()
}

/// Where this machine reaches a listener: one on every address is reached on loopback.
pub(crate) fn reached(listener: SocketAddr) -> SocketAddr {
    let ip = match listener.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listener.port())
}

fn cannot(ip: IpAddr, port: u16, error: &io::Error, flag: &str) -> Failure {
    let what = match error.kind() {
        ErrorKind::AddrInUse => format!("port {port} of {ip} is taken by another program"),
        ErrorKind::AddrNotAvailable => format!("{ip} is no address of this machine"),
        _ => format!("cannot listen on {ip}:{port}"),
    };
    let next = match error.kind() {
        ErrorKind::AddrNotAvailable => "rouse up --bind 127.0.0.1".to_owned(),
        _ => format!("rouse up {flag} 0, which picks a free one"),
    };
    Failure::new(what).because(error).next(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    #[test]
    fn each_listener_outside_loopback_is_named() {
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        let everywhere = |at: SocketAddr| Listeners {
            gateway: at,
            https: at,
            local: at,
            pods: None,
            api: at,
            api_for_pods: Some(at),
            admin: at,
        };
        let own = Listeners { admin: at("[::1]:1"), ..everywhere(at("127.0.0.1:7080")) };
        assert!(exposed(&own).is_empty());
        let open = exposed(&Listeners { gateway: at("0.0.0.0:7080"), ..own });
        assert_eq!(open.len(), 1);
        assert!(open[0].starts_with("the gateway listens on 0.0.0.0:7080"), "{open:?}");
        assert_eq!(exposed(&everywhere(at("192.0.2.1:80"))).len(), 6);
        let (bridge, api) = (at("172.17.0.1:80"), at("172.17.0.1:443"));
        let pods =
            Listeners { local: bridge, pods: Some(bridge.ip()), api_for_pods: Some(api), ..own };
        let pods = exposed(&pods);
        assert!(pods[0].contains("pods call services there"), "{pods:?}");
        assert!(
            pods[1].starts_with("the Kubernetes API for pods listens on 172.17.0.1:443"),
            "{pods:?}"
        );
        assert_eq!(pods.len(), 2);
    }

    #[test]
    fn a_listener_on_every_address_is_reached_on_loopback() {
        let reached = |text: &str| reached(text.parse().unwrap()).to_string();
        assert_eq!(reached("0.0.0.0:80"), "127.0.0.1:80");
        assert_eq!(reached("[::]:80"), "[::1]:80");
        assert_eq!(reached("192.0.2.1:80"), "192.0.2.1:80");
    }

    #[test]
    fn pods_with_a_network_of_their_own_have_the_listener_at_the_hosts_address_in_it() {
        let pods = Some(IpAddr::from([172, 17, 0, 1]));
        let bind = |ip: IpAddr, pods, taken: &[&str]| {
            let take = |at: SocketAddr| {
                let free = !taken.contains(&at.to_string().as_str());
                if free { Ok(at.to_string()) } else { Err(ErrorKind::AddrInUse.into()) }
            };
            bind_local(ip, pods, take).unwrap()
        };
        assert_eq!(bind(LOOPBACK, pods, &[]), "172.17.0.1:80");
        assert_eq!(bind(LOOPBACK, pods, &["172.17.0.1:80"]), "172.17.0.1:0");
        assert_eq!(bind(LOOPBACK, pods, &["172.17.0.1:80", "172.17.0.1:0"]), "127.0.0.1:0");
        assert_eq!(bind([0, 0, 0, 0].into(), pods, &[]), "0.0.0.0:0");
        for host in [None, Some(LOOPBACK)] {
            assert_eq!(bind(LOOPBACK, host, &["127.0.80.1:80"]), "127.0.80.2:80");
        }
    }

    #[test]
    fn pods_find_the_api_beside_the_local_gateway() {
        let bind = |gateway: &str, free: fn(u16) -> bool| {
            let gateway = gateway.parse().unwrap();
            let take = |at: SocketAddr| {
                if free(at.port()) { Ok(at.to_string()) } else { Err(ErrorKind::AddrInUse.into()) }
            };
            bind_api_for_pods(gateway, take)
        };
        assert_eq!(bind("127.0.80.1", |_| true).as_deref(), Some("127.0.80.1:443"));
        assert_eq!(bind("127.0.80.1", |port| port != 443), None);
        assert_eq!(bind("127.0.0.1", |_| true), None);
        assert_eq!(bind("172.17.0.1", |port| port != 443).as_deref(), Some("172.17.0.1:0"));
    }

    #[test]
    fn a_taken_default_moves_and_a_taken_port_of_a_flag_is_an_error() {
        let take = |asked, default| {
            bind(LOOPBACK, asked, default, "--api-port", TcpListener::bind::<SocketAddr>)
        };
        let holder = take(Some(0), API).unwrap().held;
        let taken = holder.local_addr().unwrap().port();
        let moved = take(None, taken).unwrap();
        assert_eq!(moved.moved_from, Some(taken));
        assert_ne!(moved.held.local_addr().unwrap().port(), taken);
        let error = take(Some(taken), API).unwrap_err().to_string();
        assert!(error.contains(&format!("port {taken} of 127.0.0.1 is taken")), "{error}");
    }
}
