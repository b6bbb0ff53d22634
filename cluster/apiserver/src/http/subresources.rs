//! The subresources of each resource: their names, kinds and verbs, for discovery and for routing.

use crate::kinds::Resource;
use crate::registry::Part;

/// Tokens of a service account.
pub(super) const TOKEN: &str = "token";

/// One subresource of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Subresource {
    pub(super) name: &'static str,
    pub(super) group: String,
    pub(super) version: String,
    pub(super) kind: String,
    pub(super) verbs: &'static [&'static str],
    /// The part of the object that its writes change; `None` if it has none: the node answers, or a token is
    /// made.
    pub(super) part: Option<Part>,
}

/// The subresources of a resource, by name.
pub(super) fn of(resource: &Resource) -> Vec<Subresource> {
    const CHANGED: &[&str] = &["get", "patch", "update"];
    let own = |name, verbs, part| Subresource {
        name,
        group: resource.group.clone(),
        version: resource.version.clone(),
        kind: resource.kind.clone(),
        verbs,
        part,
    };
    let mut found = Vec::new();
    if resource.is("", "Pod") {
        found.push(Subresource {
            kind: "Binding".to_owned(),
            ..own("binding", &["create"], Some(Part::Binding))
        });
        found.push(own("log", &["get"], None));
    }
    if resource.is("", "ServiceAccount") {
        found.push(Subresource {
            group: "authentication.k8s.io".to_owned(),
            version: "v1".to_owned(),
            kind: "TokenRequest".to_owned(),
            ..own(TOKEN, &["create"], None)
        });
    }
    if resource.is("", "Node") {
        let kind = "NodeProxyOptions".to_owned();
        found.push(Subresource { kind, ..own("proxy", &["get"], None) });
    }
    if resource.is("", "Namespace") {
        found.push(own("finalize", &["update"], Some(Part::Finalize)));
    }
    if resource.scale.is_some() {
        found.push(Subresource {
            group: "autoscaling".to_owned(),
            version: "v1".to_owned(),
            kind: "Scale".to_owned(),
            ..own("scale", CHANGED, Some(Part::Scale))
        });
    }
    if resource.status {
        found.push(own("status", CHANGED, Some(Part::Status)));
    }
    found
}
