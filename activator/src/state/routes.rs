//! The routing table: from a host name to a revision. Immutable once built; a lookup allocates
//! nothing.
//!
//! Only the table decides: the platform reserves no path and no header of the user's applications.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::{HeaderMap, HeaderName, HeaderValue};
use rouse_api::routing::{self, HttpOption, Routing};
use rouse_k8s::ObjectKey;
use smallvec::SmallVec;

use crate::callers::rule::Rule;
use crate::state::keys::RouteKey;
use crate::state::schedule::schedule;

/// The listener that a request came in on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Public,
    Local,
}

/// Names the tag that a request is for: by its client, or for a host of a tag.
pub(crate) const TAG: HeaderName = HeaderName::from_static("knative-serving-tag");
/// Says that no tag was chosen, although one may have been named.
const DEFAULT_ROUTE: HeaderName = HeaderName::from_static("knative-serving-default-route");

/// Revisions, and how requests are split among them.
#[derive(Debug)]
struct Split<R> {
    /// In the order of the schedule's indices.
    revisions: Vec<R>,
    schedule: Vec<u8>,
    /// Counts requests over all threads, so that any 1,000 of them are split exactly.
    turn: AtomicU64,
}

impl<R> Split<R> {
    /// None without any share.
    fn build(
        shares: &[routing::Share],
        namespace: &str,
        revision: &mut impl FnMut(ObjectKey) -> R,
    ) -> Option<Self> {
        let weights: Vec<u8> = shares.iter().map(|share| share.percent).collect();
        let schedule = schedule(&weights);
        if schedule.is_empty() {
            return None;
        }
        let share = |share: &routing::Share| revision(ObjectKey::new(namespace, &share.revision));
        Some(Self {
            revisions: shares.iter().map(share).collect(),
            schedule,
            turn: AtomicU64::new(0),
        })
    }

    fn next(&self) -> &R {
        if let [only] = self.revisions.as_slice() {
            return only;
        }
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % self.schedule.len() as u64;
        &self.revisions[usize::from(self.schedule[turn as usize])]
    }
}

/// Tag header routing of a host.
#[derive(Debug)]
struct HeaderTags<R> {
    tags: Vec<(Box<str>, Split<R>)>,
    /// What requests are told that named no tag of these.
    otherwise: (HeaderName, HeaderValue),
}

/// One host, or several with the same destination.
#[derive(Debug)]
pub(crate) struct Host<R> {
    split: Split<R>,
    /// Where tag header routing is on.
    header_tags: Option<Box<HeaderTags<R>>>,
    pub(crate) rewrite: Option<HeaderValue>,
    /// What http is answered on the public side.
    pub(crate) http: HttpOption,
    /// Who may call, where not everybody may.
    pub(crate) callers: Option<Box<Rule>>,
    /// The part of `status.routing` it was built from; if unchanged, the host stays when the table
    /// is rebuilt.
    source: routing::Host,
    namespace: String,
}

impl<R> Host<R> {
    fn build(
        source: &routing::Host,
        namespace: &str,
        revision: &mut impl FnMut(ObjectKey) -> R,
    ) -> Option<Self> {
        let split = Split::build(&source.split, namespace, revision)?;
        let header_tags = source.header_tags.as_deref().map(|all| {
            let tags = all.iter().filter_map(|tag| {
                let split = Split::build(&tag.split, namespace, revision)?;
                Some((tag.tag.as_str().into(), split))
            });
            let of_tag = source.tag.as_deref().and_then(|tag| HeaderValue::from_str(tag).ok());
            let otherwise = of_tag.map_or_else(
                || (DEFAULT_ROUTE, HeaderValue::from_static("true")),
                |tag| (TAG, tag),
            );
            Box::new(HeaderTags { tags: tags.collect(), otherwise })
        });
        Some(Self {
            split,
            header_tags,
            rewrite: source.rewrite_host.as_deref().and_then(|host| host.parse().ok()),
            http: source.http,
            callers: source.callers.as_ref().map(|callers| Box::new(Rule::of(callers))),
            source: source.clone(),
            namespace: namespace.to_owned(),
        })
    }

    /// The part of `status.routing` that it was built from.
    pub(crate) fn source(&self) -> &routing::Host {
        &self.source
    }

    /// The namespace of its revisions.
    pub(crate) fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The revision for the next request. Where tag header routing is on, the request may name a tag, and is marked
    /// for the revision.
    pub(crate) fn next(&self, headers: &mut HeaderMap) -> &R {
        let Some(by_header) = &self.header_tags else { return self.split.next() };
        let named = headers.get(TAG).map(HeaderValue::as_bytes);
        let tagged = by_header.tags.iter().find(|(tag, _)| Some(tag.as_bytes()) == named);
        if let Some((_, split)) = tagged {
            return split.next();
        }
        let (name, value) = by_header.otherwise.clone();
        headers.insert(name, value);
        self.split.next()
    }
}

/// All hosts. `R` is the type of a revision in the layer above.
#[derive(Debug)]
pub(crate) struct RouteTable<R> {
    hosts: HashMap<Box<str>, Entry<R>>,
    /// Local hosts by their name without a namespace; None where several namespaces have one of that name. Pods
    /// resolve such a name in their own namespace only, so it is theirs if there is one.
    bare: HashMap<Box<str>, Option<Arc<Host<R>>>>,
}

#[derive(Debug)]
struct Entry<R> {
    public: bool,
    host: Arc<Host<R>>,
}

impl<R> Default for RouteTable<R> {
    fn default() -> Self {
        Self { hosts: HashMap::new(), bare: HashMap::new() }
    }
}

impl<R> RouteTable<R> {
    /// Builds the table. Hosts of `previous` that did not change stay, with their turns.
    pub(crate) fn build(
        routes: &BTreeMap<RouteKey, Arc<Routing>>,
        previous: &Self,
        mut revision: impl FnMut(ObjectKey) -> R,
    ) -> Self {
        let mut table = Self::default();
        for (key, routing) in routes {
            for source in &routing.hosts {
                let Some(host) = previous.unchanged(source, &key.key.namespace).or_else(|| {
                    Host::build(source, &key.key.namespace, &mut revision).map(Arc::new)
                }) else {
                    continue;
                };
                for bare in source.local.iter().filter_map(|name| bare(name, &key.key.namespace)) {
                    let only = Some(Arc::clone(&host));
                    let entry = table.bare.entry(bare.to_ascii_lowercase().into_boxed_str());
                    entry.and_modify(|other| *other = None).or_insert(only);
                }
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

    fn unchanged(&self, source: &routing::Host, namespace: &str) -> Option<Arc<Host<R>>> {
        let name = source.public.first().or_else(|| source.local.first())?;
        let entry = self.hosts.get(name.to_ascii_lowercase().as_str())?;
        let same = entry.host.source == *source && entry.host.namespace == namespace;
        same.then(|| Arc::clone(&entry.host))
    }

    /// The entry for `host`, a name as in a Host header, on this side.
    pub(crate) fn find(&self, host: &str, side: Side) -> Option<&Arc<Host<R>>> {
        let name = without_port(host);
        if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            let lower: SmallVec<[u8; 256]> =
                name.bytes().map(|byte| byte.to_ascii_lowercase()).collect();
            self.find_lower(std::str::from_utf8(&lower).ok()?, side)
        } else {
            self.find_lower(name, side)
        }
    }

    fn find_lower(&self, name: &str, side: Side) -> Option<&Arc<Host<R>>> {
        if side == Side::Local && !name.contains('.') {
            return self.bare.get(name)?.as_ref();
        }
        let entry = self.hosts.get(name)?;
        (entry.public || side == Side::Local).then_some(&entry.host)
    }

    /// Every name, whether the public listener answers to it, and its host.
    pub(crate) fn hosts(&self) -> impl Iterator<Item = (&str, bool, &Host<R>)> {
        self.hosts.iter().map(|(name, entry)| (&**name, entry.public, &*entry.host))
    }

    pub(crate) fn len(&self) -> usize {
        self.hosts.len()
    }
}

/// `NAME` of a local host `NAME.NAMESPACE`.
fn bare<'a>(name: &'a str, namespace: &str) -> Option<&'a str> {
    let bare = name.strip_suffix(namespace)?.strip_suffix('.')?;
    (!bare.contains('.')).then_some(bare)
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
mod tests;
