//! Names of the objects that the routing table comes from.

use rouse_k8s::ObjectKey;

/// Names a Route or a DomainMapping. Routes win where both claim a host.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct RouteKey {
    pub(crate) kind: RouteKind,
    pub(crate) key: ObjectKey,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum RouteKind {
    Route,
    DomainMapping,
}
