//! From a host name to a revision. Immutable once built; a request looks and allocates nothing.
//!
//! Routes alone decide: no path and no header of ours is taken from the user's applications.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::{HeaderName, HeaderValue};
use rouse_api::routing::{self, HttpOption, Routing};
use smallvec::SmallVec;

use crate::revision::{Revision, RevisionKey};
use crate::schedule::schedule;

/// The object that a part of the table comes from.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct RouteKey {
    pub(crate) kind: RouteKind,
    pub(crate) namespace: String,
    pub(crate) name: String,
}

/// Routes win over DomainMappings where both claim a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum RouteKind {
    Route,
    DomainMapping,
}

/// Where a request came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Public,
    Local,
}

/// One host, or several with the same destination.
#[derive(Debug)]
pub(crate) struct Host {
    shares: Vec<Share>,
    schedule: Vec<u8>,
    /// Counts requests over all threads, so that any 1,000 of them are exact.
    turn: AtomicU64,
    pub(crate) rewrite: Option<HeaderValue>,
    pub(crate) redirect: bool,
    /// What it was built from, to see whether it may stay.
    source: routing::Host,
    namespace: String,
}

/// A revision and what is set on its requests.
#[derive(Debug)]
pub(crate) struct Share {
    pub(crate) revision: Arc<Revision>,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
}

impl Host {
    fn build(
        source: &routing::Host,
        namespace: &str,
        revision: &mut impl FnMut(RevisionKey) -> Arc<Revision>,
    ) -> Option<Self> {
        let weights: Vec<u8> = source.split.iter().map(|share| share.percent).collect();
        let schedule = schedule(&weights);
        if schedule.is_empty() {
            return None;
        }
        let share = |share: &routing::Share| Share {
            revision: revision(RevisionKey::new(namespace, &share.revision)),
            headers: share.headers.iter().filter_map(header).collect(),
        };
        Some(Self {
            shares: source.split.iter().map(share).collect(),
            schedule,
            turn: AtomicU64::new(0),
            rewrite: source.rewrite_host.as_deref().and_then(|host| host.parse().ok()),
            redirect: source.http == HttpOption::Redirected,
            source: source.clone(),
            namespace: namespace.to_owned(),
        })
    }

    /// Whose turn it is.
    pub(crate) fn next(&self) -> &Share {
        if let [only] = self.shares.as_slice() {
            return only;
        }
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % self.schedule.len() as u64;
        &self.shares[usize::from(self.schedule[turn as usize])]
    }
}

fn header((name, value): (&String, &String)) -> Option<(HeaderName, HeaderValue)> {
    Some((name.parse().ok()?, value.parse().ok()?))
}

/// All hosts.
#[derive(Debug, Default)]
pub(crate) struct RouteTable {
    hosts: HashMap<Box<str>, Entry>,
    /// Up to which version of each object this table goes.
    pub(crate) versions: HashMap<RouteKey, i64>,
}

#[derive(Debug)]
struct Entry {
    public: bool,
    host: Arc<Host>,
}

impl RouteTable {
    /// Builds the table. Hosts of `previous` that did not change stay, with their turns.
    pub(crate) fn build(
        routes: &BTreeMap<RouteKey, Routing>,
        previous: &Self,
        mut revision: impl FnMut(RevisionKey) -> Arc<Revision>,
    ) -> Self {
        let mut table = Self::default();
        for (key, routing) in routes {
            table.versions.insert(key.clone(), routing.version);
            for source in &routing.hosts {
                let Some(host) = previous
                    .unchanged(source, &key.namespace)
                    .or_else(|| Host::build(source, &key.namespace, &mut revision).map(Arc::new))
                else {
                    continue;
                };
                let names = source.public.iter().map(|name| (name, true));
                for (name, public) in names.chain(source.local.iter().map(|name| (name, false))) {
                    let name = name.to_ascii_lowercase().into_boxed_str();
                    table
                        .hosts
                        .entry(name)
                        .or_insert_with(|| Entry { public, host: Arc::clone(&host) });
                }
            }
        }
        table
    }

    fn unchanged(&self, source: &routing::Host, namespace: &str) -> Option<Arc<Host>> {
        let name = source.public.first().or_else(|| source.local.first())?;
        let entry = self.hosts.get(name.to_ascii_lowercase().as_str())?;
        let same = entry.host.source == *source && entry.host.namespace == namespace;
        same.then(|| Arc::clone(&entry.host))
    }

    /// Who answers for `host`, a name as in a Host header, on this side.
    pub(crate) fn find(&self, host: &str, side: Side) -> Option<&Arc<Host>> {
        let name = without_port(host);
        let entry = if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            let lower: SmallVec<[u8; 256]> =
                name.bytes().map(|byte| byte.to_ascii_lowercase()).collect();
            self.hosts.get(std::str::from_utf8(&lower).ok()?)
        } else {
            self.hosts.get(name)
        }?;
        (entry.public || side == Side::Local).then_some(&entry.host)
    }

    pub(crate) fn len(&self) -> usize {
        self.hosts.len()
    }
}

/// The name alone: no port, no final dot.
fn without_port(host: &str) -> &str {
    let name = if host.starts_with('[') {
        host.find(']').map_or(host, |end| &host[..=end])
    } else {
        host.split(':').next().unwrap_or(host)
    };
    name.strip_suffix('.').unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Bell;

    fn routes(split: &[(&str, u8)]) -> BTreeMap<RouteKey, Routing> {
        let share = |(revision, percent): &(&str, u8)| routing::Share {
            revision: (*revision).to_owned(),
            percent: *percent,
            ..Default::default()
        };
        let host = routing::Host {
            public: vec!["hello.default.localhost".to_owned()],
            local: vec!["hello.default.svc.cluster.local".to_owned()],
            split: split.iter().map(share).collect(),
            ..Default::default()
        };
        let key = RouteKey {
            kind: RouteKind::Route,
            namespace: "default".to_owned(),
            name: "hello".to_owned(),
        };
        [(key, Routing { version: 3, hosts: vec![host] })].into()
    }

    fn build(split: &[(&str, u8)], previous: &RouteTable) -> RouteTable {
        let bell = Arc::new(Bell::default());
        RouteTable::build(&routes(split), previous, |key| {
            Arc::new(Revision::new(key, Arc::clone(&bell)))
        })
    }

    #[test]
    fn a_host_is_found_however_it_is_written() {
        let table = build(&[("hello-00001", 100)], &RouteTable::default());
        let found = |host| table.find(host, Side::Public).is_some();
        assert!(found("hello.default.localhost"));
        assert!(found("hello.default.localhost:7080"));
        assert!(found("Hello.Default.LOCALHOST.:80"));
        assert!(!found("default.localhost"));
        assert!(!found("x.hello.default.localhost"));
        assert!(!found("[::1]:7080"));
        assert!(!found(""));
    }

    #[test]
    fn a_local_host_is_unknown_to_the_public() {
        let table = build(&[("hello-00001", 100)], &RouteTable::default());
        let local = "hello.default.svc.cluster.local";
        assert!(table.find(local, Side::Public).is_none());
        assert!(table.find(local, Side::Local).is_some());
        assert!(table.find("hello.default.localhost", Side::Local).is_some());
    }

    #[test]
    fn any_thousand_requests_split_exactly_wherever_counting_starts() {
        let table = build(&[("a", 70), ("b", 27), ("c", 3)], &RouteTable::default());
        let host = table.find("hello.default.localhost", Side::Public).expect("it is there");
        for _ in 0..37 {
            host.next();
        }
        let mut counts: BTreeMap<String, u32> = BTreeMap::new();
        for _ in 0..1000 {
            *counts.entry(host.next().revision.key.name.clone()).or_default() += 1;
        }
        assert_eq!(counts, [("a".into(), 700), ("b".into(), 270), ("c".into(), 30)].into());
    }

    #[test]
    fn a_host_that_did_not_change_keeps_its_turns() {
        let first = build(&[("a", 50), ("b", 50)], &RouteTable::default());
        let again = build(&[("a", 50), ("b", 50)], &first);
        let changed = build(&[("a", 40), ("b", 60)], &first);
        let host = |table: &RouteTable| Arc::clone(&table.hosts["hello.default.localhost"].host);
        assert!(Arc::ptr_eq(&host(&first), &host(&again)));
        assert!(!Arc::ptr_eq(&host(&first), &host(&changed)));
        assert_eq!(again.versions.values().copied().collect::<Vec<_>>(), [3]);
    }

    #[test]
    fn a_host_without_shares_is_not_served() {
        assert_eq!(build(&[], &RouteTable::default()).len(), 0);
    }
}
